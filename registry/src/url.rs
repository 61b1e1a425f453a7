//! Where a registry is, as operators write it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::driver::redis;

/// The file name of the embedded store in the data folder.
const EMBEDDED_FILE: &str = "registry.redb";

/// Where a registry is.
#[derive(Debug, Clone)]
pub struct RegistryUrl(pub(crate) Scheme);

/// One arm for each driver.
#[derive(Debug, Clone)]
pub(crate) enum Scheme {
    Memory,
    Embedded(PathBuf),
    Redis(Box<redis::Place>),
}

/// Why a text is not the URL of a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("registry `{url}`: {reason}")]
pub struct UrlError {
    /// What was written, a password hidden.
    pub url: String,
    /// What is wrong and how to write it.
    pub reason: String,
}

impl RegistryUrl {
    /// Parses `embedded:PATH`, `embedded:` (a file in `data_dir`), `memory:`, `redis://[:password@]host:port/db#prefix`
    /// (all parts optional, `redis:` is the local server; `rediss:` speaks TLS), or
    /// `redis+sentinel://a:port,b:port/master/db#prefix`.
    ///
    /// # Errors
    /// [`UrlError`] says how to write it.
    pub fn parse(url: &str, data_dir: &Path) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once(':').ok_or_else(|| unknown(url))?;
        match scheme {
            "memory" if rest.is_empty() => Ok(Self(Scheme::Memory)),
            "memory" => Err(UrlError { url: url.to_owned(), reason: "nothing follows `memory:`".to_owned() }),
            "embedded" if rest.is_empty() => Ok(Self(Scheme::Embedded(data_dir.join(EMBEDDED_FILE)))),
            "embedded" => Ok(Self(Scheme::Embedded(PathBuf::from(rest)))),
            "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" => {
                Ok(Self(Scheme::Redis(Box::new(redis::Place::parse(url, None)?))))
            }
            _ => Err(unknown(url)),
        }
    }

    /// Parses hipache's pair: one Redis to read from, another to write to.
    ///
    /// # Errors
    /// [`UrlError`] says which of the two is wrong.
    pub fn parse_pair(read: &str, write: &str) -> Result<Self, UrlError> {
        Ok(Self(Scheme::Redis(Box::new(redis::Place::parse(read, Some(write))?))))
    }
}

fn unknown(url: &str) -> UrlError {
    let scheme: String = url.chars().take_while(|&c| c != ':').take(32).collect();
    UrlError {
        url: format!("{scheme}:…"),
        reason: "write `embedded:PATH`, `memory:` or `redis://[:password@]host:port/db#prefix` (`rediss://` for TLS, `redis+sentinel://` by sentinels)"
            .to_owned(),
    }
}

/// The URL, a password hidden.
impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Scheme::Memory => f.write_str("memory:"),
            Scheme::Embedded(path) => write!(f, "embedded:{}", path.display()),
            Scheme::Redis(place) => place.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Result<&str, &str>) {
        let parsed = RegistryUrl::parse(url, Path::new("/data"));
        match (parsed, expected) {
            (Ok(url), Ok(text)) => assert_eq!(url.to_string(), text),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (parsed, _) => panic!("{url}: {parsed:?}"),
        }
    }

    #[test]
    fn each_scheme_has_a_driver() {
        check("memory:", Ok("memory:"));
        check("embedded:", Ok("embedded:/data/registry.redb"));
        check("embedded:/srv/x.redb", Ok("embedded:/srv/x.redb"));
    }

    #[test]
    fn other_texts_are_told_what_to_write() {
        check("memory:x", Err("nothing follows"));
        check("etcd://a", Err("write `embedded:PATH`"));
        check("registry.redb", Err("write `embedded:PATH`"));
    }
}
