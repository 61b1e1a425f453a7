//! What the request path needs of the configuration, made ready: swapped as one on reload.

use nix::sys::resource::{Resource, getrlimit};

use crate::config::Config;
use crate::http::Limits;
use crate::respond::{Pages, PagesError};

/// A configuration and what was read and derived for it.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) pages: Pages,
    pub(crate) request_limits: Limits,
    pub(crate) response_limits: Limits,
    /// The most client connections at once, over all threads.
    pub(crate) connections: usize,
}

impl Settings {
    /// Reads the error pages.
    ///
    /// # Errors
    /// [`PagesError`] names the page or folder that cannot be used.
    pub(crate) fn new(config: Config) -> Result<Self, PagesError> {
        let pages = Pages::load(config.error_pages.as_deref())?;
        let (client, upstream) = (&config.client, &config.upstream);
        let request_limits = Limits {
            request_line: client.request_line_bytes,
            head: client.head_bytes,
            headers: client.headers,
        };
        let response_limits = Limits {
            request_line: upstream.head_bytes,
            head: upstream.head_bytes,
            headers: upstream.headers,
        };
        let connections = client.connections.unwrap_or_else(|| open_files() / 2);
        Ok(Self { pages, request_limits, response_limits, connections, config })
    }
}

/// How many files and sockets the process may have open.
fn open_files() -> usize {
    let limits = getrlimit(Resource::RLIMIT_NOFILE);
    limits.map_or(usize::MAX, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_descriptors_for_their_endpoints() {
        let of = |connections| {
            let mut config = Config::default();
            config.client.connections = connections;
            Settings::new(config).expect("no pages").connections
        };
        assert_eq!(of(Some(7)), 7);
        assert!(of(None) <= open_files() / 2);
    }
}
