//! From a URL to a registry that is followed.

use std::path::PathBuf;
use std::sync::Arc;

use crate::cache::Cache;
use crate::driver::{Driver, embedded, redis};
use crate::url::Scheme;
use crate::{Config, Link, Registry, RegistryUrl};

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
    let (history, alarm) = (config.history, &config.alarm);
    let driver: Arc<dyn Driver> = match &url.0 {
        Scheme::Memory => embedded::memory(history, alarm)?,
        Scheme::Embedded(path) => {
            let (path, alarm) = (path.clone(), alarm.clone());
            blocking(url, move || embedded::open(&path, history, &alarm)).await??
        }
        Scheme::Redis(place) => redis::open(place, &config)?,
    };
    let cache = match &config.cache_file {
        Some(path) if driver.is_remote() => {
            let (path, source) = (path.clone(), url.to_string());
            blocking(url, move || Cache::open(&path, &source)).await?
        }
        _ => None,
    };
    let is_local = !driver.is_remote();
    let registry = Registry::start(driver, url.to_string(), &config, cache);
    if is_local {
        first_listing(url, &registry).await?;
    }
    Ok(registry)
}

async fn blocking<T: Send + 'static>(
    url: &RegistryUrl,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, OpenError> {
    let failed =
        |error| OpenError::Store { url: url.to_string(), reason: format!("opening it failed: {error}") };
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

async fn first_listing(url: &RegistryUrl, registry: &Registry) -> Result<(), OpenError> {
    let mut state = registry.state();
    let known = state.wait_for(|state| state.link != Link::Connecting).await;
    let reason = match known.as_ref().map(|state| &state.link) {
        Ok(Link::Live | Link::Connecting) => return Ok(()),
        Ok(Link::Lost { error }) => error.clone(),
        Err(_) => "it ended while it was opened".to_owned(),
    };
    Err(OpenError::Store { url: url.to_string(), reason })
}
