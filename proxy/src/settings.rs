//! What the request path needs of the configuration, made ready: swapped as one on reload.

use nix::sys::resource::{Resource, getrlimit};

use crate::accept::deadline::MinimumRate;
use crate::clock::millis;
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
    pub(crate) min_rate: MinimumRate,
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
        let connections =
            client.connections.unwrap_or_else(|| usize::try_from(open_files() / 2).unwrap_or(usize::MAX));
        let window = millis(client.min_rate_window);
        let octets = u128::from(client.min_rate) * u128::from(window) / 1000;
        let min_rate = MinimumRate { octets: u64::try_from(octets).unwrap_or(u64::MAX), window };
        Ok(Self { pages, request_limits, response_limits, connections, min_rate, config })
    }
}

/// How many files and sockets the process may have open.
pub(crate) fn open_files() -> u64 {
    let limits = getrlimit(Resource::RLIMIT_NOFILE);
    limits.map_or(u64::MAX, |(soft, _)| soft)
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
        assert!(of(None) as u64 <= open_files() / 2);
    }
}
