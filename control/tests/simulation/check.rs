//! What never happens, looked at after every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use control::plan::Labels;
use control::runtime::ContainerState;
use control::runtime::fake::{Asked, Call};
use model::launch::Order;
use model::{
    Address, Controller, Fact, FactKey, HostName, Instance, InstanceState, NodeId, Released, ServiceName,
    Snapshot, Stage, Version,
};
use tokio::time::{Duration, Instant};

use crate::fleet::{MEMORY, Machine};
use crate::nodes::{Flight, Kind, Node};
use crate::registry::Written;
use crate::tried::{effective, spare};
use crate::wire::Notes;

/// How many snapshots are remembered.
const HISTORY: usize = 500;
/// What a controller may not have seen yet.
pub(crate) const NEWS: Duration = Duration::from_secs(5);

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Check {
    history: VecDeque<(Instant, Arc<Snapshot>)>,
    containers: BTreeMap<String, Seen>,
    ended: BTreeMap<Address, Ended>,
    /// Containers that ended by themselves, or by somebody else's hand.
    pub(crate) died: Vec<String>,
    /// When an operator, or a fault, last changed what room there is.
    pub(crate) news: Option<Instant>,
    /// When time last jumped, and how far: what was new before that may not have been seen.
    pub(crate) jump: Option<(Instant, Duration)>,
    /// Since when instances are not healthy.
    unwell: BTreeMap<FactKey, Instant>,
    /// How many facts controllers wrote, and calls they made.
    pub(crate) steps: usize,
    /// When a controller last took a step.
    last: Option<Instant>,
}

struct Seen {
    labels: Labels,
    host: HostName,
    addresses: Vec<Address>,
    runs: bool,
}

/// How an endpoint was ended.
struct Ended {
    at: Instant,
    /// True: it was of a host that had been given up.
    is_lost: bool,
    release: Option<Released>,
}

impl Ended {
    fn excuses(&self, flight: &Flight) -> bool {
        let Some(release) = &self.release else { return self.is_lost };
        let is_lost = |node: &NodeId| release.unconfirmed.contains(node);
        self.is_lost
            || is_lost(&flight.node)
            || match flight.kind {
                Kind::Request => release.cut > 0,
                Kind::Tunnel => release.tunnels > 0,
                // The whole drain time passed.
                Kind::Name => release.after_ms >= 10_000,
            }
    }
}

impl Check {
    /// For how long controllers have done nothing.
    pub(crate) fn idle(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |last| last.elapsed())
    }

    /// Whether they have rested for a while.
    pub(crate) fn rests(&self) -> bool {
        self.idle() >= Duration::from_secs(5)
    }

    /// Looks at what was written and done since the last time.
    pub(crate) fn step(
        &mut self,
        written: Vec<Written>,
        machines: &[Machine],
        nodes: &[Node],
        notes: &Notes,
        trace: &mut Vec<String>,
    ) -> Result<(), String> {
        self.learn(machines);
        for written in written {
            trace.extend(told(&written));
            if written.by_controller {
                self.last = Some(written.at);
                self.steps += 1;
                is_guarded(&written)?;
                self.keeps_capacity(&written, machines)?;
                self.is_needed(&written, machines)?;
                self.has_passed(&written, notes)?;
            }
            self.history.push_back((written.at, written.after));
        }
        while self.history.len() > HISTORY {
            self.history.pop_front();
        }
        for machine in machines {
            for Call { at, asked } in machine.fake.take_calls() {
                if matches!(asked, Asked::Tell | Asked::Exec(_)) {
                    continue;
                }
                self.last = Some(at);
                self.steps += 1;
                trace.push(format!("  {}: {asked:?}", machine.host.name));
                if let Asked::Signal(id) | Asked::Remove(id) = asked {
                    self.ends(&id, at, machine, nodes)?;
                }
            }
        }
        for flight in nodes.iter().flat_map(|node| &node.flights) {
            let ended = self.ended.get(&flight.address);
            if ended.is_some_and(|ended| flight.from > ended.at && !ended.excuses(flight)) {
                return Err(format!("{flight:?} begins at what was told to end"));
            }
        }
        self.look(machines)
    }

    /// A container is told to end: nothing is in flight at it.
    fn ends(&mut self, id: &str, at: Instant, machine: &Machine, nodes: &[Node]) -> Result<(), String> {
        let Some(seen) = self.containers.get(id) else { return Ok(()) };
        let is_new = seen.addresses.iter().any(|address| !self.ended.contains_key(address));
        if !seen.runs || self.died.iter().any(|died| died == id) || !is_new {
            return Ok(());
        }
        let (service, name) = seen.labels.key();
        let then = self.history.iter().rev().find(|(since, _)| *since <= at).map(|(_, snapshot)| snapshot);
        let stated = then.and_then(|then| instance(then, &FactKey::Instance { service, name }));
        let stated = stated.filter(|instance| instance.host.as_ref() == Some(&machine.host.name));
        // One that begins anew has nothing to do with what was left behind there.
        let is_left = |run: &&model::Run| machine.was_lost && run.stage == Stage::Placed;
        let run = stated.and_then(|instance| instance.run.as_deref()).filter(|run| !is_left(run));
        if let Some(run) = run.filter(|run| !matches!(run.stage, Stage::Stopping)) {
            return Err(format!("{:?} is told to end while it is {}", seen.labels, run.stage.name()));
        }
        let release = run.map(|run| run.release.as_deref().cloned().unwrap_or_default());
        let is_lost = run.is_none() && machine.was_lost;
        let ended = |release| Ended { at, is_lost, release };
        for flight in nodes.iter().flat_map(|node| &node.flights) {
            let is_at_it = seen.addresses.contains(&flight.address);
            let is_then = flight.from <= at && at < flight.until;
            if is_at_it && is_then && !ended(release.clone()).excuses(flight) {
                return Err(format!(
                    "{:?} on {} is told to end while there is {flight:?}; {run:?}",
                    seen.labels, machine.host.name
                ));
            }
        }
        for address in &seen.addresses {
            self.ended.insert(address.clone(), ended(release.clone()));
        }
        Ok(())
    }

    /// What a controller may have planned by that wrote something: what was stated then, and what it may not have seen was followed.
    pub(crate) fn planned_by<'a>(&'a self, written: &'a Written) -> Vec<&'a Snapshot> {
        let jump = self.jump.filter(|(at, _)| written.at.saturating_duration_since(*at) <= NEWS);
        let news = NEWS + jump.map_or(Duration::ZERO, |(_, far)| far);
        let mut planned_by = vec![&*written.before];
        for (since, snapshot) in self.history.iter().rev() {
            planned_by.push(snapshot);
            if written.at.saturating_duration_since(*since) > news {
                break;
            }
        }
        planned_by
    }

    /// A rollout, or a drained host, takes no more than was there beyond what is wanted, where there is room for one more.
    fn keeps_capacity(&self, written: &Written, machines: &[Machine]) -> Result<(), String> {
        let is_calm = self.news.is_none_or(|news| written.at.saturating_duration_since(news) > NEWS);
        let is_well =
            |it: &Machine| it.fault.is_none() && !it.was_lost && !it.host.cordoned && !it.host.draining;
        let has_room = |it: &Machine| {
            let on_it = |instance: &Instance| instance.host.as_ref() == Some(&it.host.name);
            let all = [&written.before, &written.after].map(|facts| facts.instances());
            let all: BTreeSet<FactKey> =
                all.into_iter().flatten().filter(|(it, _)| on_it(it)).map(|(it, _)| it.key()).collect();
            let strays = it.fake.containers().into_iter().filter_map(|container| Labels::of(&container));
            let strays =
                strays.map(|labels| FactKey::Instance { service: labels.service, name: labels.instance });
            all.into_iter().chain(strays).collect::<BTreeSet<_>>().len() < usize::try_from(it.room).unwrap()
        };
        if !is_calm || !machines.iter().all(is_well) || !machines.iter().any(has_room) {
            return Ok(());
        }
        let planned_by = self.planned_by(written);
        for (service, _) in written.after.services() {
            let spare: BTreeSet<Version> =
                planned_by.iter().flat_map(|facts| spare(facts, &service.name)).collect();
            // What was tried, and is wanted now, is capacity from then on.
            let mut aside = spare.clone();
            aside.retain(|version| Some(*version) != effective(&written.after, &service.name));
            let healthy = |facts: &Snapshot| healthy(facts, &service.name, &aside);
            let (before, after) = (healthy(&written.before), healthy(&written.after));
            let wanted = planned_by.iter().map(|facts| wanted(facts, &service.name)).min().unwrap_or(0);
            let is_start_first = planned_by.iter().all(|facts| {
                let launch = facts.service(&service.name).and_then(|(service, _)| service.launch.as_ref());
                launch.is_none_or(|launch| launch.rollout.order == Order::StartFirst)
            });
            // What has ended, and was not said to have, was none any more.
            let runs = |instance: &Instance| {
                let key = (instance.service.clone(), instance.name.clone());
                let on = machines.iter().filter(|it| instance.host.as_ref() == Some(&it.host.name));
                let mut running = on
                    .flat_map(|it| it.fake.containers())
                    .filter(|container| container.state == ContainerState::Running);
                running.any(|container| Labels::of(&container).is_some_and(|labels| labels.key() == key))
            };
            let drains = written.after.instances_of(&service.name).any(|(instance, stated)| {
                stated.revision == written.after.revision()
                    && !is_of(instance, &spare)
                    && runs(instance)
                    && instance.state == InstanceState::Draining
                    && self::instance(&written.before, &instance.key())
                        .is_some_and(|before| before.state == InstanceState::Healthy)
            });
            if drains && is_start_first && after < wanted.min(before) {
                return Err(format!("{} has {after} healthy of {before}, {wanted} are wanted", service.name));
            }
        }
        Ok(())
    }

    /// Who is healthy now, and was not before, passed a check in between.
    fn has_passed(&mut self, written: &Written, notes: &Notes) -> Result<(), String> {
        for difference in written.after.diff(&written.before) {
            let key = difference.key.clone();
            let Some(now) = instance(&written.after, &key) else {
                self.unwell.remove(&key);
                continue;
            };
            if now.state != InstanceState::Healthy {
                self.unwell.entry(key).or_insert(written.at);
                continue;
            }
            let Some(since) = self.unwell.remove(&key) else { continue };
            let version = now.run.as_ref().map(|run| run.version);
            let is_its = |seen: &Seen| {
                seen.labels.key() == (now.service.clone(), now.name.clone())
                    && Some(seen.labels.version) == version
                    && now.host.as_ref() == Some(&seen.host)
            };
            let its = self.containers.iter().filter(|(_, seen)| is_its(seen)).map(|(id, _)| id);
            let passed = its.filter_map(|id| notes.passed(id)).max();
            if passed.is_none_or(|passed| passed < since) {
                return Err(format!("{key} is healthy, and no check of it passed"));
            }
        }
        Ok(())
    }

    /// Remembers containers when they are first seen.
    fn learn(&mut self, machines: &[Machine]) {
        for machine in machines {
            for container in machine.fake.containers() {
                let Some(labels) = Labels::of(&container) else { continue };
                let host = machine.host.name.clone();
                let new = || Seen { labels, host, addresses: Vec::new(), runs: false };
                self.containers.entry(container.id).or_insert_with(new);
            }
        }
    }

    /// What runs: each instance once, and no more on a host than it has room for.
    fn look(&mut self, machines: &[Machine]) -> Result<(), String> {
        let mut running: BTreeMap<_, &Machine> = BTreeMap::new();
        for machine in machines {
            let mut count = 0;
            for container in machine.fake.containers() {
                let Some(labels) = Labels::of(&container) else { continue };
                let runs = container.state == ContainerState::Running;
                let ip = machine.host.addresses.as_ref().unwrap().iter().next().unwrap();
                let ports = container.published.iter();
                let addresses = ports.map(|port| Address::Ip { ip, port: port.outside }).collect();
                if runs {
                    count += 1;
                    let other = running.insert(labels.key(), machine);
                    if let Some(other) = other.filter(|other| !other.was_lost && !machine.was_lost) {
                        let (here, there) = (&machine.host.name, &other.host.name);
                        return Err(format!("{labels:?} runs on {here} and on {there}"));
                    }
                    self.died.retain(|died| *died != container.id);
                }
                let host = machine.host.name.clone();
                self.containers.insert(container.id, Seen { labels, host, addresses, runs });
            }
            let room = machine.room;
            if count > room && !machine.was_lost {
                return Err(format!(
                    "{count} instances of {MEMORY} run on {}: {room} fit",
                    machine.host.name
                ));
            }
        }
        Ok(())
    }
}

/// What a controller writes is guarded by the lease that is held then, but for the lease.
fn is_guarded(written: &Written) -> Result<(), String> {
    let token = written.before.get(&Controller::key()).map(|stated| stated.revision);
    let mut others = written.after.diff(&written.before).filter(|it| it.key != Controller::key());
    match (others.next(), written.token) {
        (Some(other), None) => Err(format!("{} is written without a token", other.key)),
        (Some(other), guard) if guard != token => {
            Err(format!("{} is written by {guard:?}, {token:?} controls", other.key))
        }
        _ => Ok(()),
    }
}

/// How many instances are wanted.
pub(crate) fn wanted(facts: &Snapshot, service: &ServiceName) -> usize {
    let launch = facts.service(service).and_then(|(service, _)| service.launch.as_ref());
    launch.filter(|launch| launch.active).map_or(0, |launch| usize::from(launch.instances.least()))
}

fn healthy(snapshot: &Snapshot, service: &ServiceName, spare: &BTreeSet<Version>) -> usize {
    let all = snapshot.instances_of(service).map(|(instance, _)| instance);
    all.filter(|instance| instance.state == InstanceState::Healthy && !is_of(instance, spare)).count()
}

fn is_of(instance: &Instance, versions: &BTreeSet<Version>) -> bool {
    instance.run.as_ref().is_some_and(|run| versions.contains(&run.version))
}

pub(crate) fn instance<'a>(snapshot: &'a Snapshot, key: &FactKey) -> Option<&'a Instance> {
    match &*snapshot.get(key)?.fact {
        Fact::Instance(instance) => Some(instance),
        _ => None,
    }
}

/// What was written, in a few words each.
fn told(written: &Written) -> Vec<String> {
    let who = if written.by_controller { "controller" } else { "operator" };
    let said = |difference: model::Difference<'_>| {
        let what = match difference.after.map(|stated| &*stated.fact) {
            None => "removed".to_owned(),
            Some(Fact::Instance(instance)) => {
                let run = instance.run.as_deref();
                let on = instance.host.as_ref().map(ToString::to_string).unwrap_or_default();
                let stage = run.map_or("", |run| run.stage.name());
                let version = run.map(|run| run.version.to_string()).unwrap_or_default();
                let reason = run.map(|run| run.reason.to_string()).unwrap_or_default();
                format!("{:?} {stage} on {on} of {version}: {reason}", instance.state)
            }
            Some(Fact::Deployment(deployment)) => {
                let canary = deployment.canary.as_ref();
                let canary =
                    canary.map(|it| format!("; canary {:?} {}: {}", it.state, it.version, it.reason));
                let canary = canary.unwrap_or_default();
                format!("{:?} {}: {}{canary}", deployment.state, deployment.version, deployment.reason)
            }
            Some(Fact::Service(service)) => {
                let launch = service.launch.as_ref().unwrap();
                let (image, count, active) = (&launch.image, launch.instances.least(), launch.active);
                let canary = launch.canary.as_ref().map(|canary| (canary.image.as_str(), canary.percent));
                format!("{count} of {image}, active {active}, {:?}, {canary:?}", launch.rollout.order)
            }
            Some(Fact::Host(host)) => format!("cordoned {} draining {}", host.cordoned, host.draining),
            Some(other) => format!("{other:?}"),
        };
        format!("  {} {who}: {} {what}", written.after.revision(), difference.key)
    };
    written.after.diff(&written.before).map(said).collect()
}
