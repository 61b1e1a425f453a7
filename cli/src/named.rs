//! `portico service …`, `portico instance …`, `portico host …`: list, show, remove. They are written with `portico apply`. What
//! `portico record …` does alike is here, too.

use admin::wire::{FactList, FactView, FactWritten, Named, ServiceDoc};
use clap::{Args, Subcommand};
use serde_json::Value;
use ureq::http::Method;

use crate::answer::Answer;
use crate::client::Client;
use crate::fact::{data, port, word};
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

/// Read and remove services.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// List all
    #[command(after_help = "Examples:\n  portico service ls\n  portico service ls --json")]
    Ls(LsArgs),
    /// Show one
    #[command(after_help = "Examples:\n  portico service show web\n  portico service show web --json")]
    Show(OneArgs),
    /// Remove one
    #[command(after_help = "Examples:\n  portico service rm web\n  portico service rm web --if-revision 42")]
    Rm(RmArgs),
}

/// Read and remove hosts.
#[derive(Debug, Subcommand)]
pub enum HostCommand {
    /// List all
    #[command(after_help = "Examples:\n  portico host ls\n  portico host ls --json")]
    Ls(LsArgs),
    /// Show one
    #[command(after_help = "Examples:\n  portico host show node-1\n  portico host show node-1 --json")]
    Show(OneArgs),
    /// Remove one
    #[command(after_help = "Examples:\n  portico host rm node-1\n  portico host rm node-1 --if-revision 42")]
    Rm(RmArgs),
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
    name: String,
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

/// Runs a command about services.
pub(crate) fn run_service(command: &ServiceCommand, client: &Client) -> Result<Answer, Failure> {
    match command {
        ServiceCommand::Ls(LsArgs {}) => ls(Kind::Service, None, client),
        ServiceCommand::Show(args) => show(Kind::Service, &args.name, client),
        ServiceCommand::Rm(args) => rm(Kind::Service, &args.name, args.if_revision, &args.wait, client),
    }
}

/// Runs a command about hosts.
pub(crate) fn run_host(command: &HostCommand, client: &Client) -> Result<Answer, Failure> {
    match command {
        HostCommand::Ls(LsArgs {}) => ls(Kind::Host, None, client),
        HostCommand::Show(args) => show(Kind::Host, &args.name, client),
        HostCommand::Rm(args) => rm(Kind::Host, &args.name, args.if_revision, &args.wait, client),
    }
}

/// Runs a command about instances.
pub(crate) fn run_instance(command: &InstanceCommand, client: &Client) -> Result<Answer, Failure> {
    match command {
        InstanceCommand::Ls(args) => ls(Kind::Instance, args.service.as_deref(), client),
        InstanceCommand::Show(args) => show(Kind::Instance, &args.name, client),
        InstanceCommand::Rm(args) => rm(Kind::Instance, &args.name, args.if_revision, &args.wait, client),
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
        Kind::Service => &["SERVICE", "PORTS", "REVISION"],
        Kind::Instance => &["INSTANCE", "ADDRESSES", "STATE", "WEIGHT", "LEASE", "REVISION"],
        Kind::Host => &["HOST", "ADDRESSES", "REVISION"],
        Kind::Record => &["NAME", "TYPE", "TTL", "DATA", "REVISION"],
    });
    for view in list.facts.views() {
        let revision = view.revision.to_string();
        match &view.fact {
            Named::Service(doc) => table.row([doc.name.clone(), ports(doc), revision]),
            Named::Host(doc) => table.row([doc.name.clone(), doc.addresses.join(", "), revision]),
            Named::Instance(doc) => table.row([
                format!("{}/{}", doc.service, doc.name),
                doc.addresses.join(", "),
                doc.state.map_or_else(|| "healthy".to_owned(), |state| word(&state)),
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
            Named::Frontend(doc) => table.row([doc.host.clone(), String::new(), revision]),
        }
    }
    table.text()
}

fn ports(doc: &ServiceDoc) -> String {
    match &*doc.ports {
        [] => "-".to_owned(),
        ports => ports.iter().map(port).collect::<Vec<_>>().join(", "),
    }
}

pub(crate) fn show(kind: Kind, name: &str, client: &Client) -> Result<Answer, Failure> {
    let view: FactView =
        client.get(&kind.url_of(name)?).map_err(|failure| kind.meant(failure, name, client))?;
    Answer::new(&view, text(kind, &view)?)
}

/// Every field that is said, a line each.
fn text(kind: Kind, view: &FactView) -> Result<String, Failure> {
    let mut table = Table::new(&[]);
    let fields = serde_json::to_value(&view.fact).ok();
    let fields = fields.as_ref().and_then(|value| value.get(kind.name())).and_then(Value::as_object);
    for (field, value) in fields.into_iter().flatten() {
        table.row([field.as_str(), &in_words(value)]);
    }
    table.row(["revision", &view.revision.to_string()]);
    Ok(table.text())
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

pub(crate) fn rm(
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
        let services = listed(
            r#"{"revision":9,"services":[{"service":{"name":"api"},"revision":1},
            {"service":{"name":"web","ports":[{"name":"http","port":8080},{"name":"dns","port":53,"protocol":"udp"}]},"revision":7}],"next":null}"#,
        );
        let instances = listed(
            r#"{"revision":9,"instances":[{"instance":{"service":"web","name":"web-1","addresses":["10.0.0.7","fd00::7"],"ttl":10},"revision":8},
            {"instance":{"service":"web","name":"web-2","addresses":["10.0.0.8"],"state":"draining","weight":3},"revision":9}],"next":null}"#,
        );
        let none = listed(r#"{"revision":9,"hosts":[],"next":null}"#);

        insta::assert_snapshot!(table(Kind::Service, &services), @r"
        SERVICE  PORTS                  REVISION
        api      -                      1
        web      http 8080, dns 53/udp  7
        ");
        insta::assert_snapshot!(table(Kind::Instance, &instances), @r"
        INSTANCE   ADDRESSES          STATE     WEIGHT  LEASE  REVISION
        web/web-1  10.0.0.7, fd00::7  healthy   1       10 s   8
        web/web-2  10.0.0.8           draining  3       -      9
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
        assert_eq!(table(Kind::Host, &none), "no hosts (revision 9); make one: portico apply -f host.yaml\n");
    }

    #[test]
    fn one_fact_is_shown_with_every_field_that_is_said() {
        let json = r#"{"instance":{"service":"web","name":"web-1","addresses":["10.0.0.7"],"ports":{"http":18080},"tags":["a","b"]},"revision":8}"#;
        let view: FactView = serde_json::from_str(json).unwrap();

        insta::assert_snapshot!(text(Kind::Instance, &view).unwrap(), @r"
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
