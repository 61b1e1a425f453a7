//! From what is desired and what was seen to what is done next. Pure.
//!
//! In: [`Seen`]. Out: a [`Plan`]: facts to write, steps to take at engines, checks to run. Never here: a clock, a call, a guess: what is not
//! known (an engine that is silent, a node that did not say what it serves) is waited for.
//!
//! ```text
//! groups: which instances are of the version that is wanted (`rollout`)
//!    └─► schedule ─► starts ─► facts `placed`
//!    └─► what is tried beside that, and its share (`canary`)
//!    └─► who leaves, and when ─► facts `draining`
//! each host that is found, or started: its fact × its engine ─► the next fact or action (`host`)
//! each instance: its fact × its container ─► the next fact or step (`instance`, `release`)
//! what carries our label and no fact states ─► ended (`strays`); what joins by labels ─► facts (`adopt`)
//! how far each service has come ─► deployment facts (`progress`)
//! ```
//!
//! **Write ahead.** Every step at an engine follows from a fact that is in the snapshot already, so whoever controls next goes on from there,
//! and a step that was taken twice is the same step.

mod adopt;
mod canary;
mod host;
mod instance;
mod memory;
mod progress;
mod release;
mod rollout;
mod spec;
mod strays;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use model::{
    Addresses, EngineUrl, Fact, FactKey, Host, HostName, Instance, InstanceName, InstanceState, Nodes,
    Revision, Run, ServiceName, Snapshot, Stage, Stated, Version,
};

use crate::config::{Config, MAX_EDITS, MAX_REASON};
use crate::health::Probe;
use crate::publish::Edit;
use crate::runtime::{Container, Engine};
use crate::schedule::{Capacity, Explained, Fleet, Placed, Resources, Schedule, schedule};

pub use adopt::adopted;
pub use memory::{Memory, Pulse, Stuck};
pub use rollout::Group;
pub use spec::Labels;
pub use strays::Stray;

use crate::runtime::Spec;
use model::launch::Signal;

/// An instance, by its service and its name there.
pub type Key = (ServiceName, InstanceName);

/// Everything that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What is desired, and what was said of it.
    pub facts: &'a Snapshot,
    /// What engines say.
    pub hosts: &'a BTreeMap<HostName, HostView>,
    /// What nodes say.
    pub nodes: &'a Nodes,
    /// What this controller remembers.
    pub memory: &'a Memory,
    /// How it behaves.
    pub config: &'a Config,
    /// When.
    pub now: Instant,
}

/// What an engine said last.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostView {
    /// Where it is.
    pub url: Option<EngineUrl>,
    /// What it has.
    pub engine: Option<Engine>,
    /// Its containers.
    pub containers: Vec<Container>,
    /// When the listing of these was asked for; `None`: it never answered.
    pub listed: Option<Instant>,
    /// Since when it does not answer; `None`: it does.
    pub silent: Option<Instant>,
    /// When the last attempt began that had no answer; `None`: it cannot be asked at all.
    pub tried: Option<Instant>,
    /// What the last attempt to reach it said; empty: it answered.
    pub error: String,
    /// Where it was found, or why not, where that is asked; `None`: not yet.
    pub found: Option<Result<Addresses, String>>,
}

/// What is to be done now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Facts to write, all or none; those of one turn.
    pub edits: Vec<Edit>,
    /// Steps to take, each by itself.
    pub orders: Vec<Order>,
    /// Hosts to start and to stop, each by itself.
    pub actions: Vec<HostAction>,
    /// The checks that are to run.
    pub probes: BTreeMap<Key, Probe>,
    /// What was decided about places, and why.
    pub schedule: Schedule,
    /// What leaves whatever else is there, and why: what is tried no more, and jobs of which fewer are wanted.
    pub dropped: Vec<(Placed, String)>,
    /// The versions whose time does not pass: something of them waits for a host that is being started, or for its service to be, or is a job
    /// that runs.
    pub waiting: BTreeSet<(ServiceName, Version)>,
}

/// A step that is to be taken for an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// For which.
    pub key: Key,
    /// On which host.
    pub host: HostName,
    /// The revision of the instance's fact that it follows from; zero: no fact states it.
    pub revision: Revision,
    /// What.
    pub step: Step,
}

/// What is done at an engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The image is fetched, the container made and started.
    Launch(Box<Spec>, Vec<HookCall>),
    /// A container that is there is started.
    Start(String),
    /// A container is told to end; `None`: as its image says.
    Signal(String, Option<Signal>),
    /// A container is taken away; one that runs still is killed.
    Remove(String),
    /// What runs after the end.
    After(Vec<HookCall>),
    /// The last that a container said is read.
    LastWords(String),
}

impl Step {
    /// The container that it is about.
    fn container(&self) -> Option<&str> {
        match self {
            Self::Start(id) | Self::Signal(id, _) | Self::Remove(id) | Self::LastWords(id) => Some(id),
            Self::Launch(..) | Self::After(_) => None,
        }
    }
}

/// A hook, with what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookCall {
    /// Its name in the configuration.
    pub name: String,
    /// The variables it gets.
    pub environment: Vec<(String, String)>,
}

/// A host that is to be started, or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAction {
    /// Which.
    pub host: HostName,
    /// The revision of the fact about it that this follows from.
    pub revision: Revision,
    /// What is called.
    pub call: HookCall,
}

/// Facts to write, each once.
#[derive(Debug, Default)]
pub(crate) struct Edits(BTreeMap<FactKey, Edit>);

impl Edits {
    fn put(&mut self, fact: Fact, before: Option<&Stated>) {
        if before.is_some_and(|before| *before.fact == fact) {
            return;
        }
        let key = fact.key();
        let expected = before.map(|stated| stated.revision);
        self.0.insert(key.clone(), Edit { key, fact: Some(fact), expected });
    }

    fn remove(&mut self, before: &Stated) {
        let key = before.fact.key();
        self.0.insert(key.clone(), Edit { key, fact: None, expected: Some(before.revision) });
    }

    /// So many of them. What containers ask for waits for what becomes of instances.
    fn first(self, most: usize) -> Vec<Edit> {
        let (asked, due): (Vec<Edit>, Vec<Edit>) =
            self.0.into_values().partition(|edit| matches!(edit.key, FactKey::Frontend { .. }));
        due.into_iter().chain(asked).take(most).collect()
    }

    fn has(&self, key: &FactKey) -> bool {
        self.0.contains_key(key)
    }

    fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.0.values().filter_map(|edit| edit.fact.as_ref())
    }
}

/// An instance that was launched, with what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Launched<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) run: &'a Run,
    pub(crate) stated: &'a Stated,
}

impl Launched<'_> {
    pub(crate) fn key(&self) -> Key {
        (self.instance.service.clone(), self.instance.name.clone())
    }

    /// Whether it is on its way out.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.run.stage, Stage::Draining | Stage::Stopping)
    }

    /// Whether it is as it should be: healthy, or a job that is done.
    pub(crate) fn is_healthy(&self) -> bool {
        let is_healthy = self.instance.state == InstanceState::Healthy && self.run.stage == Stage::Running;
        is_healthy || self.run.is_done()
    }
}

impl<'a> Seen<'a> {
    /// All instances that were launched by a controller.
    pub(crate) fn launched(self) -> impl Iterator<Item = Launched<'a>> {
        self.facts.instances().filter_map(|(instance, stated)| {
            let run = instance.run.as_deref().filter(|run| run.stage != Stage::Adopted)?;
            Some(Launched { instance, run, stated })
        })
    }

    /// The fact about a host that can have instances.
    pub(crate) fn host(self, name: &HostName) -> Option<&'a Host> {
        let stated = self.facts.get(&FactKey::Host(name.clone()))?;
        match &*stated.fact {
            Fact::Host(host) if host.engine.is_some() => Some(host),
            _ => None,
        }
    }

    /// What is known of a host's containers, where that is as new as what was done there for `key`; `None`: nobody knows now.
    pub(crate) fn view(self, host: &HostName, key: Option<&Key>) -> Option<&'a HostView> {
        let view = self.hosts.get(host).filter(|view| view.silent.is_none())?;
        let listed = view.listed?;
        let acted = key.and_then(|key| self.memory.acted.get(key)).copied();
        (listed >= self.memory.since && acted.is_none_or(|acted| listed >= acted)).then_some(view)
    }

    /// The container of an instance, on a host that answers. One of another version, left behind by an instance of the same name, is a stray.
    pub(crate) fn container(self, view: &'a HostView, key: &Key, version: Version) -> Option<&'a Container> {
        view.containers.iter().find(|container| spec::is_of(container, &self.config.fleet, key, version))
    }

    /// Whether an instance's container runs, as far as its engine says anything.
    pub(crate) fn runs(self, launched: &Launched<'_>) -> bool {
        self.sees(launched).unwrap_or_default()
    }

    /// Whether an instance's container is known to run no more.
    pub(crate) fn has_ended(self, launched: &Launched<'_>) -> bool {
        self.sees(launched).is_some_and(|runs| !runs)
    }

    /// Whether an instance's container runs; `None`: nobody knows now.
    fn sees(self, launched: &Launched<'_>) -> Option<bool> {
        let key = launched.key();
        let view = self.view(launched.instance.host.as_ref()?, Some(&key))?;
        let container = self.container(view, &key, launched.run.version);
        Some(container.is_some_and(|it| it.state == crate::runtime::ContainerState::Running))
    }

    /// Whether a host's engine was silent for too long: asked at both ends of its grace, so that a controller that stood still itself gives
    /// nobody up for that.
    pub(crate) fn is_lost(self, host: &HostName) -> bool {
        let Some((view, silent)) = self.hosts.get(host).and_then(|view| Some((view, view.silent?))) else {
            return false;
        };
        let until = view.tried.unwrap_or(self.now);
        until.saturating_duration_since(silent) >= self.config.host_grace
    }
}

/// How a container ends: it is told, it has its grace, it is taken away. `None`: its grace goes on, or the pause after its engine refused that.
pub(crate) fn end(
    seen: Seen<'_>,
    container: &Container,
    signal: Option<Signal>,
    grace: std::time::Duration,
) -> Option<Step> {
    let id = container.id.clone();
    if seen.memory.stuck.get(&id).is_some_and(|stuck| seen.now < stuck.until) {
        return None;
    }
    if container.state != crate::runtime::ContainerState::Running {
        return Some(Step::Remove(id));
    }
    match seen.memory.told.get(&id) {
        None => Some(Step::Signal(id, signal)),
        Some(told) if seen.now.saturating_duration_since(*told) >= grace => Some(Step::Remove(id)),
        Some(_) => None,
    }
}

/// Decides what is done next.
pub fn plan(seen: Seen<'_>) -> Plan {
    let mut edits = Edits::default();
    let groups = rollout::groups(seen);
    let fleet = fleet(seen, &groups);
    let mut decided = decide(&fleet);
    let canaries = canary::places(&fleet, &groups, &decided);
    // A host that is asked for the first time may be the better one: its answer, or its silence, is waited for.
    let is_asked = |view: &HostView| {
        view.silent.is_none() && view.listed.is_none_or(|listed| listed < seen.memory.since)
    };
    if !seen.hosts.values().any(is_asked) {
        place(seen, &groups, &decided.start, |group| group.version, &mut edits);
        place(seen, &groups, &canaries.start, |group| group.tried(), &mut edits);
    }
    rollout::leave(seen, &groups, &decided, &mut edits);
    canary::leave(&groups, &canaries, &mut edits);
    let mut plan = Plan::default();
    for launched in seen.launched() {
        if !edits.has(&launched.stated.fact.key()) {
            instance::next(seen, groups.get(&launched.instance.service), launched, &mut edits, &mut plan);
        }
    }
    let needs = host::needs(seen, &groups, fleet, (&decided, &canaries), &edits);
    host::next(seen, &needs.hosts, &mut edits, &mut plan);
    plan.waiting = needs.waiting;
    plan.waiting.extend(canary::resting(&groups));
    let works = |(name, group): (&ServiceName, &Group<'_>)| {
        group.works().map(|version| (name.clone(), version)).collect::<Vec<_>>()
    };
    plan.waiting.extend(groups.iter().flat_map(works));
    strays::end(seen, &mut plan);
    adopt::adopt(seen, &mut edits);
    progress::progress(seen, &groups, (&decided, &canaries), &mut edits);
    plan.edits = edits.first(MAX_EDITS);
    let dropped = groups
        .values()
        .flat_map(|group| group.dropped.iter().map(|(launched, why)| (group.placed(launched), why.clone())));
    plan.dropped = dropped.collect();
    plan.dropped.extend(canaries.leave.iter().map(|(placed, why)| (placed.clone(), why.to_string())));
    decided.start.extend(canaries.start);
    plan.schedule = decided;
    plan
}

/// Decides places. Who is to leave has its room until it has ended, which may be long: what starts now has room beside it, here or elsewhere.
fn decide(fleet: &Fleet) -> Schedule {
    let first = schedule(fleet);
    if first.leave.is_empty() {
        return first;
    }
    let mut fleet = fleet.clone();
    fleet.placed.retain(|placed| !first.leave.contains_key(placed));
    fleet.leaving.extend(first.leave.keys().cloned());
    Schedule { leave: first.leave, ..schedule(&fleet) }
}

/// What each host is to a service, and why; `None`: nothing is wanted of it.
pub fn explain(seen: Seen<'_>, service: &ServiceName) -> Option<BTreeMap<HostName, Explained>> {
    let groups = rollout::groups(seen);
    crate::schedule::explain(&fleet(seen, &groups), service)
}

/// What the scheduler is asked.
pub(crate) fn fleet(seen: Seen<'_>, groups: &BTreeMap<ServiceName, Group<'_>>) -> Fleet {
    let held = |view: &HostView| {
        let engine = view.engine.as_ref()?;
        Some(Capacity { cpu: Some(engine.cpu_millis), memory: Some(engine.memory) })
    };
    let held: BTreeMap<HostName, Capacity> =
        seen.hosts.iter().filter_map(|(host, view)| Some((host.clone(), held(view)?))).collect();
    let lost: BTreeSet<HostName> = seen.hosts.keys().filter(|host| seen.is_lost(host)).cloned().collect();
    let mut fleet = Fleet::of(seen.facts, &held, &lost, BTreeSet::new());
    // An engine that never answered is none to start anything on.
    for (name, machine) in &mut fleet.machines {
        let answers = seen.hosts.get(name).is_some_and(|view| view.listed.is_some() && view.silent.is_none());
        if !answers && machine.state == crate::schedule::State::Available {
            machine.state = crate::schedule::State::Silent;
        }
        machine.unready = host::unready(seen, name);
    }
    for (service, group) in groups {
        let wanted = fleet.wanted.entry(service.clone()).or_default();
        group.want(wanted);
        let placed = |launched: &Launched<'_>| group.placed(launched);
        let canaries = group.canary.iter().flat_map(|canary| &canary.current);
        let dropped = group.dropped.iter().map(|(launched, _)| launched);
        let ailing = group.current.iter().chain(canaries.clone()).filter(|launched| !launched.is_healthy());
        fleet.ailing.extend(ailing.map(Launched::key));
        fleet.placed.extend(group.current.iter().map(placed));
        // What is over takes no room, and is where it was.
        let over = |launched| Placed { resources: Resources::default(), ..group.placed(launched) };
        fleet.settled.extend(group.over.iter().map(over));
        fleet
            .leaving
            .extend(group.old.iter().chain(&group.leaving).chain(canaries).chain(dropped).map(placed));
    }
    // What nobody launched has its name.
    let is_foreign =
        |instance: &Instance| instance.run.as_ref().is_none_or(|run| run.stage == Stage::Adopted);
    for (instance, _) in seen.facts.instances().filter(|(instance, _)| is_foreign(instance)) {
        if fleet.wanted.contains_key(&instance.service) {
            let (service, instance) = (instance.service.clone(), instance.name.clone());
            fleet.settled.insert(Placed {
                service,
                instance,
                host: nowhere(),
                resources: Resources::default(),
            });
        }
    }
    // What was left behind has its room, and its name, until it has ended: one that was told to end is nobody's container any more.
    for (host, view) in seen.hosts {
        for ((service, instance), _) in strays::of(seen, host, view) {
            let resources = fleet.wanted.get(&service).map(|wanted| wanted.resources).unwrap_or_default();
            fleet.leaving.insert(Placed { service, instance, host: host.clone(), resources });
        }
    }
    fleet
}

/// A reason that is no longer than it may be in a fact: what a container says can be of any length.
pub(crate) fn short(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}

/// No host has this name: a launched instance always has one.
fn nowhere() -> HostName {
    #[expect(clippy::expect_used, reason = "it is a label")]
    HostName::parse("nowhere").expect("a label")
}

/// States that instances are to be there; their containers follow.
fn place(
    seen: Seen<'_>,
    groups: &BTreeMap<ServiceName, Group<'_>>,
    starts: &[Placed],
    version: impl Fn(&Group<'_>) -> Option<Version>,
    edits: &mut Edits,
) {
    for start in starts {
        let Some(group) = groups.get(&start.service) else { continue };
        let Some((version, host)) = version(group).zip(seen.host(&start.host)) else { continue };
        let Some(addresses) = seen.facts.addresses_of(host) else { continue };
        let instance = placed(group, version, start, addresses.clone());
        let key = instance.key();
        if seen.facts.get(&key).is_none() {
            edits.put(Fact::Instance(Box::new(instance)), None);
        }
    }
}

/// An instance that is new on its host.
fn placed(group: &Group<'_>, version: Version, start: &Placed, addresses: Addresses) -> Instance {
    let mut instance = Instance::new(start.service.clone(), start.instance.clone(), addresses);
    instance.state = InstanceState::Starting;
    instance.host = Some(start.host.clone());
    instance.weight = group.weight_of(version);
    instance.run = Some(Box::new(Run {
        version,
        stage: Stage::Placed,
        resources: group.resources(version),
        image: Box::default(),
        failures: 0,
        reason: Box::default(),
        release: None,
    }));
    instance
}
