//! Facts from elsewhere: a file of `portico export`, another Redis, a dump of key/value pairs.
//!
//! In: octets, or a Redis to read. Out: facts, and by name everything that is not among them, with the reason. Never here: a write;
//! an entry that is dropped in silence.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use model::{Fact, FactKey, Quarantined};

use crate::driver::redis;
use crate::format::{FormatError, traefik};
use crate::{ReadError, UrlError};

/// How long a Redis that is imported from may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What was found in a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    /// What can be written. Entries of a list that are no endpoints were taken out, and are among `refused`.
    pub facts: Vec<Fact>,
    /// What was meant to be routed and cannot be: an import of everything fails by it.
    pub refused: Vec<Refused>,
    /// What is beside the routes and has no counterpart here, or not yet.
    pub ignored: Vec<Refused>,
}

/// Something that was not taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where: a key, or a place in a file.
    pub place: String,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// How facts are laid out in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// hipache's and planb's lists `frontend:<host>`, and portico's JSON beside them.
    Hipache,
    /// Traefik's keys below `traefik/`.
    Traefik,
}

/// Why a source could not be read; named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Correct the URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Correct the file.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// See to it that the source can be reached.
    #[error("the source: {0}")]
    Source(#[from] ReadError),
}

/// Reads the Redis at `url` (`redis://[:password@]host:port/db#prefix`), once. Nothing is written there.
///
/// # Errors
/// [`ImportError`]: not a URL of a Redis, or it cannot be read.
pub async fn read_redis(url: &str, layout: Layout) -> Result<Gathered, ImportError> {
    let known = crate::RegistryUrl::parse(url, Path::new(""))?;
    let crate::url::Scheme::Redis(place) = known.0 else {
        let reason = "only a Redis can be imported from; write `redis://[:password@]host:port/db#prefix`";
        return Err(UrlError { url: known.to_string(), reason: reason.to_owned() }.into());
    };
    Ok(match layout {
        Layout::Hipache => redis::foreign::read_frontends(&place, TIMEOUT).await?,
        Layout::Traefik => traefik::read(redis::foreign::read_texts(&place, TIMEOUT).await?),
    })
}

/// Reads a dump of key/value pairs, laid out as Traefik does: `{"key": "value"}`, `[{"key": …, "value": …}]`, or what Consul and etcd export.
///
/// # Errors
/// [`FormatError`] when it is none of them.
pub fn read_dump(json: &[u8]) -> Result<Gathered, FormatError> {
    Ok(traefik::read(traefik::dump::read(json)?))
}

impl Gathered {
    /// Notes what cannot be routed.
    pub(crate) fn refuse(&mut self, place: impl Into<String>, why: impl Into<Quarantined>) {
        self.refused.push(refused(place, why));
    }

    /// Notes what has no counterpart.
    pub(crate) fn ignore(&mut self, place: impl Into<String>, why: impl Into<Quarantined>) {
        self.ignored.push(refused(place, why));
    }

    /// Takes in a fact; what the list of a frontend has beside endpoints is taken out and noted under `place`.
    pub(crate) fn add(&mut self, place: &str, fact: impl Into<Fact>) {
        let mut fact = fact.into();
        if let Fact::Frontend(frontend) = &mut fact
            && !frontend.backend.rejected.is_empty()
        {
            for entry in std::mem::take(&mut *frontend.backend.rejected) {
                self.refused.push(Refused {
                    place: format!("{place}: `{}`", entry.text),
                    reason: entry.reason.into(),
                    remedy: "correct it where it stands, or take it out".to_owned(),
                });
            }
        }
        self.facts.push(fact);
    }

    /// Of several facts under one key the first one stays; the others are noted.
    pub(crate) fn without_repetitions(mut self) -> Self {
        let mut seen: BTreeMap<FactKey, ()> = BTreeMap::new();
        let mut repeated = Vec::new();
        self.facts.retain(|fact| {
            let first = seen.insert(fact.key(), ()).is_none();
            if !first {
                repeated.push(fact.key().to_string());
            }
            first
        });
        for key in repeated {
            let remedy = "say it once: take out the one that is not meant".to_owned();
            let reason = "it is stated more than once; the first one was taken".to_owned();
            self.refused.push(Refused { place: key, reason, remedy });
        }
        self
    }
}

fn refused(place: impl Into<String>, why: impl Into<Quarantined>) -> Refused {
    let Quarantined { reason, remedy } = why.into();
    Refused { place: place.into(), reason: reason.into(), remedy: remedy.into() }
}
