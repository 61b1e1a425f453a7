//! One host and one instance: each step of its life, and what it waits for.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::launch::{Image, Launch, Readiness, Resources};
use model::{
    Address, Addresses, Change, EngineUrl, Fact, Host, HostName, Instance, InstanceName, InstanceState,
    LeavingEndpoint, Node, NodeId, Nodes, Origin, Others, Port, PortName, Ports, Protocol, ProxyReport,
    Report, Revision, Run, Service, ServiceName, Snapshot, Stage, Stated, Version,
};

use super::super::{HostView, Key, Memory, Plan, Seen, Step, plan, spec};
use super::port;
use crate::config::Config;
use crate::runtime::{Container, ContainerState, Exit, Published};

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// One host, and what is known of it.
struct Stand {
    facts: Snapshot,
    view: HostView,
    nodes: Nodes,
    memory: Memory,
    config: Config,
    now: Instant,
}

fn host() -> HostName {
    HostName::parse("host-1").unwrap()
}

fn key(name: &str) -> Key {
    (ServiceName::parse("web").unwrap(), InstanceName::parse(name).unwrap())
}

/// `web`, once, of an image.
fn web(image: &str) -> Service {
    let mut service = Service::new(key("1").0);
    let http = Port { name: PortName::parse("http").unwrap(), port: port(80), protocol: Protocol::Tcp };
    service.ports = Ports::new(vec![http]).unwrap();
    service.launch = Some(Box::new(Launch::new(Image::parse(image).unwrap())));
    service
}

impl Stand {
    fn new() -> Self {
        let now = Instant::now();
        let mut host = Host::new(host(), Addresses::new([HOST]).unwrap());
        host.engine = Some(EngineUrl::parse("tcp://host-1:2376").unwrap());
        let mut stand = Self {
            facts: Snapshot::default(),
            view: HostView::default(),
            nodes: Nodes { own: NodeId("n".into()), others: Others::None, by_name: BTreeMap::new() },
            memory: Memory::new(now),
            config: Config::default(),
            now,
        };
        stand.state(Fact::Host(Box::new(host)));
        stand
    }

    fn apply(&mut self, change: impl FnOnce(Revision) -> Vec<Change>) {
        let revision = self.facts.revision().next();
        self.facts = self.facts.apply(revision, change(revision));
    }

    fn state(&mut self, fact: Fact) {
        let put = |revision| Change::Put(Stated { fact: Arc::new(fact), revision, origin: Origin::Native });
        self.apply(|revision| vec![put(revision)]);
    }

    /// An instance of `web` is there, of an image.
    fn instance(&mut self, image: &str, stage: Stage, state: InstanceState) {
        let mut instance = Instance::new(key("1").0, key("1").1, Addresses::new([HOST]).unwrap());
        (instance.host, instance.state) = (Some(host()), state);
        instance.ports.insert(PortName::parse("http").unwrap(), port(32_768));
        let version = web(image).version().unwrap();
        let (image, reason) = (Box::default(), Box::default());
        instance.run = Some(Box::new(Run {
            version,
            stage,
            resources: Resources::default(),
            image,
            failures: 0,
            reason,
            release: None,
        }));
        self.state(Fact::Instance(Box::new(instance)));
    }

    /// So is a container of it.
    fn container(&mut self, image: &str, state: ContainerState) {
        let version = web(image).version().unwrap_or_else(|| Version::new(0)).to_string();
        let fleet = &self.config.fleet;
        let labels =
            [("service", "web"), ("instance", "1"), ("version", &version), ("controller", fleet.as_str())];
        let http =
            Published { inside: port(80), protocol: Protocol::Tcp, outside: port(32_768), is_local: false };
        self.view.containers = vec![Container {
            id: "c".to_owned(),
            name: spec::container_name(fleet, &key("1").0, &key("1").1),
            labels: labels.map(|(name, value)| (format!("portico.{name}"), value.to_owned())).into(),
            image: image.to_owned(),
            state,
            health: None,
            published: vec![http],
            addresses: Vec::new(),
            partial: false,
        }];
    }

    /// A node serves a revision, and has so many tunnels open through what left.
    fn node(&mut self, serving: Revision, tunnels: u64) {
        let address = Address::Ip { ip: HOST, port: port(32_768) };
        let leaving = match tunnels {
            0 => Vec::new(),
            _ => vec![LeavingEndpoint { address, in_flight: 0, tunnels }],
        };
        let proxy = Arc::new(ProxyReport { serving, oldest: serving, leaving, ..ProxyReport::default() });
        let report = Arc::new(Report { proxy: Some(proxy), ..Report::default() });
        self.nodes.by_name.insert(NodeId("n".into()), Node { report, heard: self.now, lost: false });
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// A turn: what is written, and what is done, without what is said of deployments.
    fn turn(&mut self) -> String {
        if self.view.silent.is_none() {
            self.view.listed = Some(self.now);
        }
        let hosts = BTreeMap::from([(host(), self.view.clone())]);
        self.memory.look(&self.facts, &hosts, &self.nodes, &self.config, self.now);
        let (facts, nodes, memory, config, now) =
            (&self.facts, &self.nodes, &self.memory, &self.config, self.now);
        let Plan { edits, orders, .. } = plan(Seen { facts, hosts: &hosts, nodes, memory, config, now });
        let mut told = Vec::new();
        for edit in &edits {
            match &edit.fact {
                None => told.push("removed".to_owned()),
                Some(Fact::Instance(instance)) => {
                    let run = instance.run.as_ref().unwrap();
                    told.push(format!("{:?} {} {}", instance.state, run.stage.name(), run.reason));
                }
                Some(_) => {}
            }
        }
        for order in &orders {
            told.push(match &order.step {
                Step::Launch(..) => "launch".to_owned(),
                Step::Signal(id, _) => {
                    self.memory.told.insert(id.clone(), self.now);
                    "signal".to_owned()
                }
                Step::Remove(_) => "remove".to_owned(),
                Step::LastWords(_) => "last words".to_owned(),
                other => format!("{other:?}"),
            });
        }
        self.apply(|revision| {
            let change = |edit: super::super::Edit| match edit.fact {
                Some(fact) => Change::Put(Stated { fact: Arc::new(fact), revision, origin: Origin::Native }),
                None => Change::Remove(edit.key),
            };
            edits.into_iter().map(change).collect()
        });
        told.iter().map(|line| line.trim()).collect::<Vec<_>>().join("; ")
    }

    fn check(&mut self, expected: &str) {
        assert_eq!(self.turn(), expected);
    }
}

#[test]
fn what_is_wanted_is_placed_then_launched_then_runs_and_is_healthy_once_its_check_passes() {
    let mut stand = Stand::new();
    stand.state(Fact::Service(Box::new(web("web:1"))));

    stand.check("Starting placed");
    stand.check("launch");
    stand.container("web:1", ContainerState::Running);
    stand.check("Starting running");
    stand.memory.pulse(key("1"), "c", Ok(()), 1, stand.now);

    stand.check("Healthy running");
    stand.check("");
}

#[test]
fn who_ended_leaves_every_set_at_once_and_says_why_when_that_is_known() {
    let mut stand = Stand::new();
    stand.state(Fact::Service(Box::new(web("web:1"))));
    stand.instance("web:1", Stage::Running, InstanceState::Healthy);
    stand.container("web:1", ContainerState::Exited(Exit { code: 1, ..Exit::default() }));

    stand.check("Unhealthy running it exited with code 1; last words");
    stand.memory.words.insert("c".to_owned(), "boom".to_owned());

    stand.check("Unhealthy backoff it exited with code 1, saying: boom; tried again 1s after failure 1");
}

#[test]
fn who_drains_is_told_to_end_once_all_nodes_let_go_then_taken_away_and_then_forgotten() {
    let mut stand = Stand::new();
    stand.instance("web:1", Stage::Draining, InstanceState::Draining);
    stand.container("web:1", ContainerState::Running);
    stand.node(Revision::ZERO, 0);

    stand.check("");
    stand.node(stand.facts.revision(), 1);
    stand.check("");
    stand.node(stand.facts.revision(), 0);
    stand.check("Draining stopping");
    stand.check("signal");
    stand.check("");
    stand.pass(60);
    stand.check("remove");
    stand.view.containers.clear();
    stand.check("removed");
}

#[test]
fn a_stray_is_ended_once_all_nodes_serve_without_it_and_nothing_goes_through_it() {
    let mut stand = Stand::new();
    stand.container("web:1", ContainerState::Running);
    stand.node(Revision::ZERO, 0);

    stand.check("");
    stand.node(stand.facts.revision(), 1);
    stand.check("");
    stand.node(stand.facts.revision(), 0);

    stand.check("signal");
}

#[test]
fn a_stray_through_which_something_goes_for_ever_has_a_minute() {
    let mut stand = Stand::new();
    stand.container("web:1", ContainerState::Running);
    stand.node(stand.facts.revision(), 1);

    stand.check("");
    stand.pass(59);
    stand.check("");
    stand.pass(1);

    stand.check("signal");
}

#[test]
fn what_an_instance_of_the_same_name_left_behind_is_ended_before_another_version_is_launched() {
    let mut stand = Stand::new();
    stand.state(Fact::Service(Box::new(web("web:2"))));
    stand.instance("web:2", Stage::Placed, InstanceState::Starting);
    stand.container("web:1", ContainerState::Running);

    stand.check("signal");
    stand.view.containers.clear();

    stand.check("launch");
}

#[test]
fn a_host_is_given_up_when_it_was_asked_in_vain_at_both_ends_of_its_grace() {
    let mut stand = Stand::new();
    stand.state(Fact::Service(Box::new(web("web:1"))));
    stand.instance("web:1", Stage::Running, InstanceState::Healthy);
    stand.container("web:1", ContainerState::Running);
    stand.turn();
    (stand.view.silent, stand.view.tried) = (Some(stand.now), Some(stand.now));

    stand.pass(3600);
    stand.check("");
    stand.view.tried = Some(stand.now);

    stand.check("removed");
}

#[test]
fn who_depends_on_another_waits_for_it_and_says_so() {
    let mut stand = Stand::new();
    let mut service = web("web:1");
    let store = ServiceName::parse("store").unwrap();
    service.launch.as_mut().unwrap().depends_on.insert(store, Readiness::Healthy);
    stand.state(Fact::Service(Box::new(service)));

    stand.check("Starting placed");

    stand.check("Starting placed it waits for store, and there is no such service");
}

#[test]
fn what_was_left_behind_keeps_its_name_until_it_has_ended() {
    let mut stand = Stand::new();
    stand.state(Fact::Service(Box::new(web("web:1"))));
    stand.container("web:1", ContainerState::Running);
    stand.view.listed = Some(stand.now);
    let hosts = BTreeMap::from([(host(), stand.view.clone())]);
    let (facts, nodes, memory, config, now) =
        (&stand.facts, &stand.nodes, &stand.memory, &stand.config, stand.now);

    let edits = plan(Seen { facts, hosts: &hosts, nodes, memory, config, now }).edits;

    let names: Vec<String> = edits.iter().map(|edit| edit.key.to_string()).collect();
    assert_eq!(names, ["instance:web/2", "deployment:web"]);
}
