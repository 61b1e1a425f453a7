//! `portico import`: facts from a file, from another Redis, from a dump of key/value pairs.

use std::io::Read;
use std::path::PathBuf;

use admin::wire::{Applied, ImportFrom};
use clap::{Args, ValueEnum};

use crate::answer::Answer;
use crate::changes;
use crate::client::Client;
use crate::failure::Failure;
use crate::wait::{self, WaitArgs};
use crate::{file, name};

const EXAMPLES: &str = "\
Examples:
  portico import facts.json --dry-run
  portico import facts.json --replace
  portico import --from redis://10.0.0.5:6379/0
  portico import --from redis://10.0.0.5:6379/0 --layout traefik --keep-going
  portico import traefik.json --layout traefik
  consul kv export traefik/ | portico import - --layout traefik
  etcdctl get --prefix traefik/ -w json | portico import - --layout traefik";

/// The largest file that is read, in octets; the server's own limit is lower.
const MAX_FILE: u64 = 1 << 30;

/// Write facts from a file of `portico export`, from hipache's, planb's or Traefik's Redis; all or nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// A file; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "from", conflicts_with = "from")]
    file: Option<PathBuf>,
    /// A Redis, as seen from the portico that is asked: redis://[:PASSWORD@]HOST:PORT/DB#PREFIX
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// How the facts are laid out there [default: portico for a file, hipache for a Redis]
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<Layout>,
    /// Remove the frontends that are not there
    #[arg(long)]
    replace: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write what can be, in parts where it is too much for one write; exit code 1 when something cannot
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// How facts are laid out.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Layout {
    /// A file of `portico export`.
    Portico,
    /// The lists of hipache and planb (a Redis).
    Hipache,
    /// Traefik's keys (a Redis, or a JSON file of key/value pairs: texts, or what Consul and etcd export).
    Traefik,
}

/// Runs it.
pub(crate) fn run(args: &ImportArgs, client: &Client) -> Result<Answer, Failure> {
    let mut url = format!(
        "/v1/import?replace={}&dry_run={}&keep_going={}",
        args.replace, args.dry_run, args.keep_going
    );
    if let Some(layout) = args.layout.and_then(|layout| layout.to_possible_value()) {
        url += &format!("&layout={}", name::encode(layout.get_name()));
    }
    let applied: Applied = client.patient().post(&url, body(args)?)?;
    let done = if args.dry_run { "would be imported" } else { "imported" };
    let text = changes::text(&applied, done);
    let mut answer = match args.dry_run {
        true => Answer::new(&applied, text)?,
        false => wait::answer(&args.wait, client, applied.revision, &applied, text)?,
    };
    answer.code = answer.code.max(u8::from(!applied.refused.is_empty()));
    Ok(answer)
}

fn body(args: &ImportArgs) -> Result<Vec<u8>, Failure> {
    if let Some(from) = &args.from {
        let source = ImportFrom { from: from.clone() };
        return serde_json::to_vec(&source).map_err(|error| Failure::Usage(error.to_string()));
    }
    let path = args.file.clone().unwrap_or_else(|| PathBuf::from("-"));
    let mut octets = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(MAX_FILE).read_to_end(&mut octets),
        false => std::fs::File::open(&path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut octets)),
    };
    read.map_err(|error| file::failed(&path, &error))?;
    Ok(octets)
}
