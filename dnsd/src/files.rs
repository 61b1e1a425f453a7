//! Zone files, read from disk: at the start and whenever the configuration is read again; never on the way of a question.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::DomainName;

use crate::config::Config;
use crate::transfer::{self, Keys};
use crate::zone::reverse::ranges;
use crate::zone::{Zone, file};

/// A zone file, as it is named: `[ORIGIN=]PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneFile {
    /// What its relative names are below, until it says otherwise.
    pub origin: Option<DomainName>,
    /// Where it is.
    pub path: PathBuf,
}

/// Why the zone of a file is not served. Names the file, the line and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: cannot be read: {error}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is larger than allowed.
    #[error("{}: is larger than {most} octets; allow more (dns.zone_file_size)", .path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How large it may be.
        most: usize,
    },
    /// It is not UTF-8 text.
    #[error("{}:{line}: is not UTF-8 text; write other octets as \\DDD", .path.display())]
    NotText {
        /// Which.
        path: PathBuf,
        /// Where.
        line: usize,
    },
    /// It is no zone.
    #[error("{}{}: {message}", .path.display(), .line.map_or_else(String::new, |line| format!(":{line}")))]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where; `None`: the zone as a whole.
        line: Option<usize>,
        /// What is wrong, and what to do.
        message: String,
    },
    /// There is no such key.
    #[error(
        "{setting} names the key {key}, which the key file (dns.key_file) does not have; add it there (tsig-keygen {key})"
    )]
    NoKey {
        /// What asks for it.
        setting: &'static str,
        /// Its name.
        key: DomainName,
    },
    /// The registry has that zone already.
    #[error("{}: holds {apex}, which is derived from the registry; leave one of them out (dns.zone, dns.reverse, dns.zone_files)", .path.display())]
    Derived {
        /// Which.
        path: PathBuf,
        /// The zone.
        apex: DomainName,
    },
    /// Another file has that zone already.
    #[error("{}: holds {apex}, as {} does; serve one of them", .path.display(), .other.display())]
    Twice {
        /// Which.
        path: PathBuf,
        /// The zone.
        apex: DomainName,
        /// The other file.
        other: PathBuf,
    },
}

/// The largest key file, in octets: thousands of keys.
const KEY_FILE: usize = 1 << 20;

/// Reads the keys that the configuration names.
///
/// # Errors
/// [`FileError`] names the line, or the setting that asks for a key which is not there.
pub(crate) fn load_keys(config: &Config) -> Result<Keys, FileError> {
    let keys = match &config.key_file {
        Some(path) => {
            let malformed =
                |(line, message)| FileError::Malformed { path: path.clone(), line: Some(line), message };
            transfer::read_keys(&read(path, KEY_FILE)?).map_err(malformed)?
        }
        None => Keys::default(),
    };
    let asked =
        config.transfer_allow.iter().filter_map(|allowed| Some(("dns.transfer_allow", allowed.key()?)));
    let told = config.notify.iter().filter_map(|secondary| Some(("dns.notify", secondary.key.as_ref()?)));
    let may = config.update_allow.iter().filter_map(|may| Some(("dns.update_allow", may.key()?)));
    for (setting, key) in asked.chain(told).chain(may) {
        if keys.get(key).is_none() {
            return Err(FileError::NoKey { setting, key: key.clone() });
        }
    }
    Ok(keys)
}

impl ZoneFile {
    /// Reads what names a file. What stands before the first `=` is the origin, unless that has a `/`.
    ///
    /// # Errors
    /// What is wrong, so that it can follow the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (origin, path) = match text.split_once('=').filter(|(origin, _)| !origin.contains('/')) {
            Some((origin, path)) => {
                (Some(DomainName::parse(origin).map_err(|error| error.to_string())?), path)
            }
            None => (None, text),
        };
        if path.is_empty() {
            return Err("names no file; write PATH or ORIGIN=PATH".into());
        }
        Ok(Self { origin, path: path.into() })
    }

    /// Reads its zone, if it has at most so many octets.
    ///
    /// # Errors
    /// [`FileError`] names the line.
    pub fn load(&self, most: usize) -> Result<Zone, FileError> {
        let path = || self.path.clone();
        let text = read(&self.path, most)?;
        file::read(&text, self.origin.as_ref()).map_err(|error| FileError::Malformed {
            path: path(),
            line: error.line,
            message: error.message,
        })
    }
}

impl std::fmt::Display for ZoneFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}=")?;
        }
        write!(f, "{}", self.path.display())
    }
}

fn read(path: &Path, most: usize) -> Result<String, FileError> {
    let unreadable = |error| FileError::Unreadable { path: path.to_owned(), error };
    let file = File::open(path).map_err(unreadable)?;
    let mut octets = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut octets).map_err(unreadable)?;
    if octets.len() > most {
        return Err(FileError::TooLarge { path: path.to_owned(), most });
    }
    String::from_utf8(octets).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        FileError::NotText {
            path: path.to_owned(),
            line: 1 + before.filter(|octet| **octet == b'\n').count(),
        }
    })
}

/// The zones of files, each with the file it came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileZones(Vec<(ZoneFile, Arc<Zone>)>);

impl FileZones {
    /// Reads all files anew. A file that is wrong keeps the zone it had in `old`, if any; what is wrong is told.
    pub(crate) fn load(config: &Config, old: &Self) -> (Self, Vec<FileError>) {
        let (mut zones, mut errors) = (Self::default(), Vec::new());
        let reverse = ranges(&config.reverse, config.zone.as_ref()).unwrap_or_default();
        for file in &config.zone_files {
            let zone = match file.load(config.zone_file_bytes) {
                Ok(zone) => Arc::new(zone),
                Err(error) => {
                    errors.push(error);
                    let Some(kept) = old.of(file) else { continue };
                    kept
                }
            };
            let is_reverse = reverse.iter().any(|range| range.apex == *zone.apex());
            if is_reverse || config.zone.as_ref() == Some(zone.apex()) {
                errors.push(FileError::Derived { path: file.path.clone(), apex: zone.apex().clone() });
                continue;
            }
            match zones.0.iter().find(|(_, other)| other.apex() == zone.apex()) {
                Some((other, _)) => errors.push(FileError::Twice {
                    path: file.path.clone(),
                    apex: zone.apex().clone(),
                    other: other.path.clone(),
                }),
                None => zones.0.push((file.clone(), zone)),
            }
        }
        (zones, errors)
    }

    fn of(&self, file: &ZoneFile) -> Option<Arc<Zone>> {
        self.0.iter().find(|(other, _)| other == file).map(|(_, zone)| Arc::clone(zone))
    }

    pub(crate) fn zones(&self) -> impl Iterator<Item = &Arc<Zone>> {
        self.0.iter().map(|(_, zone)| zone)
    }

    /// Each file, with the zone that was read of it.
    pub(crate) fn all(&self) -> &[(ZoneFile, Arc<Zone>)] {
        &self.0
    }

    /// Where they begin.
    pub(crate) fn apexes(&self) -> BTreeSet<DomainName> {
        self.zones().map(|zone| zone.apex().clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: &str = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\n";

    #[test]
    fn a_file_is_named_with_its_origin_or_without() {
        let check = |text: &str, origin: Option<&str>, path: &str| {
            let file = ZoneFile::parse(text).expect("a name");
            let origin = origin.map(|origin| DomainName::parse(origin).expect("a name"));
            assert_eq!((file.origin.clone(), file.path.as_path()), (origin, Path::new(path)), "{text}");
            assert_eq!(ZoneFile::parse(&file.to_string()), Ok(file));
        };
        check("/etc/zones/a", None, "/etc/zones/a");
        check("example.com=a=b.zone", Some("example.com"), "a=b.zone");
        check("./a=b", None, "./a=b");
        check(".=root.zone", Some("."), "root.zone");
        assert!(
            ZoneFile::parse("").is_err()
                && ZoneFile::parse("a..b=c").is_err()
                && ZoneFile::parse("a=").is_err()
        );
    }

    #[test]
    fn a_file_that_is_wrong_keeps_the_zone_it_had() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        let file = |name: &str, origin: &str| {
            ZoneFile::parse(&format!("{origin}={}", folder.path().join(name).display())).expect("a name")
        };
        let files = [file("a", "a.example"), file("b", "b.example"), file("c", "a.example")];
        write("a", ZONE);
        write("b", ZONE);
        write("c", ZONE);
        let of = |files: &[ZoneFile]| Config {
            zone_files: files.to_vec(),
            zone_file_bytes: 1000,
            ..Config::default()
        };
        let (zones, errors) = FileZones::load(&of(&files), &FileZones::default());
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains("holds a.example., as"), "{told:?}");
        assert_eq!(zones.zones().count(), 2);

        write("a", &format!("{ZONE}x A nonsense\n"));
        write("b", &"; long\n".repeat(1000));
        std::fs::write(folder.path().join("c"), b"; fine\n\xff").expect("written");
        let (kept, errors) = FileZones::load(&of(&files), &zones);

        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(kept.zones().count(), 2, "{told:?}");
        assert!(told[0].ends_with("a:3: x.a.example. A: `nonsense` is no IPv4 address"), "{told:?}");
        assert!(
            told[1].contains("larger than 1000 octets") && told[2].contains("c:2: is not UTF-8"),
            "{told:?}"
        );
        let gone = FileZones::load(&of(&[file("d", "d.example")]), &zones);
        assert!(gone.0.zones().count() == 0 && gone.1[0].to_string().contains("cannot be read"));
        write("d", ZONE);
        let ours = FileZones::load(&of(&[file("d", "svc.internal")]), &zones);
        assert!(ours.0.zones().count() == 0 && ours.1[0].to_string().contains("derived from the registry"));
    }
}
