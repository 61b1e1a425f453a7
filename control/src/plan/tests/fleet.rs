//! A fleet that does at once what a plan says, stated in a few words; what was written and done, turn by turn, as text.
//!
//! Images are what their tags say: `:crash` ends at once, `:job` and `:job2` do so with 0, `:sick` passes no check, `:none` cannot be fetched; all others are well. A hook
//! called `bad` fails. A turn takes a second.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::launch::{
    Canary, Heartbeat, HeartbeatKind, Image, Instances, Launch, Order as First, PerHost, Percent, ProbeTimes,
    Readiness, Resources, Restart,
};
use model::{
    Addresses, Change, EngineUrl, Fact, FactKey, Host, HostName, Instance, InstanceName, InstanceState,
    InstancesAt, Label, Metadata, NodeId, Nodes, Origin, Others, Port, PortName, Ports, Protocol, Service,
    ServiceName, Snapshot, Stage, Stated,
};

use super::super::{HostView, Key, Memory, Order, Plan, Seen, Step, plan};
use super::port;
use crate::config::Config;
use crate::publish::Edit;
use crate::runtime::{Container, ContainerState, Engine, Exit, Published, Spec};

/// What `mem=1` is.
pub(super) const MEMORY: u64 = 1 << 30;

pub(super) struct Fleet {
    pub(super) facts: Snapshot,
    pub(super) hosts: BTreeMap<HostName, HostView>,
    pub(super) memory: Memory,
    nodes: Nodes,
    pub(super) config: Config,
    now: Instant,
    /// What containers take, by identifier.
    takes: BTreeMap<String, u64>,
    /// The images of versions.
    images: BTreeMap<String, String>,
    launched: u16,
    /// Whether engines take no container away.
    pub(super) sticks: bool,
}

pub(super) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn told(key: &Key, host: Option<&HostName>) -> String {
    format!("{}/{}@{}", key.0, key.1, host.map(ToString::to_string).unwrap_or_default())
}

fn exited(code: i64) -> ContainerState {
    ContainerState::Exited(Exit { code, ..Exit::default() })
}

/// `a mem=4 zone=eu cordoned inside`
fn a_host(text: &str) -> Fact {
    let mut words = text.split_whitespace();
    let name = host(words.next().unwrap());
    let mut host = Host::new(name.clone(), Addresses::new(["10.0.0.1".parse().unwrap()]).unwrap());
    host.engine = Some(EngineUrl::parse(&format!("tcp://{name}:2376")).unwrap());
    let mut labels = Vec::new();
    for word in words {
        match word.split_once('=') {
            None if word == "cordoned" => host.cordoned = true,
            None if word == "drained" => host.draining = true,
            None if word == "inside" => host.instances_at = InstancesAt::Container,
            Some(("mem", count)) => {
                host.capacity = Resources::new(None, Some(count.parse::<u64>().unwrap() * MEMORY)).unwrap();
            }
            Some((key, value)) => labels.push((key.to_owned(), value.to_owned())),
            None => panic!("{word}"),
        }
    }
    host.labels = Metadata::new(labels).unwrap();
    Fact::Host(Box::new(host))
}

/// `web web:1 x2 (or x2-5) mem=1 need:zone=eu apart:db after:db pre:hook post:hook stop-first every each parallel=2 deadline=9 min=5 checked
/// once unless-done started:db stay off`
fn a_service(text: &str) -> Service {
    let mut words = text.split_whitespace();
    let mut service = Service::new(ServiceName::parse(words.next().unwrap()).unwrap());
    let http = Port { name: PortName::parse("http").unwrap(), port: port(80), protocol: Protocol::Tcp };
    service.ports = Ports::new(vec![http]).unwrap();
    let mut launch = Launch::new(Image::parse(words.next().unwrap()).unwrap());
    let seconds = |text: &str| Duration::from_secs(text.parse().unwrap());
    let name = |text: &str| ServiceName::parse(text).unwrap();
    for word in words {
        match word.split_once([':', '=']) {
            None if word == "stop-first" => launch.rollout.order = First::StopFirst,
            None if word == "every" => launch.placement.per_host = PerHost::Every,
            None if word == "each" => launch.placement.per_host = PerHost::One,
            None if word == "once" => launch.restart = Restart::Never,
            None if word == "unless-done" => launch.restart = Restart::OnFailure,
            None if word == "silent" => service.ports = Ports::default(),
            None if word == "stay" => launch.rollout.rollback = false,
            None if word == "off" => launch.active = false,
            None if word == "checked" => {
                let (kind, times) = (HeartbeatKind::Image, ProbeTimes::default());
                let (rise, fall) = (NonZeroU8::MIN, NonZeroU8::MIN);
                launch.heartbeat = Some(Heartbeat { kind, times, rise, fall });
            }
            None => {
                let count = word.strip_prefix('x').unwrap();
                let (least, most) = count.split_once('-').unwrap_or((count, count));
                launch.instances = Instances::new(least.parse().unwrap(), most.parse().unwrap()).unwrap();
            }
            Some(("canary", image)) => {
                let (image, percent) = (Image::parse(image).unwrap(), Percent::new(10).unwrap());
                launch.canary = Some(Canary { image, percent });
            }
            Some(("mem", count)) => {
                let memory = count.parse::<u64>().unwrap() * MEMORY;
                launch.resources = Resources::new(None, Some(memory)).unwrap();
            }
            Some(("parallel", count)) => launch.rollout.parallel = count.parse().unwrap(),
            Some(("deadline", text)) => launch.rollout.deadline = seconds(text),
            Some(("min", text)) => launch.rollout.min_healthy = seconds(text),
            Some(("need", text)) => {
                let (key, value) = text.split_once('=').unwrap();
                launch.placement.required = Metadata::new([(key.to_owned(), value.to_owned())]).unwrap();
            }
            Some(("beside", other)) => _ = launch.placement.beside.insert(name(other)),
            Some(("apart", other)) => _ = launch.placement.not_beside.insert(name(other)),
            Some(("after", other)) => _ = launch.depends_on.insert(name(other), Readiness::Healthy),
            Some(("done", other)) => _ = launch.depends_on.insert(name(other), Readiness::Done),
            Some(("started", other)) => _ = launch.depends_on.insert(name(other), Readiness::Started),
            Some(("pre", hook)) => _ = launch.hooks.before_start.insert(Label::parse(hook).unwrap()),
            Some(("post", hook)) => _ = launch.hooks.after_stop.insert(Label::parse(hook).unwrap()),
            Some(other) => panic!("{other:?}"),
        }
    }
    service.launch = Some(Box::new(launch));
    service
}

impl Fleet {
    /// Of hosts and services, each between semicolons, where all is as it is wanted.
    pub(super) fn of(hosts: &str, services: &str) -> Self {
        let now = Instant::now();
        let mut fleet = Self {
            facts: Snapshot::default(),
            hosts: BTreeMap::new(),
            memory: Memory::new(now),
            nodes: Nodes { own: NodeId("n".into()), others: Others::None, by_name: BTreeMap::new() },
            config: Config::default(),
            now,
            takes: BTreeMap::new(),
            images: BTreeMap::new(),
            launched: 0,
            sticks: false,
        };
        let parts = |text: &str| text.split(';').map(str::trim).map(str::to_owned).collect::<Vec<_>>();
        parts(hosts).iter().for_each(|text| fleet.host(text));
        parts(services).iter().filter(|text| !text.is_empty()).for_each(|text| fleet.service(text));
        fleet.run(60);
        fleet
    }

    pub(super) fn host(&mut self, text: &str) {
        let fact = a_host(text);
        if let Fact::Host(host) = &fact {
            let engine = Some(Engine { version: "0".to_owned(), cpu_millis: 1_000_000, memory: 1 << 50 });
            self.hosts.entry(host.name.clone()).or_insert(HostView { engine, ..HostView::default() });
        }
        self.write(vec![Edit { key: fact.key(), fact: Some(fact), expected: None }]);
    }

    pub(super) fn service(&mut self, text: &str) {
        let service = a_service(text);
        let image = service.launch.as_ref().unwrap().image.to_string();
        self.images.insert(service.version().unwrap().to_string(), image);
        let fact = Fact::Service(Box::new(service));
        self.write(vec![Edit { key: fact.key(), fact: Some(fact), expected: None }]);
    }

    pub(super) fn no_service(&mut self, name: &str) {
        let key = FactKey::Service(ServiceName::parse(name).unwrap());
        self.write(vec![Edit { key, fact: None, expected: None }]);
    }

    pub(super) fn no_host(&mut self, name: &str) {
        self.hosts.remove(&host(name));
        self.write(vec![Edit { key: FactKey::Host(host(name)), fact: None, expected: None }]);
    }

    /// Nobody reaches a host from now on.
    pub(super) fn silence(&mut self, name: &str) {
        self.hosts.get_mut(&host(name)).unwrap().silent = Some(self.now);
    }

    pub(super) fn answers(&mut self, name: &str) {
        self.hosts.get_mut(&host(name)).unwrap().silent = None;
    }

    /// Somebody else starts a container.
    pub(super) fn foreign(&mut self, on: &str, name: &str, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let container = self.container(name, "other:1", labels);
        self.hosts.get_mut(&host(on)).unwrap().containers.push(container);
    }

    /// An instance that somebody states.
    pub(super) fn registered(&mut self, service: &str, name: &str) {
        let (service, name) = (ServiceName::parse(service).unwrap(), InstanceName::parse(name).unwrap());
        let instance = Instance::new(service, name, Addresses::new([IpAddr::from([10, 8, 0, 1])]).unwrap());
        let fact = Fact::Instance(Box::new(instance));
        self.write(vec![Edit { key: fact.key(), fact: Some(fact), expected: None }]);
    }

    /// A container is another way now.
    pub(super) fn becomes(&mut self, name: &str, state: Option<ContainerState>) {
        for view in self.hosts.values_mut() {
            match &state {
                None => view.containers.retain(|container| container.name != name),
                Some(state) => {
                    let found = view.containers.iter_mut().filter(|container| container.name == name);
                    found.for_each(|container| container.state = state.clone());
                }
            }
        }
    }

    /// The controller is another one, which remembers nothing.
    pub(super) fn begin_anew(&mut self) {
        self.memory = Memory::new(self.now);
    }

    fn container(&mut self, name: &str, image: &str, labels: BTreeMap<String, String>) -> Container {
        self.launched += 1;
        let outside = port(32_767 + self.launched);
        Container {
            id: format!("c{}", self.launched),
            name: name.to_owned(),
            labels,
            image: image.to_owned(),
            state: match image.split_once(':').map(|(_, tag)| tag) {
                Some("crash") => exited(1),
                Some("job" | "job2") => exited(0),
                _ => ContainerState::Running,
            },
            health: None,
            published: vec![Published {
                inside: port(80),
                protocol: Protocol::Tcp,
                outside,
                is_local: false,
            }],
            addresses: vec![IpAddr::from([10, 9, 0, self.launched.to_le_bytes()[0]])],
            partial: false,
        }
    }

    pub(super) fn write(&mut self, edits: Vec<Edit>) {
        let revision = self.facts.revision().next();
        let change = |edit: Edit| match edit.fact {
            Some(fact) => Change::Put(Stated { fact: Arc::new(fact), revision, origin: Origin::Native }),
            None => Change::Remove(edit.key),
        };
        self.facts = self.facts.apply(revision, edits.into_iter().map(change));
    }

    pub(super) fn seen<'a>(&'a self, facts: &'a Snapshot) -> Seen<'a> {
        let Self { hosts, nodes, memory, config, now, .. } = self;
        Seen { facts, hosts, nodes, memory, config, now: *now }
    }

    /// Looks at all that there is; what is planned then.
    pub(super) fn look(&mut self) -> Plan {
        for view in self.hosts.values_mut() {
            match view.silent {
                None => view.listed = Some(self.now),
                Some(_) => view.tried = Some(self.now),
            }
        }
        self.memory.look(&self.facts, &self.hosts, &self.nodes, &self.config, self.now);
        let plan = plan(self.seen(&self.facts));
        self.memory.waiting.clone_from(&plan.waiting);
        plan
    }

    /// Does what is planned, and lets a second pass; what that was.
    pub(super) fn turn(&mut self) -> String {
        let Plan { edits, orders, probes, .. } = self.look();
        let mut said: Vec<String> = edits.iter().filter_map(|edit| self.told(edit)).collect();
        self.write(edits);
        said.extend(orders.into_iter().map(|order| self.obey(order)));
        for (key, probe) in probes {
            let all = self.hosts.values().filter(|view| view.silent.is_none());
            let found = all.flat_map(|view| &view.containers).find(|it| it.id == probe.container);
            let Some(container) = found.filter(|it| it.state == ContainerState::Running) else { continue };
            let is_sick = container.image.ends_with(":sick");
            let answer = if is_sick { Err("it is sick".to_owned()) } else { Ok(()) };
            self.memory.pulse(key, &probe.container, answer, probe.rise, self.now);
        }
        self.now += Duration::from_secs(1);
        let said = said.join("; ");
        self.images
            .iter()
            .fold(said, |said, (version, image)| said.replace(&format!("version {version}"), image))
    }

    /// What happens in so many turns; when.
    pub(super) fn run(&mut self, turns: usize) -> String {
        let turns = (0..turns).map(|second| (second, self.turn())).collect::<Vec<_>>();
        let lines = turns.iter().filter(|(_, said)| !said.is_empty());
        lines.map(|(second, said)| format!("{second}: {}", said.trim_end())).collect::<Vec<_>>().join("\n")
    }

    /// The same beside what is expected.
    #[track_caller]
    pub(super) fn check(&mut self, turns: usize, expected: &str) {
        let happened = self.run(turns);
        let expected = expected.lines().map(str::trim).filter(|line| !line.is_empty());
        let expected = expected.collect::<Vec<_>>().join("\n");
        assert!(happened == expected, "it was\n{happened}\nand not\n{expected}\nas expected");
    }

    /// How much memory containers take on a host.
    pub(super) fn taken(&self, host: &HostName) -> u64 {
        let all = self.hosts[host].containers.iter();
        all.filter_map(|container| self.takes.get(&container.id)).sum()
    }

    fn told(&self, edit: &Edit) -> Option<String> {
        let stated = self.facts.get(&edit.key).map(|stated| &*stated.fact);
        match (&edit.fact, stated) {
            (Some(Fact::Instance(instance)), _) => Some(told_of(instance)),
            (None, Some(Fact::Instance(before))) => {
                let key = (before.service.clone(), before.name.clone());
                Some(format!("{} is gone", told(&key, before.host.as_ref())))
            }
            (Some(Fact::Deployment(it)), _) => {
                let reason = if it.reason.is_empty() { String::new() } else { format!(": {}", it.reason) };
                let state = format!("{:?}", it.state).to_lowercase();
                Some(format!("{} {state} of version {}{reason}", it.service, it.version))
            }
            _ => None,
        }
    }

    fn obey(&mut self, Order { key, host, revision, step }: Order) -> String {
        let name = told(&key, Some(&host));
        match step {
            Step::Launch(spec, hooks) => {
                let is_bad = hooks.iter().any(|hook| hook.name == "bad");
                if is_bad || spec.image.as_str().ends_with(":none") {
                    let why = if is_bad { "hook `bad` exited with code 1" } else { "there is no such image" };
                    self.memory.failed.insert(key, (revision, why.to_owned()));
                } else {
                    self.launch(&host, *spec);
                }
                format!("launch {name}")
            }
            Step::Start(id) => {
                self.find(&id, |container| container.state = ContainerState::Running, "start", &name)
            }
            Step::Signal(id, _) => {
                self.memory.told.insert(id.clone(), self.now);
                self.find(&id, |container| container.state = exited(143), "end", &name)
            }
            Step::Remove(_) if self.sticks => {
                let why = "device or resource busy".to_owned();
                let is_new = self.memory.fail((key, revision), &step, why, &self.config, self.now);
                format!("fail to take {name} away{}", if is_new { ", and say so" } else { "" })
            }
            Step::Remove(id) => {
                let view = self.hosts.get_mut(&host).unwrap();
                view.containers.retain(|container| container.id != id);
                format!("take {name} away")
            }
            Step::After(hooks) => {
                self.memory.after.insert(key);
                let hooks: Vec<_> = hooks.into_iter().map(|hook| hook.name).collect();
                format!("run {} after {name}", hooks.join(", "))
            }
            Step::LastWords(id) => {
                self.memory.words.insert(id, "boom".to_owned());
                format!("read {name}")
            }
        }
    }

    fn launch(&mut self, host: &HostName, spec: Spec) {
        let container = self.container(&spec.name, spec.image.as_str(), spec.labels);
        self.takes.insert(container.id.clone(), spec.resources.memory().unwrap_or(0));
        self.hosts.get_mut(host).unwrap().containers.push(container);
    }

    fn find(&mut self, id: &str, change: impl Fn(&mut Container), what: &str, name: &str) -> String {
        let all = self.hosts.values_mut().flat_map(|view| &mut view.containers);
        all.filter(|container| container.id == id).for_each(change);
        format!("{what} {name}")
    }
}

/// An instance in a word, and why.
fn told_of(instance: &Instance) -> String {
    let run = instance.run.as_ref().unwrap();
    let how = match (run.stage, instance.state) {
        (Stage::Running, InstanceState::Starting) => "runs",
        (Stage::Running, InstanceState::Healthy) => "healthy",
        (Stage::Running, InstanceState::Unhealthy) => "unhealthy",
        (stage, _) => stage.name(),
    };
    let reason = if run.reason.is_empty() { String::new() } else { format!(": {}", run.reason) };
    let key = (instance.service.clone(), instance.name.clone());
    format!("{} {how}{reason}", told(&key, instance.host.as_ref()))
}
