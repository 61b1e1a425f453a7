//! `portico record …`: record sets, added to, replaced, removed, listed, shown.

use std::thread;
use std::time::Duration;

use admin::wire::{DnsExplained, FactView, FactWritten, Named, RecordDoc};
use clap::{Args, Subcommand};
use ureq::http::Method;

use crate::answer::Answer;
use crate::client::Client;
use crate::fact::data;
use crate::failure::Failure;
use crate::frontend::line;
use crate::name;
use crate::named::{Kind, ls, remove, show};
use crate::wait::{self, WaitArgs};

/// How often a set is read again that somebody else changed meanwhile.
const TRIES: usize = 5;

const EXAMPLES: &str = "\
Examples:
  portico record add www.example.com A 192.0.2.1 192.0.2.2 --ttl 300
  portico record add example.com MX '10 mail.example.com.'
  portico record add _acme-challenge.web.svc.internal TXT '\"a token\"'
  portico record add example.com SOA 'ns1.example.com. hostmaster.example.com. 1 1h 10m 1w 1m'
  portico record add www.example.com CNAME web.svc.internal. --replace";

const ABOUT: &str = "\
Make a record set, or add records to one.

Each DATA is one record, as a zone file writes it behind the type, names in it with their last dot. Records that are there already stay; \
with --replace the set is exactly what this command says.";

const IN_NO_ZONE: &str = "\
note: no zone holds that name yet, and so DNS does not answer with it (portico dns zones); a zone begins with a SOA and an NS record set
";

/// Read and write record sets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a record set, or add records to one
    #[command(long_about = ABOUT)]
    Add(AddArgs),
    /// Remove a record set
    Rm(RmArgs),
    /// List all record sets
    #[command(after_help = "Examples:\n  portico record ls\n  portico record ls --json")]
    Ls(LsArgs),
    /// Show one record set
    Show(ShowArgs),
}

/// Make a record set, or add records to one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AddArgs {
    #[command(flatten)]
    set: SetArgs,
    /// The data of each record
    #[arg(value_name = "DATA", required = true)]
    data: Vec<String>,
    /// How long they may be kept, in seconds [default: as the zone says]
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    /// Replace the set that is there
    #[arg(long)]
    replace: bool,
    /// Only when the set is still at this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Remove a record set
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  portico record rm www.example.com A\n  portico record rm www.example.com A --if-revision 42"
)]
pub struct RmArgs {
    #[command(flatten)]
    set: SetArgs,
    /// Only when it is still at this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// List all record sets
#[derive(Debug, Args)]
pub struct LsArgs {}

/// Show one record set
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  portico record show www.example.com A")]
pub struct ShowArgs {
    #[command(flatten)]
    set: SetArgs,
}

/// Which set.
#[derive(Debug, Args)]
struct SetArgs {
    /// Whose records: a domain name
    #[arg(value_name = "NAME")]
    name: String,
    /// Their type: A, AAAA, CNAME, MX, TXT, SRV, NS, PTR, CAA, HTTPS, SOA …
    #[arg(value_name = "TYPE")]
    record_type: String,
}

impl SetArgs {
    fn key(&self) -> String {
        format!("{}/{}", self.name, self.record_type)
    }
}

/// Runs one of them.
pub(crate) fn run(command: &Command, client: &Client) -> Result<Answer, Failure> {
    match command {
        Command::Add(args) => add(args, client),
        Command::Rm(args) => remove(Kind::Record, &args.set.key(), args.if_revision, &args.wait, client),
        Command::Ls(LsArgs {}) => ls(Kind::Record, None, client),
        Command::Show(args) => show(Kind::Record, &args.set.key(), client),
    }
}

fn add(args: &AddArgs, client: &Client) -> Result<Answer, Failure> {
    let key = args.set.key();
    let url = Kind::Record.url_of(&key)?;
    let mut left = TRIES;
    let written = loop {
        left -= 1;
        let (doc, condition) = if args.replace { (wanted(args), None) } else { joined(args, &url, client)? };
        let mine = args.if_revision.map(|n| ("If-Match", format!("\"{n}\"")));
        let may_retry = mine.is_none() && !args.replace && left > 0;
        let conditions: Vec<_> = mine.or(condition).into_iter().collect();
        match client.write::<FactWritten>(Method::PUT, &url, Some(&doc), &conditions) {
            Err(Failure::Refused(problem)) if may_retry && problem.kind.ends_with(":conflict") => {}
            other => break other.map_err(|failure| of_set(failure, &key))?,
        }
    };
    let live = if written.live { "live" } else { "not live on this node yet" };
    let said = match &written.fact {
        Some(Named::Record(doc)) => format!("{} {} -> {}", doc.name, doc.record_type, data(doc)),
        _ => key,
    };
    let mut text = line(&format!("{said} (revision {}, {live})", written.revision));
    if written.live && is_in_no_zone(&args.set, written.revision, client) {
        text.push_str(IN_NO_ZONE);
    }
    wait::answer(&args.wait, client, written.revision, &written, text)
}

/// Whether DNS serves that revision and none of its zones holds the name: what was written is kept, and nobody can ask for it.
fn is_in_no_zone(set: &SetArgs, revision: u64, client: &Client) -> bool {
    let (name, record_type) = (name::encode(&set.name), name::encode(&set.record_type));
    let url = format!("/v1/dns/explain?name={name}&type={record_type}");
    // DNS follows within milliseconds of what is live.
    for _ in 0..TRIES {
        match client.get::<DnsExplained>(&url) {
            Ok(explained) if explained.revision >= revision => {
                return explained.steps.iter().all(|step| step.zone.is_none());
            }
            Ok(_) => thread::sleep(Duration::from_millis(20)),
            Err(_) => return false,
        }
    }
    false
}

/// The same, with the set whose data is refused.
fn of_set(failure: Failure, key: &str) -> Failure {
    let mut failure = Kind::Record.in_our_words(failure, key);
    if let Failure::Refused(problem) = &mut failure
        && let Some(field) = &mut problem.field
    {
        *field = format!("{}, {field}", key.replace('/', " "));
    }
    failure
}

fn wanted(args: &AddArgs) -> RecordDoc {
    RecordDoc {
        name: args.set.name.clone(),
        record_type: args.set.record_type.clone(),
        ttl: args.ttl,
        data: args.data.clone(),
    }
}

/// A header field that says what a write expects.
type Condition = (&'static str, String);

/// What is there and what is added, and the condition that it is still so.
fn joined(args: &AddArgs, url: &str, client: &Client) -> Result<(RecordDoc, Option<Condition>), Failure> {
    let mut doc = wanted(args);
    match client.get::<FactView>(url) {
        Ok(FactView { fact: Named::Record(there), revision }) => {
            doc.ttl = doc.ttl.or(there.ttl);
            doc.data.extend(there.data);
            Ok((doc, Some(("If-Match", format!("\"{revision}\"")))))
        }
        Ok(_) => Ok((doc, None)),
        Err(Failure::Refused(problem)) if problem.kind.ends_with(":not-found") => {
            Ok((doc, Some(("If-None-Match", "*".to_owned()))))
        }
        Err(failure) => Err(failure),
    }
}
