//! `portico service …`: services listed and shown with how many of their instances are well, and removed. They are written with
//! `portico apply`; what is launched of them is commanded by `portico scale` and its siblings.

use std::collections::BTreeMap;

use admin::wire::{FactList, FactView, InstanceStateDoc, Named, PerHostDoc, ServiceDoc};
use clap::Subcommand;
use serde::Serialize;

use crate::answer::Answer;
use crate::client::Client;
use crate::fact::{port, word};
use crate::failure::Failure;
use crate::launched::range;
use crate::named::{self, Kind, LsArgs, OneArgs, RmArgs};
use crate::table::Table;

/// What stands below the help of `ls`.
const LS_EXAMPLES: &str = "\
Examples:
  portico service ls
  portico service ls --json

INSTANCES are those that are healthy, of those that are wanted; where they register themselves, of those that are there.";

/// Read and remove services.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List all
    #[command(after_help = LS_EXAMPLES)]
    Ls(LsArgs),
    /// Show one
    #[command(after_help = "Examples:\n  portico service show web\n  portico service show web --json")]
    Show(OneArgs),
    /// Remove one
    #[command(after_help = "Examples:\n  portico service rm web\n  portico service rm web --if-revision 42")]
    Rm(RmArgs),
}

/// How many instances of a service there are, by their state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct States(BTreeMap<String, usize>);

/// A service as the server says it, and its instances counted.
#[derive(Serialize)]
struct Counted<'a> {
    #[serde(flatten)]
    view: &'a FactView,
    states: &'a States,
}

/// All services, and their instances counted.
#[derive(Serialize)]
struct CountedList<'a> {
    revision: u64,
    services: Vec<Counted<'a>>,
    next: Option<&'a str>,
}

/// Runs one of them.
pub(crate) fn run(command: &Command, client: &Client) -> Result<Answer, Failure> {
    match command {
        Command::Ls(LsArgs {}) => {
            let list = named::all(Kind::Service, None, client)?;
            let states = counted(&named::all(Kind::Instance, None, client)?);
            ls(&list, &states)
        }
        Command::Show(args) => {
            let view = named::one(Kind::Service, &args.name, client)?;
            let states = counted(&named::all(Kind::Instance, Some(&args.name), client)?);
            let states = states.into_values().next().unwrap_or_default();
            Answer::new(&Counted { view: &view, states: &states }, text(&view, &states))
        }
        Command::Rm(args) => named::rm(Kind::Service, args, client),
    }
}

fn ls(list: &FactList, states: &BTreeMap<String, States>) -> Result<Answer, Failure> {
    let none = States::default();
    let services = list.facts.views().iter().map(|view| {
        let states = states.get(name_of(view)).unwrap_or(&none);
        Counted { view, states }
    });
    let list = CountedList { revision: list.revision, services: services.collect(), next: None };
    Answer::new(&list, table(&list))
}

fn name_of(view: &FactView) -> &str {
    match &view.fact {
        Named::Service(doc) => &doc.name,
        _ => "",
    }
}

/// Of each service.
fn counted(instances: &FactList) -> BTreeMap<String, States> {
    let mut counted: BTreeMap<String, States> = BTreeMap::new();
    for view in instances.facts.views() {
        let Named::Instance(doc) = &view.fact else { continue };
        let state = word(&doc.state.unwrap_or(InstanceStateDoc::Healthy));
        *counted.entry(doc.service.clone()).or_default().0.entry(state).or_default() += 1;
    }
    counted
}

fn table(list: &CountedList<'_>) -> String {
    if list.services.is_empty() {
        let revision = list.revision;
        return format!("no services (revision {revision}); make one: portico apply -f service.yaml\n");
    }
    let mut table = Table::new(&["SERVICE", "IMAGE", "INSTANCES", "PORTS", "REVISION"]);
    for Counted { view, states } in &list.services {
        let Named::Service(doc) = &view.fact else { continue };
        table.row([
            doc.name.as_str(),
            doc.image.as_deref().unwrap_or("-"),
            &states.of(doc),
            &ports(doc),
            &view.revision.to_string(),
        ]);
    }
    table.text()
}

fn ports(doc: &ServiceDoc) -> String {
    match &*doc.ports {
        [] => "-".to_owned(),
        ports => ports.iter().map(port).collect::<Vec<_>>().join(", "),
    }
}

fn text(view: &FactView, states: &States) -> String {
    let mut table = named::fields(Kind::Service, view);
    if let Named::Service(doc) = &view.fact {
        table.row(["healthy", &states.told(doc)]);
    }
    table.row(["revision", &view.revision.to_string()]);
    table.text()
}

impl States {
    /// `2/3`: healthy, and wanted; or `2/2`: healthy, and there.
    fn of(&self, doc: &ServiceDoc) -> String {
        let healthy = self.0.get("healthy").copied().unwrap_or(0);
        let every = doc.placement.as_ref().is_some_and(|wish| wish.per_host == Some(PerHostDoc::Every));
        let wanted = match doc.image {
            None if doc.external.is_some() => return "elsewhere".to_owned(),
            None => self.0.values().sum::<usize>().to_string(),
            Some(_) if doc.active == Some(false) => "0 (stopped)".to_owned(),
            Some(_) if every => return format!("{healthy} (every host)"),
            Some(_) if doc.canary.is_some() => format!("{} + canary", range(doc)),
            Some(_) => range(doc),
        };
        format!("{healthy}/{wanted}")
    }

    /// The same, and the others: `2/3 (1 starting)`.
    fn told(&self, doc: &ServiceDoc) -> String {
        let others = self.0.iter().filter(|(state, _)| *state != "healthy");
        let others: Vec<String> = others.map(|(state, count)| format!("{count} {state}")).collect();
        match others.is_empty() {
            true => self.of(doc),
            false => format!("{} ({})", self.of(doc), others.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> FactList {
        let json = r#"{"revision":9,"services":[
            {"service":{"name":"api"},"revision":1},
            {"service":{"name":"bold","image":"bold:1","canary":{"image":"bold:2","percent":10}},"revision":1},
            {"service":{"name":"log","image":"log:1","placement":{"per_host":"every"}},"revision":2},
            {"service":{"name":"mail","external":"mail.example.net."},"revision":3},
            {"service":{"name":"off","image":"off:1","active":false},"revision":4},
            {"service":{"name":"web","image":"shop/web:2","instances":3,"ports":[{"name":"http","port":8080},{"name":"dns","port":53,"protocol":"udp"}]},"revision":7}],"next":null}"#;
        serde_json::from_str(json).unwrap()
    }

    fn instances() -> FactList {
        let json = r#"{"revision":9,"instances":[
            {"instance":{"service":"api","name":"a","addresses":["10.0.0.7"]},"revision":8},
            {"instance":{"service":"api","name":"b","addresses":["10.0.0.8"],"state":"unhealthy"},"revision":8},
            {"instance":{"service":"web","name":"a","addresses":["10.0.0.7"],"state":"healthy"},"revision":8},
            {"instance":{"service":"web","name":"b","addresses":["10.0.0.8"]},"revision":8},
            {"instance":{"service":"web","name":"c","addresses":["10.0.0.9"],"state":"starting"},"revision":9}],"next":null}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn services_are_listed_with_how_many_are_well() {
        let answer = ls(&services(), &counted(&instances())).unwrap();

        insta::assert_snapshot!(answer.text, @r"
        SERVICE  IMAGE       INSTANCES       PORTS                  REVISION
        api      -           1/2             -                      1
        bold     bold:1      0/1 + canary    -                      1
        log      log:1       0 (every host)  -                      2
        mail     -           elsewhere       -                      3
        off      off:1       0/0 (stopped)   -                      4
        web      shop/web:2  2/3             http 8080, dns 53/udp  7
        ");
        assert!(answer.json.contains(r#""starting": 1"#), "{}", answer.json);
    }

    #[test]
    fn a_service_is_shown_with_what_its_instances_do() {
        let (services, states) = (services(), counted(&instances()));
        let web = services.facts.views().last().unwrap();

        insta::assert_snapshot!(text(web, &states["web"]), @r"
        image      shop/web:2
        instances  3
        name       web
        ports      name=http port=8080, name=dns port=53 protocol=udp
        healthy    2/3 (1 starting)
        revision   7
        ");
    }

    #[test]
    fn no_service_is_one_line() {
        let none = serde_json::from_str(r#"{"revision":9,"services":[],"next":null}"#).unwrap();
        let told = ls(&none, &BTreeMap::new()).unwrap().text;
        assert_eq!(told, "no services (revision 9); make one: portico apply -f service.yaml\n");
    }
}
