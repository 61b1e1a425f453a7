//! `portico host …`: machines that instances run on: made known, listed, shown, closed and opened again, removed.

use std::collections::BTreeMap;

use admin::wire::{
    Applied, Apply, EngineStatus, Entries, FactList, FactView, FactWritten, HostDoc, InstancesAtDoc, Named,
    ResourcesDoc, StandingDoc, Status,
};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use ureq::http::Method;

use crate::amount;
use crate::answer::Answer;
use crate::client::Client;
use crate::controls;
use crate::edit::edit;
use crate::fact;
use crate::failure::Failure;
use crate::frontend::line;
use crate::name::{encode, quoted};
use crate::named::{self, Kind, LsArgs, OneArgs, RmArgs};
use crate::table::Table;
use crate::wait::{self, WaitArgs};

const ADD_EXAMPLES: &str = "\
Examples:
  portico host add node-1 --engine ssh://ops@10.0.0.1 --address 10.0.0.1 --label zone=a --label disk=ssd
  portico host add node-2 --engine tcp://10.0.0.2:2376 --address 10.0.0.2 --address fd00::2 --cpu 4 --memory 8GiB
  portico host add here --engine unix:///run/docker.sock --address auto
  portico host add spare --engine tcp://spare.example.com --address auto --priority 1 --cpu 4 --memory 8GiB \
    --start start-vm --stop stop-vm --cloud project=web --cloud machine-type=small";

/// Make hosts known, close and open them, remove them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a host known
    Add(AddArgs),
    /// Launch nothing new on it; what runs there stays
    #[command(after_help = "Examples:\n  portico host cordon node-1")]
    Cordon(OneArgs),
    /// Launch on it again, and let stay what runs there
    #[command(after_help = "Examples:\n  portico host uncordon node-1")]
    Uncordon(OneArgs),
    /// Launch nothing new on it, and let what runs there leave for other hosts
    #[command(after_help = "Examples:\n  portico host drain node-1\n  portico host uncordon node-1")]
    Drain(OneArgs),
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

/// Make a host known
#[derive(Debug, Args)]
#[command(after_help = ADD_EXAMPLES)]
pub struct AddArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// Its container engine: unix:///run/docker.sock, tcp://HOST[:PORT], ssh://USER@HOST [default: nothing is launched on it]
    #[arg(long, value_name = "URL")]
    engine: Option<String>,
    /// Where it is; may be repeated; `auto`: where the controller finds it, by its engine
    #[arg(long = "address", value_name = "IP", required = true)]
    addresses: Vec<String>,
    /// What it is told apart by; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// Hosts of a lower number are filled first, 0 to 65535 [default: 0]
    #[arg(long, value_name = "N")]
    priority: Option<u16>,
    /// How many cores its instances may take together, as `4` or `0.5` [default: what its engine tells]
    #[arg(long, value_name = "CORES", value_parser = amount::cpu_millis)]
    cpu: Option<u64>,
    /// How much memory its instances may take together, as `8GiB` [default: what its engine tells]
    #[arg(long, value_name = "MEMORY", value_parser = amount::memory_mib)]
    memory: Option<u64>,
    /// Instances on it are reached at the addresses of their containers [default: at the host's own, by published ports]
    #[arg(long)]
    at_containers: bool,
    /// The action that starts it when something fits nowhere else, as `control.actions` calls it; needs --cpu and --memory [default: nobody starts it]
    #[arg(long, value_name = "ACTION", requires_all = ["cpu", "memory"])]
    start: Option<String>,
    /// The action that stops it when it had nothing to do for `control.host_idle` [default: nobody stops it]
    #[arg(long, value_name = "ACTION", requires = "start")]
    stop: Option<String>,
    /// What these actions are told, as PORTICO_CLOUD_KEY; may be repeated
    #[arg(long = "cloud", value_name = "KEY=VALUE", value_parser = parse_label)]
    cloud: Vec<(String, String)>,
    #[command(flatten)]
    wait: WaitArgs,
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, such as `zone=a`".to_owned()),
    }
}

/// Runs one of them.
pub(crate) fn run(command: &Command, client: &Client) -> Result<Answer, Failure> {
    match command {
        Command::Add(args) => add(args, client),
        Command::Cordon(args) => change(&args.name, client, cordon),
        Command::Uncordon(args) => change(&args.name, client, uncordon),
        Command::Drain(args) => change(&args.name, client, drain),
        Command::Ls(LsArgs {}) => ls(client),
        Command::Show(args) => show(&args.name, client),
        Command::Rm(args) => named::rm(Kind::Host, args, client),
    }
}

fn add(args: &AddArgs, client: &Client) -> Result<Answer, Failure> {
    let doc = wanted(args);
    let condition = [("If-None-Match", "*".to_owned())];
    let url = Kind::Host.url_of(&args.name)?;
    let written = match client.write::<FactWritten>(Method::PUT, &url, Some(&doc), &condition) {
        Err(Failure::Refused(problem)) if problem.kind.ends_with(":conflict") => {
            return is_so_already(&doc, client);
        }
        written => written?,
    };
    let text =
        line(&format!("{}: added, {} (revision {})", doc.name, doc.addresses.join(", "), written.revision));
    wait::answer(&args.wait, client, written.revision, &written, text)
}

fn wanted(args: &AddArgs) -> HostDoc {
    let capacity = ResourcesDoc { cpu_millis: args.cpu, memory_mib: args.memory };
    HostDoc {
        name: args.name.clone(),
        addresses: args.addresses.clone(),
        labels: Entries(args.labels.clone()),
        engine: args.engine.clone(),
        instances_at: args.at_containers.then_some(InstancesAtDoc::Container),
        priority: args.priority,
        capacity: (capacity != ResourcesDoc::default()).then_some(capacity),
        start: args.start.clone(),
        stop: args.stop.clone(),
        cloud: Entries(args.cloud.clone()),
        cordoned: None,
        draining: None,
    }
}

/// Good where the host that is there says the same.
fn is_so_already(doc: &HostDoc, client: &Client) -> Result<Answer, Failure> {
    let mut document = serde_json::to_value(doc).map_err(|error| Failure::Usage(error.to_string()))?;
    if let Value::Object(fields) = &mut document {
        fields.insert("kind".to_owned(), "host".into());
    }
    let asked = Apply { documents: vec![document], dry_run: true, ..Apply::default() };
    let compared: Applied = client.write(Method::POST, "/v1/apply", Some(&asked), &[])?;
    if compared.unchanged == 1 {
        let text = format!("{}: is there already, and says the same (nothing to be done)", doc.name);
        return Answer::new(&named::one(Kind::Host, &doc.name, client)?, line(&text));
    }
    let name = quoted(&doc.name);
    let remedy = format!(
        "look at it with `portico host show {name}`; change it with `portico apply -f host.yaml`, or remove it first"
    );
    Err(Failure::refused(format!("host {} is there already, and says something else", doc.name), remedy))
}

fn change(name: &str, client: &Client, change: fn(&mut HostDoc) -> String) -> Result<Answer, Failure> {
    let host = |fact| match fact {
        Named::Host(doc) => Some(doc),
        _ => None,
    };
    edit(Kind::Host, name, client, host, |doc| Ok(change(doc)))?.answer(name)
}

fn cordon(doc: &mut HostDoc) -> String {
    match state(doc) {
        "available" => {
            doc.cordoned = Some(true);
            "cordoned: nothing new is launched on it".to_owned()
        }
        before => format!("is {before} already: nothing new is launched on it"),
    }
}

fn drain(doc: &mut HostDoc) -> String {
    let before = state(doc);
    doc.draining = Some(true);
    match before {
        "draining" => "is draining already",
        _ => "draining: its instances leave it",
    }
    .to_owned()
}

fn uncordon(doc: &mut HostDoc) -> String {
    let before = state(doc);
    (doc.cordoned, doc.draining) = (None, None);
    match before {
        "available" => "is available already",
        _ => "available",
    }
    .to_owned()
}

/// How a host stands, by what is said of it.
fn state(doc: &HostDoc) -> &'static str {
    match (doc.draining, doc.cordoned) {
        (Some(true), _) => "draining",
        (_, Some(true)) => "cordoned",
        _ => "available",
    }
}

/// All hosts, how they stand as the controller says, and their engines where the node that is asked hears them.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    list: &'a FactList,
    #[serde(skip_serializing_if = "<[FactView]>::is_empty")]
    standings: &'a [FactView],
    #[serde(skip_serializing_if = "<[EngineStatus]>::is_empty")]
    engines: &'a [EngineStatus],
}

fn ls(client: &Client) -> Result<Answer, Failure> {
    let list = named::all(Kind::Host, None, client)?;
    let standings: FactList = client.get("/v1/standings?limit=5000")?;
    let engines = client.get::<Status>("/v1/status")?.control.map(|control| control.engines);
    let engines = engines.unwrap_or_default();
    let text = table(&list, &standings, &engines);
    Answer::new(&Listed { list: &list, standings: standings.facts.views(), engines: &engines }, text)
}

fn table(list: &FactList, standings: &FactList, engines: &[EngineStatus]) -> String {
    if list.facts.views().is_empty() {
        let revision = list.revision;
        return format!(
            "no hosts (revision {revision}); make one: portico host add NAME --engine URL --address IP\n"
        );
    }
    let standings: BTreeMap<&str, &StandingDoc> = standings
        .facts
        .views()
        .iter()
        .filter_map(|view| match &view.fact {
            Named::Standing(doc) => Some((&*doc.name, &**doc)),
            _ => None,
        })
        .collect();
    let heard = if engines.is_empty() && standings.is_empty() { None } else { Some("HEARD") };
    let heading = ["HOST", "ENGINE", "ADDRESSES", "LABELS", "STATE", "REVISION"].into_iter().chain(heard);
    let mut table = Table::new(&heading.collect::<Vec<_>>());
    for view in list.facts.views() {
        let Named::Host(doc) = &view.fact else { continue };
        let labels: Vec<String> = doc.labels.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let labels = if labels.is_empty() { "-".to_owned() } else { labels.join(", ") };
        let engine = engines.iter().find(|engine| engine.host == doc.name);
        let standing = standings.get(&*doc.name).copied();
        let heard = heard.map(|_| heard_of(standing, engine));
        let row = [
            doc.name.clone(),
            doc.engine.clone().unwrap_or_else(|| "-".to_owned()),
            addresses(doc, standing),
            labels,
            state(doc).to_owned(),
            view.revision.to_string(),
        ];
        table.row(row.into_iter().chain(heard));
    }
    table.text()
}

/// Where a host says that it is, or where it was found: `auto: 10.0.0.7`.
fn addresses(doc: &HostDoc, standing: Option<&StandingDoc>) -> String {
    let said = doc.addresses.join(", ");
    match standing.map(|standing| standing.found.join(", ")).filter(|found| !found.is_empty()) {
        Some(found) => format!("{said}: {found}"),
        None => said,
    }
}

/// How its engine stands, or what the controller says where the node that is asked hears no engine.
fn heard_of(standing: Option<&StandingDoc>, engine: Option<&EngineStatus>) -> String {
    let power = standing.and_then(|standing| standing.power.as_ref()).map(fact::power);
    let lost = standing.map(|standing| &standing.lost).filter(|lost| !lost.is_empty());
    let heard = engine.map(controls::state).or(power).into_iter();
    let heard: Vec<String> = heard.chain(lost.map(|lost| format!("no address: {lost}"))).collect();
    if heard.is_empty() { "-".to_owned() } else { heard.join("; ") }
}

fn show(name: &str, client: &Client) -> Result<Answer, Failure> {
    let view = named::one(Kind::Host, name, client)?;
    let url = format!("/v1/standings/{}", encode(name));
    let standing = match client.get::<FactView>(&url) {
        Ok(standing) => Some(standing),
        Err(Failure::Refused(problem)) if problem.kind.ends_with(":not-found") => None,
        Err(failure) => return Err(failure),
    };
    let text = text(&view, standing.as_ref());
    Answer::new(&Shown { view: &view, standing: standing.as_ref().map(|standing| &standing.fact) }, text)
}

/// A host, and how it stands as the controller says.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    view: &'a FactView,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    standing: Option<&'a Named>,
}

fn text(view: &FactView, standing: Option<&FactView>) -> String {
    let mut table = named::fields(Kind::Host, view);
    if let Some(Named::Standing(standing)) = standing.map(|standing| &standing.fact) {
        if !standing.found.is_empty() || !standing.lost.is_empty() {
            let found = if standing.found.is_empty() {
                format!("nowhere: {}", standing.lost)
            } else {
                standing.found.join(", ")
            };
            table.row(["found", &found]);
        }
        if let Some(power) = &standing.power {
            table.row(["power", &fact::power(power)]);
        }
    }
    if let Named::Host(doc) = &view.fact {
        table.row(["state", state(doc)]);
    }
    table.row(["revision", &view.revision.to_string()]);
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(fields: &str) -> HostDoc {
        serde_json::from_str(&format!(r#"{{"name":"node-1","addresses":["10.0.0.1"]{fields}}}"#)).unwrap()
    }

    #[test]
    fn hosts_are_listed_with_how_they_stand() {
        let hosts = r#"{"revision":9,"hosts":[
            {"host":{"name":"bare","addresses":["10.0.0.9"]},"revision":1},
            {"host":{"name":"node-1","addresses":["10.0.0.1","fd00::1"],"engine":"tcp://10.0.0.1:2376","labels":{"zone":"a","disk":"ssd"},"cordoned":true},"revision":2},
            {"host":{"name":"node-2","addresses":["10.0.0.2"],"engine":"ssh://ops@10.0.0.2","cordoned":true,"draining":true},"revision":3}],"next":null}"#;
        let none = r#"{"revision":9,"hosts":[],"next":null}"#;
        let nothing: FactList = serde_json::from_str(r#"{"revision":9,"standings":[],"next":null}"#).unwrap();

        insta::assert_snapshot!(table(&serde_json::from_str(hosts).unwrap(), &nothing, &[]), @r"
        HOST    ENGINE               ADDRESSES          LABELS            STATE      REVISION
        bare    -                    10.0.0.9           -                 available  1
        node-1  tcp://10.0.0.1:2376  10.0.0.1, fd00::1  zone=a, disk=ssd  cordoned   2
        node-2  ssh://ops@10.0.0.2   10.0.0.2           -                 draining   3
        ");
        assert!(
            table(&serde_json::from_str(none).unwrap(), &nothing, &[])
                .starts_with("no hosts (revision 9); make one")
        );
    }

    #[test]
    fn where_a_host_was_found_and_whether_it_runs_is_listed_and_shown() {
        let hosts = r#"{"revision":9,"hosts":[
            {"host":{"name":"a","addresses":["auto"],"engine":"tcp://a:2376"},"revision":1},
            {"host":{"name":"b","addresses":["auto"],"engine":"tcp://b:2376"},"revision":2},
            {"host":{"name":"c","addresses":["10.0.0.3"],"engine":"tcp://c:2376","start":"wake"},"revision":3}],"next":null}"#;
        let standings = r#"{"revision":9,"standings":[
            {"standing":{"name":"a","found":["10.0.0.1"]},"revision":5},
            {"standing":{"name":"b","found":[],"lost":"b cannot be resolved"},"revision":6},
            {"standing":{"name":"c","found":[],"power":{"state":"stopped","failures":1,"reason":"no quota"}},"revision":7}],"next":null}"#;
        let hosts: FactList = serde_json::from_str(hosts).unwrap();
        let standings: FactList = serde_json::from_str(standings).unwrap();

        insta::assert_snapshot!(table(&hosts, &standings, &[]), @r"
        HOST  ENGINE        ADDRESSES       LABELS  STATE      REVISION  HEARD
        a     tcp://a:2376  auto: 10.0.0.1  -       available  1         -
        b     tcp://b:2376  auto            -       available  2         no address: b cannot be resolved
        c     tcp://c:2376  10.0.0.3        -       available  3         stopped after a failure: no quota
        ");
        let shown = |at: usize| text(&hosts.facts.views()[at], standings.facts.views().get(at));
        insta::assert_snapshot!([0, 1, 2].map(shown).join("\n"), @r"
        addresses  auto
        engine     tcp://a:2376
        name       a
        found      10.0.0.1
        state      available
        revision   1

        addresses  auto
        engine     tcp://b:2376
        name       b
        found      nowhere: b cannot be resolved
        state      available
        revision   2

        addresses  10.0.0.3
        engine     tcp://c:2376
        name       c
        start      wake
        power      stopped after a failure: no quota
        state      available
        revision   3
        ");
    }

    #[test]
    fn a_host_is_closed_emptied_and_opened_again() {
        let check = |fields: &str, change: fn(&mut HostDoc) -> String, said: &str, then: &str| {
            let mut changed = doc(fields);
            assert_eq!((change(&mut changed).as_str(), changed), (said, doc(then)), "{fields}");
        };
        let (cordoned, both) = (r#","cordoned":true"#, r#","cordoned":true,"draining":true"#);
        let draining = r#","draining":true"#;
        check("", cordon, "cordoned: nothing new is launched on it", cordoned);
        check(cordoned, cordon, "is cordoned already: nothing new is launched on it", cordoned);
        check(draining, cordon, "is draining already: nothing new is launched on it", draining);
        check("", drain, "draining: its instances leave it", draining);
        check(cordoned, drain, "draining: its instances leave it", both);
        check(draining, drain, "is draining already", draining);
        check(both, uncordon, "available", "");
        check(draining, uncordon, "available", "");
        check("", uncordon, "is available already", "");
    }

    #[test]
    fn labels_have_a_key() {
        assert_eq!(parse_label("zone=a=b"), Ok(("zone".to_owned(), "a=b".to_owned())));
        assert_eq!(parse_label("zone="), Ok(("zone".to_owned(), String::new())));
        assert!(parse_label("zone").is_err() && parse_label("=a").is_err());
    }
}
