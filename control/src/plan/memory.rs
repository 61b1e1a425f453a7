//! What a controller remembers that is no fact: since when it has seen what, what is under way, what checks said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::{Fact, FactKey, HostName, Instance, Nodes, Revision, ServiceName, Snapshot, Stage, Version};

use super::host;
use super::instance::pause;
use super::release::{self, Served};
use super::strays::{self, Stray};
use super::{HostView, Key, Seen, Step};
use crate::act::Failed;
use crate::config::Config;

/// After how long what was written and is not seen is lost.
const LOST: Duration = Duration::from_secs(10);

/// What a controller remembers. All of it may be lost: another one goes on from the facts, some clocks begin anew.
#[derive(Debug, Clone)]
pub struct Memory {
    /// Since when this node controls: what was seen before is not believed.
    pub since: Instant,
    /// The revision of the fact by which it controls: what was stated before another one may have stated.
    pub token: Revision,
    /// The instances for which a step is under way.
    pub busy: BTreeSet<Key>,
    /// When the last step of each ended: what was seen before is old.
    pub acted: BTreeMap<Key, Instant>,
    /// What went wrong with the last step, and at which revision of the instance's fact.
    pub failed: BTreeMap<Key, (Revision, String)>,
    /// What checks say.
    pub pulses: BTreeMap<Key, Pulse>,
    /// The last that ended containers said, by identifier.
    pub words: BTreeMap<String, String>,
    /// The digests of images that containers were made of, by instance.
    pub images: BTreeMap<Key, String>,
    /// When containers were told to end, by identifier.
    pub told: BTreeMap<String, Instant>,
    /// What would not do what it was told, by identifier, for as long as it is there.
    pub stuck: BTreeMap<String, Stuck>,
    /// Until when nothing is tried again for an instance whose last step failed.
    pub later: BTreeMap<Key, Instant>,
    /// What hooks after the end were run for.
    pub after: BTreeSet<Key>,
    /// The hosts for which an action runs.
    pub acting: BTreeSet<HostName>,
    /// What became of the last action of each, and of which revision of the fact about it.
    pub ended: BTreeMap<HostName, (Revision, Result<(), Failed>)>,
    /// Since when hosts have nothing to do.
    pub idle: BTreeMap<HostName, Instant>,
    /// The last revision that this controller made, and when.
    pub wrote: Option<(Revision, Instant)>,
    /// Whether anything waits for what nodes say.
    pub waits: bool,
    /// Containers that no fact states, by identifier.
    pub strays: BTreeMap<String, Stray>,
    /// The versions whose time did not pass, when that was looked at last.
    pub waiting: BTreeSet<(ServiceName, Version)>,
    /// When that was.
    looked: Instant,
    /// Since when versions are on their way, without the time in which they waited so.
    progressing: BTreeMap<(ServiceName, Version), Instant>,
    seen: BTreeMap<FactKey, (Revision, Instant)>,
    served: BTreeMap<Key, (Revision, Served)>,
    healthy: BTreeMap<Key, Instant>,
}

/// A container whose engine refuses what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// How often it did.
    pub times: u16,
    /// What it said last.
    pub why: String,
    /// Until when it is not told to end again.
    pub until: Instant,
}

/// What the checks of one container say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// Of which.
    pub container: String,
    /// How many passed in a row.
    pub passed: u32,
    /// How many failed in a row.
    pub failed: u32,
    /// What the last that failed said.
    pub reason: String,
    /// When it began.
    pub since: Instant,
}

impl Memory {
    /// Nothing, of a node that controls since `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            token: Revision::ZERO,
            busy: BTreeSet::new(),
            acted: BTreeMap::new(),
            failed: BTreeMap::new(),
            pulses: BTreeMap::new(),
            words: BTreeMap::new(),
            images: BTreeMap::new(),
            told: BTreeMap::new(),
            stuck: BTreeMap::new(),
            later: BTreeMap::new(),
            after: BTreeSet::new(),
            acting: BTreeSet::new(),
            ended: BTreeMap::new(),
            idle: BTreeMap::new(),
            wrote: None,
            waits: false,
            strays: BTreeMap::new(),
            waiting: BTreeSet::new(),
            looked: now,
            progressing: BTreeMap::new(),
            seen: BTreeMap::new(),
            served: BTreeMap::new(),
            healthy: BTreeMap::new(),
        }
    }

    /// Looks at what there is, before a plan is made of it; forgets what is gone.
    pub fn look(
        &mut self,
        facts: &Snapshot,
        hosts: &BTreeMap<HostName, HostView>,
        nodes: &Nodes,
        config: &Config,
        now: Instant,
    ) {
        let is_draining =
            |instance: &Instance| instance.run.as_ref().is_some_and(|run| run.stage == Stage::Draining);
        let mut found = std::mem::take(&mut self.strays);
        strays::look(&mut found, Seen { facts, hosts, nodes, memory: self, config, now });
        self.waits = !found.is_empty() || facts.instances().any(|(instance, _)| is_draining(instance));
        self.strays = found;
        let idle = std::mem::take(&mut self.idle);
        self.idle = host::idle(Seen { facts, hosts, nodes, memory: self, config, now }, idle);
        let passed = now.saturating_duration_since(self.looked);
        let mut progressing = BTreeMap::new();
        for (deployment, _) in facts.deployments() {
            let tried = deployment.canary.as_ref().map(|canary| (canary.version, canary.state));
            for (version, state) in [(deployment.version, deployment.state)].into_iter().chain(tried) {
                if state == model::DeploymentState::Progressing {
                    let key = (deployment.service.clone(), version);
                    let since = self.progressing.get(&key).copied().unwrap_or(now);
                    let waited = if self.waiting.contains(&key) { passed } else { Duration::ZERO };
                    progressing.insert(key, now.min(since + waited));
                }
            }
        }
        (self.progressing, self.looked) = (progressing, now);
        let (mut seen, mut served, mut healthy) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let stated = facts.instances().map(|(_, stated)| stated);
        let stated = stated.chain(facts.deployments().map(|(_, stated)| stated));
        for stated in stated.chain(facts.standings().map(|(_, stated)| stated)) {
            let key = stated.fact.key();
            let before = self.seen.remove(&key).filter(|(revision, _)| *revision == stated.revision);
            seen.insert(key, before.unwrap_or((stated.revision, now)));
            let Fact::Instance(instance) = &*stated.fact else { continue };
            let key = (instance.service.clone(), instance.name.clone());
            if instance.state == model::InstanceState::Healthy {
                let since = self.healthy.remove(&key).unwrap_or(now);
                healthy.insert(key.clone(), since);
            }
            if is_draining(instance) {
                let before = self.served.remove(&key).filter(|(revision, _)| *revision == stated.revision);
                // A node that was lost may come back with what it served then: it is waited for again.
                let before = before.as_ref().map(|(_, served)| served);
                let of = (stated.revision, &**instance);
                if let Some(since) = release::served(nodes, of, config, before, now) {
                    served.insert(key, (stated.revision, since));
                }
            }
        }
        let is_there =
            |key: &Key| seen.contains_key(&FactKey::Instance { service: key.0.clone(), name: key.1.clone() });
        self.acted.retain(|key, _| is_there(key) || self.busy.contains(key));
        self.failed.retain(|key, _| is_there(key));
        let containers = hosts.values().flat_map(|view| &view.containers);
        self.stuck.retain(|id, _| containers.clone().any(|container| container.id == *id));
        self.later.retain(|_, until| now < *until);
        self.pulses.retain(|key, _| is_there(key));
        self.images.retain(|key, _| is_there(key));
        self.after.retain(is_there);
        self.ended.retain(|host, (revision, _)| {
            facts.standing(host).is_some_and(|(_, stated)| stated.revision <= *revision)
        });
        (self.seen, self.served, self.healthy) = (seen, served, healthy);
    }

    /// Remembers a revision that this controller made.
    pub fn wrote(&mut self, revision: Revision, now: Instant) {
        let before = self.wrote.filter(|(_, at)| now.saturating_duration_since(*at) < LOST);
        self.wrote = Some((before.map_or(revision, |(before, _)| before.max(revision)), now));
    }

    /// Whether facts do not hold yet what this controller wrote last: what it planned by them it would plan twice.
    ///
    /// Not for ever: a registry that came back as it was before has lost that.
    pub fn is_ahead_of(&self, facts: &Snapshot, now: Instant) -> bool {
        self.wrote.is_some_and(|(revision, at)| {
            facts.revision() < revision && now.saturating_duration_since(at) < LOST
        })
    }

    /// For how long a version of a service has been on its way, and waited for no host that was being started.
    pub fn progressing(&self, service: &ServiceName, version: Version, now: Instant) -> Duration {
        let since = self.progressing.get(&(service.clone(), version));
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(*since))
    }

    /// For how long a fact has said what it says, as far as this controller saw it.
    pub fn age(&self, key: &FactKey, now: Instant) -> Duration {
        self.seen.get(key).map_or(Duration::ZERO, |(_, since)| now.saturating_duration_since(*since))
    }

    /// Since when every node has served that an instance leaves; `None`: not all do yet.
    pub fn served(&self, key: &Key) -> Option<Instant> {
        self.served.get(key).map(|(_, served)| served.since)
    }

    /// For how long an instance has been healthy.
    pub fn healthy(&self, key: &Key, now: Instant) -> Duration {
        self.healthy.get(key).map_or(Duration::ZERO, |since| now.saturating_duration_since(*since))
    }

    /// Takes in why a step failed that followed from a fact of this revision; whether that is anything new.
    pub fn fail(
        &mut self,
        (key, revision): (Key, Revision),
        step: &Step,
        why: String,
        config: &Config,
        now: Instant,
    ) -> bool {
        let mut is_new = true;
        if let Some(id) = step.container() {
            let before = self.stuck.remove(id);
            is_new = before.as_ref().is_none_or(|before| before.why != why);
            let times = before.map_or(0, |before| before.times).saturating_add(1);
            let stuck = Stuck { times, why: why.clone(), until: now + pause(config, times) };
            self.stuck.insert(id.to_owned(), stuck);
        }
        self.failed.insert(key, (revision, why));
        is_new
    }

    /// Takes in what a check of a container said.
    ///
    /// True when something may follow from it: what passes again after `rise` times says nothing new.
    pub fn pulse(
        &mut self,
        key: Key,
        container: &str,
        said: Result<(), String>,
        rise: u8,
        now: Instant,
    ) -> bool {
        let pulse = self.pulses.entry(key).or_insert_with(|| Pulse::new(container, now));
        if pulse.container != container {
            *pulse = Pulse::new(container, now);
        }
        match said {
            Ok(()) => (pulse.passed, pulse.failed) = (pulse.passed.saturating_add(1), 0),
            Err(reason) => {
                (pulse.passed, pulse.failed, pulse.reason) = (0, pulse.failed.saturating_add(1), reason);
            }
        }
        pulse.passed <= rise.into() && pulse.failed <= u8::MAX.into()
    }
}

impl Pulse {
    /// Nothing yet.
    pub fn new(container: &str, now: Instant) -> Self {
        Self { container: container.to_owned(), passed: 0, failed: 0, reason: String::new(), since: now }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use model::{Revision, Snapshot};

    use super::{LOST, Memory};

    #[test]
    fn facts_from_before_what_was_written_are_waited_for_but_not_for_ever() {
        let begun = Instant::now();
        let mut memory = Memory::new(begun);
        let [one, two, three] = [1, 2, 3].map(Revision::new);
        let facts = |revision| Snapshot::default().apply(revision, []);
        assert!(!memory.is_ahead_of(&facts(one), begun), "it wrote nothing");

        memory.wrote(three, begun);
        memory.wrote(two, begun);

        assert!(memory.is_ahead_of(&facts(two), begun));
        assert!(!memory.is_ahead_of(&facts(three), begun));
        assert!(!memory.is_ahead_of(&facts(two), begun + LOST), "the registry came back as it was before");
        memory.wrote(two, begun + LOST);
        assert!(!memory.is_ahead_of(&facts(two), begun + LOST), "and goes on from there");
    }
}
