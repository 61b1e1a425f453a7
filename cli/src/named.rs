//! What is done with facts by their names, whatever their kind: list, show, remove. And `portico instance …`, which does no more.

use admin::wire::{FactList, FactView, FactWritten, InstanceDoc, Named};
use clap::{Args, Subcommand};
use serde_json::Value;
use ureq::http::Method;

use crate::answer::Answer;
use crate::client::Client;
use crate::fact::{data, word};
use crate::failure::Failure;
use crate::frontend::line;
use crate::name::{encode, quoted};
use crate::table::Table;
use crate::wait::{self, WaitArgs};

/// How many facts are asked for at once.
const PAGE: usize = 5000;

/// How many letters a name that was perhaps meant may be away.
const SLIPS: usize = 2;

/// What a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Services.
    Service,
    /// Instances.
    Instance,
    /// Hosts.
    Host,
    /// Record sets, named NAME/TYPE.
    Record,
}

/// Read and remove instances.
#[derive(Debug, Subcommand)]
pub enum InstanceCommand {
    /// List the instances of a service, or all
    Ls(InstanceLsArgs),
    /// Show one
    Show(OneInstanceArgs),
    /// Remove one
    Rm(RmInstanceArgs),
}

/// List all
#[derive(Debug, Args)]
pub struct LsArgs {}

/// List the instances of a service, or all
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  portico instance ls\n  portico instance ls web")]
pub struct InstanceLsArgs {
    /// Only those of this service
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
}

/// Show one
#[derive(Debug, Args)]
pub struct OneArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Show one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  portico instance show web/web-1")]
pub struct OneInstanceArgs {
    /// Its service and its name
    #[arg(value_name = "SERVICE/NAME")]
    name: String,
}

/// Remove one
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// Only when it is still at this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Remove one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  portico instance rm web/web-1")]
pub struct RmInstanceArgs {
    /// Its service and its name
    #[arg(value_name = "SERVICE/NAME")]
    name: String,
    /// Only when it is still at this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Runs a command about instances.
pub(crate) fn run_instance(command: &InstanceCommand, client: &Client) -> Result<Answer, Failure> {
    match command {
        InstanceCommand::Ls(args) => ls(Kind::Instance, args.service.as_deref(), client),
        InstanceCommand::Show(args) => show(Kind::Instance, &args.name, client),
        InstanceCommand::Rm(args) => remove(Kind::Instance, &args.name, args.if_revision, &args.wait, client),
    }
}

pub(crate) fn ls(kind: Kind, service: Option<&str>, client: &Client) -> Result<Answer, Failure> {
    let list = all(kind, service, client)?;
    Answer::new(&list, table(kind, &list))
}

/// Page after page; instances of one service, or of all.
pub(crate) fn all(kind: Kind, service: Option<&str>, client: &Client) -> Result<FactList, Failure> {
    let path = match service {
        Some(service) => format!("/v1/services/{}/instances", encode(service)),
        None => format!("/v1/{}s", kind.name()),
    };
    let mut list: FactList = client.get(&format!("{path}?limit={PAGE}"))?;
    while let Some(after) = list.next.take() {
        let page: FactList = client.get(&format!("{path}?limit={PAGE}&after={}", encode(&after)))?;
        list.revision = page.revision;
        // A page with nothing on it is the last one, whatever it says.
        list.next = page.next.filter(|_| !page.facts.views().is_empty());
        list.facts.extend(page.facts);
    }
    Ok(list)
}

fn table(kind: Kind, list: &FactList) -> String {
    let name = kind.name();
    if list.facts.views().is_empty() {
        let revision = list.revision;
        let make = match kind {
            Kind::Record => "record add NAME TYPE DATA".to_owned(),
            _ => format!("apply -f {name}.yaml"),
        };
        return format!("no {name}s (revision {revision}); make one: portico {make}\n");
    }
    let mut table = Table::new(match kind {
        Kind::Instance => &["INSTANCE", "STATE", "HOST", "ADDRESSES", "WEIGHT", "LEASE", "REVISION"],
        Kind::Record => &["NAME", "TYPE", "TTL", "DATA", "REVISION"],
        Kind::Service | Kind::Host => &["NAME", "REVISION"],
    });
    for view in list.facts.views() {
        let revision = view.revision.to_string();
        match &view.fact {
            Named::Instance(doc) => table.row([
                name_of(&view.fact),
                doc.state.map_or_else(|| "healthy".to_owned(), |state| word(&state)),
                doc.host.clone().unwrap_or_else(|| "-".to_owned()),
                addresses(doc),
                doc.weight.unwrap_or(1).to_string(),
                doc.ttl.map_or_else(|| "-".to_owned(), |ttl| format!("{ttl} s")),
                revision,
            ]),
            Named::Record(doc) => table.row([
                doc.name.clone(),
                doc.record_type.clone(),
                doc.ttl.map_or_else(|| "-".to_owned(), |ttl| ttl.to_string()),
                data(doc),
                revision,
            ]),
            other => table.row([name_of(other), revision]),
        }
    }
    table.text()
}

/// Where an instance is, with the ports that are its own: `10.0.0.7:18080`. Without any they are those of its service.
fn addresses(doc: &InstanceDoc) -> String {
    let at = |address: &String| match &*doc.ports.0 {
        [] => vec![address.clone()],
        ports if address.contains(':') => {
            ports.iter().map(|(_, port)| format!("[{address}]:{port}")).collect()
        }
        ports => ports.iter().map(|(_, port)| format!("{address}:{port}")).collect(),
    };
    doc.addresses.iter().flat_map(at).collect::<Vec<_>>().join(", ")
}

/// One of them.
///
/// # Errors
/// [`Failure`]: there is none, or as every request.
pub(crate) fn one(kind: Kind, name: &str, client: &Client) -> Result<FactView, Failure> {
    client.get(&kind.url_of(name)?).map_err(|failure| kind.meant(failure, name, client))
}

pub(crate) fn show(kind: Kind, name: &str, client: &Client) -> Result<Answer, Failure> {
    let view = one(kind, name, client)?;
    Answer::new(&view, text(kind, &view))
}

fn text(kind: Kind, view: &FactView) -> String {
    let mut table = fields(kind, view);
    table.row(["revision", &view.revision.to_string()]);
    table.text()
}

/// Every field that is said, a line each.
pub(crate) fn fields(kind: Kind, view: &FactView) -> Table {
    let mut table = Table::new(&[]);
    let fields = serde_json::to_value(&view.fact).ok();
    let fields = fields.as_ref().and_then(|value| value.get(kind.name())).and_then(Value::as_object);
    for (field, value) in fields.into_iter().flatten() {
        table.row([field.as_str(), &in_words(value)]);
    }
    table
}

/// A value on one line: lists parted by commas, objects as `key=value`.
fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let named = |(key, value): (&String, &Value)| format!("{key}={}", in_words(value));
            fields.iter().map(named).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

pub(crate) fn rm(kind: Kind, args: &RmArgs, client: &Client) -> Result<Answer, Failure> {
    remove(kind, &args.name, args.if_revision, &args.wait, client)
}

pub(crate) fn remove(
    kind: Kind,
    name: &str,
    if_revision: Option<u64>,
    wait: &WaitArgs,
    client: &Client,
) -> Result<Answer, Failure> {
    let conditions: Vec<_> = if_revision.iter().map(|n| ("If-Match", format!("\"{n}\""))).collect();
    let written: FactWritten = client
        .write(Method::DELETE, &kind.url_of(name)?, None::<&()>, &conditions)
        .map_err(|failure| kind.meant(failure, name, client))?;
    let live = if written.live { "live" } else { "not live on this node yet" };
    let text = line(&format!("{} removed (revision {}, {live})", kind.spoken(name), written.revision));
    wait::answer(wait, client, written.revision, &written, text)
}

/// As this command line names it.
fn name_of(fact: &Named) -> String {
    match fact {
        Named::Frontend(doc) => crate::frontend::name_of(doc),
        Named::Service(doc) => doc.name.clone(),
        Named::Instance(doc) => format!("{}/{}", doc.service, doc.name),
        Named::Host(doc) => doc.name.clone(),
        Named::Record(doc) => format!("{}/{}", doc.name, doc.record_type),
        Named::Deployment(doc) => doc.name.clone(),
        Named::Standing(doc) => doc.name.clone(),
        Named::Controller(doc) => doc.controls.clone(),
    }
}

/// The name that is written most like this one, where it is a slip of the fingers away.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let most = (name.chars().count() / 2).min(SLIPS);
    let scored = known.map(|known| (strsim::osa_distance(&name.to_lowercase(), &known), known));
    scored.filter(|(distance, _)| *distance <= most).min().map(|(_, known)| known)
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Instance => "instance",
            Self::Host => "host",
            Self::Record => "record",
        }
    }

    /// A name as it stands on this command line.
    fn spoken(self, name: &str) -> String {
        match (self, name.rsplit_once('/')) {
            (Self::Record, Some((name, record_type))) => format!("{} {}", quoted(name), quoted(record_type)),
            _ => quoted(name),
        }
    }

    /// The API's URL path of one.
    pub(crate) fn url_of(self, name: &str) -> Result<String, Failure> {
        if let (Self::Record, Some((name, record_type))) = (self, name.rsplit_once('/')) {
            return Ok(format!("/v1/records/{}/{}", encode(name), encode(record_type)));
        }
        match (self, name.split_once('/')) {
            (Self::Instance, Some((service, name))) => {
                Ok(format!("/v1/services/{}/instances/{}", encode(service), encode(name)))
            }
            (Self::Instance, None) => {
                Err(Failure::Usage(format!("`{name}` names no instance; write SERVICE/NAME, as `web/web-1`")))
            }
            (kind, _) => Ok(format!("/v1/{}s/{}", kind.name(), encode(name))),
        }
    }

    /// The same as [`Kind::in_our_words`]; where nothing has that name, with the one that was perhaps meant.
    pub(crate) fn meant(self, failure: Failure, name: &str, client: &Client) -> Failure {
        let mut failure = self.in_our_words(failure, name);
        if let Failure::Refused(problem) = &mut failure
            && problem.kind.ends_with(":not-found")
            && let Ok(list) = all(self, None, client)
            && let Some(near) = nearest(name, list.facts.views().iter().map(|view| name_of(&view.fact)))
        {
            problem.remedy = format!("did you mean {}? {}", self.spoken(&near), problem.remedy);
        }
        failure
    }

    /// The failure; where nothing has that name, in our words, with the one that was perhaps meant.
    pub(crate) fn not_found(self, failure: Failure, name: &str, client: &Client) -> Failure {
        match &failure {
            Failure::Refused(problem) if problem.kind.ends_with(":not-found") => {
                self.meant(failure, name, client)
            }
            _ => failure,
        }
    }

    /// A problem in the words of this command line.
    pub(crate) fn in_our_words(self, failure: Failure, name: &str) -> Failure {
        let kind = self.name();
        match failure {
            Failure::Refused(mut problem) if problem.kind.ends_with(":conflict") => {
                if let Some(revision) = problem.revision {
                    let name = self.spoken(name);
                    problem.remedy = format!(
                        "look at it with `portico {kind} show {name}`, then say --if-revision {revision}"
                    );
                }
                Failure::Refused(problem)
            }
            Failure::Refused(mut problem) if problem.kind.ends_with(":not-found") => {
                problem.remedy = format!("list what is there with `portico {kind} ls`");
                Failure::Refused(problem)
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(json: &str) -> FactList {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn facts_are_listed_in_columns() {
        let instances = listed(
            r#"{"revision":9,"instances":[{"instance":{"service":"web","name":"web-1","addresses":["10.0.0.7","fd00::7"],"ttl":10},"revision":8},
            {"instance":{"service":"web","name":"web-2","addresses":["10.0.0.8","fd00::8"],"ports":{"http":18080,"dns":18053},"host":"node-1","state":"draining","weight":3},"revision":9}],"next":null}"#,
        );
        insta::assert_snapshot!(table(Kind::Instance, &instances), @r"
        INSTANCE   STATE     HOST    ADDRESSES                                                         WEIGHT  LEASE  REVISION
        web/web-1  healthy   -       10.0.0.7, fd00::7                                                 1       10 s   8
        web/web-2  draining  node-1  10.0.0.8:18080, 10.0.0.8:18053, [fd00::8]:18080, [fd00::8]:18053  3       -      9
        ");
        let records = listed(
            r#"{"revision":9,"records":[{"record":{"name":"a.example.","type":"A","ttl":60,"data":["10.0.0.1","10.0.0.2","10.0.0.3","10.0.0.4"]},"revision":8},
            {"record":{"name":"b.example.","type":"TXT","data":["\"x\""]},"revision":9}],"next":null}"#,
        );
        insta::assert_snapshot!(table(Kind::Record, &records), @r#"
        NAME        TYPE  TTL  DATA                                  REVISION
        a.example.  A     60   10.0.0.1, 10.0.0.2, 10.0.0.3, 1 more  8
        b.example.  TXT   -    "x"                                   9
        "#);
        let none = listed(r#"{"revision":9,"instances":[],"next":null}"#);
        let told = table(Kind::Instance, &none);
        assert_eq!(told, "no instances (revision 9); make one: portico apply -f instance.yaml\n");
    }

    #[test]
    fn one_fact_is_shown_with_every_field_that_is_said() {
        let json = r#"{"instance":{"service":"web","name":"web-1","addresses":["10.0.0.7"],"ports":{"http":18080},"tags":["a","b"]},"revision":8}"#;
        let view: FactView = serde_json::from_str(json).unwrap();

        insta::assert_snapshot!(text(Kind::Instance, &view), @r"
        addresses  10.0.0.7
        name       web-1
        ports      http=18080
        service    web
        tags       a, b
        revision   8
        ");
    }

    #[test]
    fn an_instance_is_named_with_its_service() {
        assert_eq!(Kind::Instance.url_of("web/web-1").unwrap(), "/v1/services/web/instances/web-1");
        assert_eq!(Kind::Host.url_of("a b").unwrap(), "/v1/hosts/a%20b");
        assert!(Kind::Instance.url_of("web").is_err());
        assert_eq!(
            Kind::Record.url_of("0/25.in-addr.arpa/PTR").unwrap(),
            "/v1/records/0%2F25.in-addr.arpa/PTR"
        );
        assert_eq!(Kind::Record.spoken("*.a/TXT"), "'*.a' TXT");
    }
}
