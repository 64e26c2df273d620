//! Why something was not done.

use crate::swim;
use crate::wire::tags;

/// Why something was not done. Nothing of it was, then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The membership cannot be started so.
    #[error(transparent)]
    Membership(#[from] swim::ConfigError),
    /// The tags do not fit into what members say of themselves.
    #[error("the tags have {size} bytes when they are encoded, and {} is the most", tags::MAX_BYTES)]
    TagsTooLarge {
        /// What they have.
        size: usize,
    },
    /// Too much for one event.
    #[error("a user event of {size} bytes is too large: {limit} is the most")]
    EventTooLarge {
        /// What it has.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// Too much for one query.
    #[error("a query of {size} bytes is too large: {limit} is the most")]
    QueryTooLarge {
        /// What it has.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// Too much for one answer.
    #[error("an answer of {size} bytes is too large: {limit} is the most")]
    ResponseTooLarge {
        /// What it has.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// A tag is to match what is no expression.
    #[error("`{expression}` is not a regular expression")]
    Expression {
        /// What stands there.
        expression: String,
    },
    /// Many queries wait for their answers.
    #[error("too many queries are waiting for answers")]
    TooManyQueries,
    /// Nobody waits for the answer any more, or it was given already.
    #[error("the query is over or has been answered")]
    QueryOver,
    /// Nobody has this name.
    #[error("there is no member `{name}`")]
    NoMember {
        /// The name.
        name: String,
    },
    /// This member leaves or has left.
    #[error("this member has left the ring")]
    Left,
}
