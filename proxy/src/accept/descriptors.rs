//! Descriptors kept free, so that who is in can be served and the operator can look, when the process is near its limit.
//!
//! The system hands out the lowest free number: one that is near the limit says that nearly all below are taken, without a
//! count and without a system call.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The part of the limit that is kept free: one in so many …
const RESERVED: u64 = 16;
/// … but so many at least …
const LEAST: u64 = 16;
/// … and so many at most.
const MOST: u64 = 256;

/// The limit of open files, and an open one to ask how near it is.
#[derive(Debug)]
pub(crate) struct Descriptors {
    /// From this number on no further client is let in.
    clients: i64,
    /// From this number on no further connection to an endpoint is opened.
    endpoints: i64,
    probe: Option<File>,
}

impl Descriptors {
    /// For a process that may have `limit` files open. Half of what is kept free is for the endpoints of clients that are in,
    /// the other half for the operator, the registry and the log.
    pub(crate) fn new(limit: u64) -> Self {
        let reserved = (limit / RESERVED).clamp(LEAST, MOST);
        let below = |kept: u64| i64::try_from(limit.saturating_sub(kept)).unwrap_or(i64::MAX);
        // Without a probe only an accept or a connect shows how near the limit is.
        let probe = File::open("/dev/null").ok();
        Self { clients: below(reserved), endpoints: below(reserved / 2), probe }
    }

    /// True when `accepted` shows that no further client should be let in.
    pub(crate) fn is_tight(&self, accepted: &impl AsRawFd) -> bool {
        i64::from(accepted.as_raw_fd()) >= self.clients
    }

    /// True when `connected` took a descriptor that is kept free.
    pub(crate) fn is_reserved(&self, connected: &impl AsRawFd) -> bool {
        i64::from(connected.as_raw_fd()) >= self.endpoints
    }

    /// Asks whether it is still tight.
    pub(crate) fn is_still_tight(&self) -> bool {
        let Some(probe) = &self.probe else { return false };
        // None left at all is as tight as can be.
        probe.as_fd().try_clone_to_owned().map_or(true, |next| self.is_tight(&next))
    }
}

/// As the system says it when no descriptor is left.
pub(crate) fn exhausted() -> io::Error {
    io::Error::from_raw_os_error(nix::errno::Errno::EMFILE as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_kept_free_whatever_the_limit() {
        for (limit, clients, endpoints) in [
            (64, 48, 56),
            (1_024, 960, 992),
            (1 << 20, (1 << 20) - 256, (1 << 20) - 128),
            (8, 0, 0),
            (u64::MAX, i64::MAX, i64::MAX),
        ] {
            let descriptors = Descriptors::new(limit);
            assert_eq!((descriptors.clients, descriptors.endpoints), (clients, endpoints), "{limit}");
        }
    }

    #[test]
    fn the_next_descriptor_says_how_near_the_limit_is() {
        assert!(!Descriptors::new(1 << 20).is_still_tight());
        assert!(Descriptors::new(8).is_still_tight());
    }
}
