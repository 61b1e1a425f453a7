//! What the request path needs of the configuration, made ready: swapped as one on reload.

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
        Ok(Self { pages, request_limits, response_limits, config })
    }
}
