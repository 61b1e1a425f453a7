//! Hosts of which some are started and stopped, what is known of them, and turns that are taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::launch::{Canary, Image, Instances, Launch, Percent, Resources};
use model::{
    Addresses, Change, Controller, EngineUrl, Fact, FactKey, Host, HostName, Instance, Label, Lease,
    Metadata, NodeId, Nodes, Origin, Others, Service, ServiceName, Snapshot, Stated,
};

use super::super::super::{HostAction, HostView, Memory, Plan, Seen, explain, plan};
use crate::act::Failed;
use crate::config::{Config, Hook};
use crate::runtime::Engine;
use crate::schedule::Why;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Hosts, and what is known of them.
pub(super) struct Stand {
    pub(super) facts: Snapshot,
    pub(super) views: BTreeMap<HostName, HostView>,
    pub(super) nodes: Nodes,
    pub(super) memory: Memory,
    pub(super) config: Config,
    pub(super) now: Instant,
}

pub(super) fn name(host: &str) -> HostName {
    HostName::parse(host).unwrap()
}

pub(super) fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

pub(super) fn addresses(ip: &str) -> Addresses {
    Addresses::new([ip.parse().unwrap()]).unwrap()
}

/// A host that runs always, with room for one.
pub(super) fn host(host: &str) -> Host {
    let mut host = Host::new(name(host), addresses("10.0.0.1"));
    host.engine = Some(EngineUrl::parse(&format!("tcp://{}:2376", host.name)).unwrap());
    host.capacity = Resources::new(Some(1000), Some(64 << 20)).unwrap();
    host
}

/// A host that is started and stopped.
pub(super) fn spare(name: &str) -> Host {
    let cloud = Metadata::new([("machine-type", "small")]).unwrap();
    Host { start: Some(label("wake")), stop: Some(label("sleep")), cloud, ..host(name) }
}

/// `web`, so many times, each as large as a host.
pub(super) fn web(count: u64) -> Service {
    let mut launch = Launch::new(Image::parse("web:1").unwrap());
    launch.instances = Instances::new(count, count).unwrap();
    launch.resources = Resources::new(Some(1000), Some(64 << 20)).unwrap();
    let name = ServiceName::parse("web").unwrap();
    Service { launch: Some(Box::new(launch)), ..Service::new(name) }
}

/// The same, of which another version is tried beside: one instance, as large.
pub(super) fn tried(count: u64) -> Service {
    let mut web = web(count);
    let image = Image::parse("web:2").unwrap();
    web.launch.as_mut().unwrap().canary = Some(Canary { image, percent: Percent::new(10).unwrap() });
    web
}

impl Stand {
    pub(super) fn new(hosts: impl IntoIterator<Item = Host>) -> Self {
        let action = |name: &str| Hook { name: label(name), command: vec!["/bin/true".to_owned()] };
        let config = Config { actions: vec![action("wake"), action("sleep")], ..Config::default() };
        let mut stand = Self {
            facts: Snapshot::default(),
            views: BTreeMap::new(),
            nodes: Nodes { own: NodeId("n".into()), others: Others::None, by_name: BTreeMap::new() },
            memory: Memory::new(Instant::now()),
            config,
            now: Instant::now(),
        };
        stand.control(1);
        for host in hosts {
            stand.views.insert(host.name.clone(), HostView::default());
            stand.state(Fact::Host(Box::new(host)));
        }
        stand
    }

    /// Another controller takes over.
    pub(super) fn control(&mut self, term: u32) {
        let (node, lease) = (NodeId("n".into()), Lease::new(15).unwrap());
        self.state(Fact::Controller(Box::new(Controller { node, term, lease })));
        self.memory = Memory::new(self.now);
        self.memory.token = self.facts.revision();
    }

    pub(super) fn state(&mut self, fact: Fact) {
        let revision = self.facts.revision().next();
        let put = Change::Put(Stated { fact: Arc::new(fact), revision, origin: Origin::Native });
        self.facts = self.facts.apply(revision, [put]);
    }

    pub(super) fn remove(&mut self, key: FactKey) {
        self.facts = self.facts.apply(self.facts.revision().next(), [Change::Remove(key)]);
    }

    pub(super) fn answers(&mut self, host: &str) {
        let engine = Engine { version: "0".to_owned(), cpu_millis: 1000, memory: 64 << 20 };
        let view = self.views.get_mut(&name(host)).unwrap();
        (view.engine, view.listed, view.silent, view.tried) = (Some(engine), Some(self.now), None, None);
    }

    pub(super) fn silent(&mut self, host: &str) {
        let now = self.now;
        let view = self.views.get_mut(&name(host)).unwrap();
        view.silent = view.silent.or(Some(now));
        (view.tried, view.error) = (Some(now), "no route".to_owned());
    }

    /// Time passes; those that answer, and those that do not, are asked again.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        for host in self.views.keys().map(ToString::to_string).collect::<Vec<_>>() {
            match self.views[&name(&host)].silent {
                Some(_) => self.silent(&host),
                None if self.views[&name(&host)].listed.is_some() => self.answers(&host),
                None => {}
            }
        }
    }

    pub(super) fn plan(&mut self) -> Plan {
        let Self { facts, views, nodes, memory, config, now } = self;
        memory.look(facts, views, nodes, config, *now);
        let plan = plan(Seen { facts, hosts: views, nodes, memory, config, now: *now });
        memory.waiting.clone_from(&plan.waiting);
        plan
    }

    /// Takes a turn: what is planned is written.
    pub(super) fn turn(&mut self) -> Plan {
        let plan = self.plan();
        for edit in plan.edits.clone() {
            match edit.fact {
                Some(fact) => self.state(fact),
                None => self.remove(edit.key),
            }
        }
        plan
    }

    /// How a host stands: `starting 1`: is being started, after a failure.
    pub(super) fn power(&self, host: &str) -> String {
        let standing = self.facts.standing(&name(host)).map(|(standing, _)| standing);
        let power = standing.and_then(|standing| standing.power.as_ref());
        power.map_or("-".to_owned(), |power| {
            let done = if power.done { " done" } else { "" };
            format!("{}{done} {}", power.state.name(), power.failures)
        })
    }

    pub(super) fn reason(&self, host: &str) -> String {
        let (standing, _) = self.facts.standing(&name(host)).expect("it stands somehow");
        standing.power.as_ref().map_or(String::new(), |power| power.reason.to_string())
    }

    /// The actions that are called, as `host action`.
    pub(super) fn calls(&mut self) -> Vec<String> {
        let call = |action: &HostAction| format!("{} {}", action.host, action.call.name);
        let plan = self.turn();
        self.memory.acting.extend(plan.actions.iter().map(|action| action.host.clone()));
        plan.actions.iter().map(call).collect()
    }

    pub(super) fn ends(&mut self, host: &str, ended: Result<(), Failed>) {
        let host = name(host);
        let revision = self.facts.standing(&host).unwrap().1.revision;
        self.memory.acting.remove(&host);
        self.memory.ended.insert(host, (revision, ended));
    }

    /// A host that was silent for longer than is waited for it.
    pub(super) fn off(&mut self, host: &str) {
        self.silent(host);
        self.pass(self.config.host_grace);
        self.turn();
    }

    /// The places of instances.
    pub(super) fn places(&self) -> Vec<String> {
        let host = |instance: &Instance| instance.host.as_ref().map(ToString::to_string);
        self.facts.instances().filter_map(|(instance, _)| host(instance)).collect()
    }

    /// How far `web` has come, and why no further.
    pub(super) fn rollout(&self) -> String {
        let (deployment, _) = self.facts.deployment(&web(1).name).expect("it is wanted");
        format!("{}: {}", deployment.state.name(), deployment.reason)
    }

    /// How far what is tried of it has come, and why no further.
    pub(super) fn canary(&self) -> String {
        let (deployment, _) = self.facts.deployment(&web(1).name).expect("it is wanted");
        let canary = deployment.canary.as_ref().expect("one is tried");
        format!("{}: {}", canary.state.name(), canary.reason)
    }

    pub(super) fn explained(&self, host: &str) -> String {
        let Self { facts, views, nodes, memory, config, now } = self;
        let seen = Seen { facts, hosts: views, nodes, memory, config, now: *now };
        let explained = explain(seen, &ServiceName::parse("web").unwrap()).expect("it is wanted");
        explained[&name(host)].next.as_ref().map_or_else(Why::to_string, |rank| format!("rank {rank}"))
    }
}
