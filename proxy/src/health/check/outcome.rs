//! How one check ended, in words for operators.

use std::fmt;

use model::ExpectedStatus;

use crate::Refusal;

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it is wanted.
    Passed,
    /// Otherwise.
    Failed(Failure),
    /// We ran out of something, or have a defect: it says nothing of the endpoint.
    Ours,
}

/// What was wrong with an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The connect was refused.
    Refused,
    /// The connect failed otherwise.
    Unreachable,
    /// Its name has no address.
    Unresolved,
    /// It has an address that no endpoint may have.
    Forbidden(Refusal),
    /// It did not answer in time.
    TimedOut,
    /// The connection ended before the answer did.
    Ended,
    /// What came was not HTTP, or too large a head of it.
    Malformed,
    /// Another status than the one that is wanted.
    Status {
        /// What came.
        got: u16,
        /// What is wanted.
        expected: ExpectedStatus,
    },
    /// The text was not found in the body.
    Body {
        /// How many octets of the body were looked at.
        searched: usize,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connect refused"),
            Self::Unreachable => f.write_str("connect failed"),
            Self::Unresolved => f.write_str("its name has no address"),
            Self::Forbidden(refusal) => refusal.fmt(f),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Ended => f.write_str("the connection ended before the answer did"),
            Self::Malformed => f.write_str("answer was not HTTP"),
            Self::Status { got, expected } => write!(f, "{got}, expected {expected}"),
            Self::Body { searched } => {
                write!(f, "the wanted text is not in the {searched} octets of its body")
            }
        }
    }
}
