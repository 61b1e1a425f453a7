//! Why portico ends with exit code 1; each message names the thing, the place and the remedy.

use std::path::PathBuf;

use crate::config::Problems;
use crate::privileges::IdentityError;

/// Why portico cannot do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration.
    #[error(transparent)]
    Configuration(#[from] Problems),
    /// A listener.
    #[error("{message}{}", held_by(.holder.as_deref()))]
    Listen {
        /// What happened, with the address.
        message: String,
        /// Who holds the port, where `/proc` tells.
        holder: Option<String>,
    },
    /// The user to become.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A folder or file of ours.
    #[error("{}: {error}; {remedy}", .path.display())]
    Storage {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The registry.
    #[error("{0}")]
    Registry(String),
    /// The proxy.
    #[error(transparent)]
    Proxy(#[from] proxy::StartError),
    /// DNS: a zone file.
    #[error(transparent)]
    ZoneFile(#[from] dnsd::FileError),
    /// DNS: whom to forward to.
    #[error(transparent)]
    Forward(#[from] dnsd::forward::ForwardError),
    /// DNS: of which addresses it is told whose they are.
    #[error("dns.reverse {0}")]
    Reverse(#[from] dnsd::zone::reverse::ReverseError),
    /// A defect.
    #[error(
        "{0} ended by a panic, which is a defect of portico: please report what the log says before this; portico ends, so that \
         whoever supervises it starts it anew"
    )]
    Panicked(&'static str),
    /// There would be nothing to serve: why, and what to write instead.
    #[error("{0}")]
    Nothing(&'static str),
    /// The system, in a matter that has no better name.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
}

fn held_by(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |holder| format!(" (held by {holder})"))
}
