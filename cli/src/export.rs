//! `portico export`: all facts as one JSON file.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::file::Fresh;
use crate::frontend::line;
use crate::json;

const EXAMPLES: &str = "\
Examples:
  portico export > facts.json
  portico export facts.json
  portico export | portico import - --server http://127.0.0.1:9081";

/// Write all facts to one JSON file, without their history
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// Where to; `-` is standard output
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Exported<'a> {
    file: &'a str,
    revision: u64,
    octets: usize,
}

/// Runs it.
pub(crate) fn run(args: &ExportArgs, client: &Client) -> Result<Answer, Failure> {
    let mut facts = Vec::new();
    let client = client.patient();
    if args.file.as_os_str() == "-" {
        client.download("/v1/export", &mut facts, &args.file)?;
        let text = json::safe(&String::from_utf8_lossy(&facts));
        return Ok(Answer { json: text.clone(), text, code: 0 });
    }
    let mut file = Fresh::begin(&args.file, 0o666)?;
    let (revision, _) = client.download("/v1/export", &mut facts, &args.file)?;
    file.write_all(&facts).map_err(|error| crate::file::failed(&args.file, &error))?;
    file.put()?;
    let name = args.file.to_string_lossy();
    let said = Exported { file: &name, revision, octets: facts.len() };
    Answer::new(&said, line(&format!("{name}: all facts at revision {revision}, {} octets", facts.len())))
}
