//! Why bytes are not what they should be.

/// Why bytes from the network were refused, or why a message cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There are fewer bytes than they themselves announce.
    #[error("the bytes end in the middle of {0}")]
    Truncated(&'static str),
    /// The bytes are something else than the protocol has there.
    #[error("{what} is not {expected}")]
    Malformed {
        /// What was to be read, such as `Incarnation`.
        what: &'static str,
        /// What the protocol has there.
        expected: &'static str,
    },
    /// More than this program is willing to hold.
    #[error("{what} is larger than {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The bound: bytes, or how many there may be.
        limit: usize,
    },
    /// A kind of message that has no place there.
    #[error("a message of kind {0} has no place here")]
    Kind(u8),
    /// The checksum is of other bytes.
    #[error("the checksum does not fit the bytes")]
    Checksum,
    /// It belongs to another ring, by its label.
    #[error("the label is `{found}` and not `{expected}`")]
    Label {
        /// What came; empty where there was none.
        found: String,
        /// What members of this ring send.
        expected: String,
    },
    /// It is encrypted, and this member has no key.
    #[error("it is encrypted, and this member has no keys")]
    Encrypted,
    /// It is not encrypted, and this member takes nothing else.
    #[error("it is not encrypted, as all must be in a ring with keys")]
    NotEncrypted,
    /// None of this member's keys opens it.
    #[error("none of the installed keys opens it")]
    NoKeyFits,
}

/// The error of a value of the wrong sort.
pub(crate) const fn malformed(what: &'static str, expected: &'static str) -> Error {
    Error::Malformed { what, expected }
}
