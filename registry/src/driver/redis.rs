//! The Redis driver.

use std::fmt;
use std::sync::Arc;

use crate::driver::Driver;
use crate::{Config, OpenError, UrlError};

/// Where a Redis registry is: one server, or one to read and another to write.
#[derive(Debug, Clone)]
pub struct Place {
    read: String,
}

impl Place {
    /// Parses `redis://[:password@]host:port/db#prefix` (all parts optional); `write`: where to write, when elsewhere.
    ///
    /// # Errors
    /// [`UrlError`] names the URL (its password hidden) and what is wrong.
    pub fn parse(read: &str, write: Option<&str>) -> Result<Self, UrlError> {
        let _ = write;
        Ok(Self { read: read.to_owned() })
    }
}

/// The URL, its password hidden.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.read)
    }
}

/// A driver for the store at `place`; connects later, in [`Driver::run`].
///
/// # Errors
/// [`OpenError`] for what no retry can mend.
pub fn open(place: &Place, config: &Config) -> Result<Arc<dyn Driver>, OpenError> {
    let _ = config;
    Err(OpenError::Store { url: place.to_string(), reason: "the redis driver is not built yet".to_owned() })
}
