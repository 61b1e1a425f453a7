//! From a URL to a registry that is followed.

use std::path::PathBuf;
use std::sync::Arc;

use crate::driver::{Driver, redis};
use crate::url::Scheme;
use crate::{Config, Registry, RegistryUrl};

/// Why a registry could not be opened; a remote store that cannot be reached is not among these.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Stop the holder, or open another file.
    #[error("{}: held by {holder}; stop it, or give this process a `--data` folder of its own", .path.display())]
    Held {
        /// The store's file.
        path: PathBuf,
        /// Who holds it: `process 1234`.
        holder: String,
    },
    /// Look at the store; the reason names the place and the remedy.
    #[error("{url}: {reason}")]
    Store {
        /// Which store, its password hidden.
        url: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// Opens the registry at `url` and follows it until the last handle is gone. Called inside a tokio runtime.
///
/// A local store's facts are in the first snapshot when this returns. A remote store may still be away: then the last known
/// good snapshot serves, or none, and [`crate::State`] says which.
///
/// # Errors
/// [`OpenError`]: a local store is held by another process or cannot be used; a setting no retry can mend.
pub async fn open(url: &RegistryUrl, config: Config) -> Result<Registry, OpenError> {
    let driver: Arc<dyn Driver> = match &url.0 {
        Scheme::Memory | Scheme::Embedded(_) => {
            return Err(OpenError::Store { url: url.to_string(), reason: "not built yet".to_owned() });
        }
        Scheme::Redis(place) => redis::open(place, &config)?,
    };
    Ok(Registry::start(driver, url.to_string(), config))
}
