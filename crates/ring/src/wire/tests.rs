//! What the tests of all layers share.

pub(crate) mod arbitrary;
pub(crate) mod captures;
