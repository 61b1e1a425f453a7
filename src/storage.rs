//! Folders and files of ours, made ready before root's rights are gone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use proxy::config::LogTarget;

use crate::config::Settings;
use crate::failure::Failure;
use crate::privileges::Identity;

/// The file of the last known good routes, in the data folder.
const CACHE_FILE: &str = "last-known-good.redb";
/// The data folder is nobody else's business.
const DATA_MODE: u32 = 0o700;

/// Makes the data folder and the access log, and gives them to whom we shall become.
pub(crate) fn prepare(settings: &Settings, identity: Option<&Identity>) -> Result<(), Failure> {
    data_folder(settings, identity)?;
    match (&settings.proxy.access_log.target, identity) {
        (Some(LogTarget::File(path)), Some(identity)) => access_log(path, identity),
        (Some(LogTarget::File(path)), None) => folder_of(path).map(drop),
        _ => Ok(()),
    }
}

/// Where the last known good routes of a remote store are kept; `None` when they are not, or cannot be.
pub(crate) fn cache_file(settings: &Settings) -> Option<PathBuf> {
    (is_remote(settings) && settings.registry.cache && settings.data.is_dir())
        .then(|| settings.data.join(CACHE_FILE))
}

fn is_remote(settings: &Settings) -> bool {
    // `redis:`, `rediss:` and `redis+sentinel:` alike.
    settings.registry.url.iter().any(|url| url.starts_with("redis"))
}

/// Without it an embedded registry cannot be; a remote one only starts with less.
fn data_folder(settings: &Settings, identity: Option<&Identity>) -> Result<(), Failure> {
    let data = &settings.data;
    let embedded = settings.registry.url.iter().any(|url| url == "embedded:");
    if data.is_dir() || !(embedded || is_remote(settings) && settings.registry.cache) {
        return Ok(());
    }
    match DirBuilder::new().recursive(true).mode(DATA_MODE).create(data) {
        Ok(()) => identity.map_or(Ok(()), |identity| identity.own(data).map_err(Failure::from)),
        Err(error) if embedded => Err(Failure::Storage {
            path: data.clone(),
            error,
            remedy: "choose another data folder (--data DIR)",
        }),
        Err(error) => {
            tracing::warn!(
                path = %data.display(), %error,
                "no data folder: the last known good routes are not kept (choose one with --data)"
            );
            Ok(())
        }
    }
}

/// Opened here once, so that its owner can be set: the proxy opens it again when root's rights are gone.
fn access_log(path: &Path, identity: &Identity) -> Result<(), Failure> {
    if let Some(made) = folder_of(path)? {
        identity.own(&made)?;
    }
    let failed = |error| Failure::Storage { path: path.to_owned(), error, remedy: REMEDY };
    // A pipe that nobody reads is an error, not a wait.
    let nonblocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).custom_flags(nonblocking).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_file() && metadata.uid() == 0 {
        identity.own(path)?;
    }
    Ok(())
}

const REMEDY: &str = "choose another access log (--access-log PATH, `-` or `off`)";

/// Makes the folder of a file, when only that one is missing; says whether it did.
fn folder_of(path: &Path) -> Result<Option<PathBuf>, Failure> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(None) };
    match fs::create_dir(folder) {
        Ok(()) => Ok(Some(folder.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(Failure::Storage { path: folder.to_owned(), error, remedy: REMEDY }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, data: &Path) -> Settings {
        let mut settings = Settings { data: data.to_owned(), ..Settings::default() };
        settings.registry.url = vec![url.into()];
        settings
    }

    #[test]
    fn the_data_folder_is_made_where_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        for (url, made) in [
            ("embedded:", true),
            ("redis:", true),
            ("rediss://h", true),
            ("redis+sentinel://h/m", true),
            ("memory:", false),
            ("embedded:/elsewhere", false),
        ] {
            let data = folder.path().join(url.replace([':', '/'], "-")).join("data");
            prepare(&settings(url, &data), None).unwrap();
            assert_eq!(data.is_dir(), made, "{url}");
            assert_eq!(cache_file(&settings(url, &data)).is_some(), url.starts_with("redis"), "{url}");
        }
    }

    #[test]
    fn a_data_folder_that_cannot_be_made_stops_only_an_embedded_registry() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let data = file.join("data");
        let error = prepare(&settings("embedded:", &data), None).unwrap_err().to_string();
        assert!(error.contains("--data"), "{error}");
        prepare(&settings("redis:", &data), None).unwrap();
        assert_eq!(cache_file(&settings("redis:", &data)), None);
    }

    #[test]
    fn the_folder_of_an_access_log_is_made_when_it_alone_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings("memory:", folder.path());
        let log = folder.path().join("log/access.log");
        settings.proxy.access_log.target = Some(LogTarget::File(log.clone()));
        prepare(&settings, None).unwrap();
        assert!(log.parent().unwrap().is_dir());
        settings.proxy.access_log.target = Some(LogTarget::File(folder.path().join("a/b/access.log")));
        assert!(prepare(&settings, None).unwrap_err().to_string().contains("--access-log"));
    }
}
