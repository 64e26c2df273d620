//! What the tests of the contract stand on: a tenancy of a cloud, spoken to in the APIs' own words.
//!
//! The contract is what OpenStack's services promise to an ordinary tenant: states, refusals and their bodies, defaults,
//! lists, limits. One set of tests says it, in the modules beside this one, and two clouds are held to it: the embedded one in every
//! run, and a real one where `PONTOON_CONTRACT_CLOUD` names it (an entry of clouds.yaml). What a real cloud answers is
//! right; where the embedded one answers something else, it is mended. `docs/contract.md` says what was compared with what.
//!
//! - [`contract`] runs a test on a tenancy and takes away what it made, also when it fails.
//! - [`Tenancy`] is the authenticated session: endpoints, token, waiting.
//! - [`Api`] sends raw requests to one service, [`Answer`] is what came back: bodies, nulls and headers as they are.
//! - [`Ground`] is a network of the test's own, with what is often needed on it.
//!
//! Nothing here knows Pontoon: its typed client would read over a null that should have been a list, and agree with an
//! embedded cloud that is wrong in the same way.
mod answer;
mod api;
mod entry;
mod ground;
mod ledger;
mod tenancy;

pub use answer::Answer;
pub use api::{Api, Service};
pub use ground::Ground;
pub use tenancy::{Tenancy, Which, contract};
