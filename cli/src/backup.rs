//! `portico backup`: a copy of the embedded store, made while it runs.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::file::Fresh;
use crate::frontend::line;

const EXAMPLES: &str = "\
Examples:
  portico backup /var/backups/portico.redb
  portico run --registry embedded:/var/backups/portico.redb";

/// Copy the embedded registry, facts and history, to a file while portico runs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BackupArgs {
    /// Where to; a file that is there is replaced once the copy is whole
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Copied<'a> {
    path: &'a str,
    revision: u64,
    octets: u64,
}

/// Runs it.
pub(crate) fn run(args: &BackupArgs, client: &Client) -> Result<Answer, Failure> {
    let path = &args.path;
    if is_a_registry(path) {
        let why = format!("{} is the file of a registry; name another file", path.display());
        return Err(Failure::Usage(why));
    }
    let mut file = Fresh::begin(path, 0o600)?;
    let (revision, octets) = client.patient().download("/v1/backup", &mut file, path)?;
    file.put()?;
    let name = path.to_string_lossy();
    let said = Copied { path: &name, revision, octets };
    Answer::new(&said, line(&format!("{name}: the registry at revision {revision}, {octets} octets")))
}

/// Whether portico keeps, or kept, a registry there: it writes a lock beside it.
fn is_a_registry(path: &Path) -> bool {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    Path::new(&lock).exists()
}
