//! Why an engine did not do what it was asked for.

/// Why an engine did not do what it was asked for; named by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// Try later: it cannot be reached, or did not answer in time. Nobody knows whether it was done.
    #[error("the engine cannot be reached: {0}")]
    Unreachable(String),
    /// Give another image, or push it: there is none of that name.
    #[error("there is no image {image}: {reason}")]
    NoImage {
        /// Which.
        image: String,
        /// What was said.
        reason: String,
    },
    /// Look again: a container of that name is there already.
    #[error("a container named {0} is there already")]
    Taken(String),
    /// Look again: no such container is there.
    #[error("there is no container {0}")]
    NoContainer(String),
    /// Correct the service: the engine refuses it as it is.
    #[error("{0}")]
    Refused(String),
}
