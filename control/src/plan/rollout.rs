//! How one version of a service takes the place of another: which instances are of it, how many more start, which ones leave when.
//!
//! In: facts. Out: groups of instances, and facts about those that leave. Never here: fewer healthy instances than are wanted, where the
//! fleet has room for one more.

use std::collections::{BTreeMap, BTreeSet};

use model::launch::{Launch, Order};
use model::{
    Deployment, DeploymentState, Fact, InstanceState, Service, ServiceName, Stage, Stated, Version, Weight,
    WhenEmpty,
};

use super::canary::Canary;
use super::{Edits, Launched, Seen};
use crate::health;
use crate::schedule::{Copies, Count, Leaving, Placed, Resources, Schedule, Wanted, Why};

/// A service with its instances.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// What the facts want; `None`: nothing any more.
    pub(crate) wanted: Option<(&'a Service, &'a Stated)>,
    /// What is run now: what is wanted, or what was healthy before that failed.
    pub(crate) effective: Option<&'a Service>,
    /// The version of that.
    pub(crate) version: Option<Version>,
    pub(crate) deployment: Option<(&'a Deployment, &'a Stated)>,
    /// Instances of that version, where they may stay.
    pub(crate) current: Vec<Launched<'a>>,
    /// Instances of that version that have ended for good, which jobs do: they stay so, whatever becomes of their hosts.
    pub(crate) over: Vec<Launched<'a>>,
    /// Instances that are to be replaced.
    pub(crate) old: Vec<Launched<'a>>,
    /// Instances on their way out.
    pub(crate) leaving: Vec<Launched<'a>>,
    /// Instances that leave now, whatever else is there, and why: what is tried no more.
    pub(crate) dropped: Vec<(Launched<'a>, String)>,
    /// How many of the current ones are healthy, for long enough, or jobs that are done.
    pub(crate) healthy: usize,
    /// What is tried beside.
    pub(crate) canary: Option<Canary<'a>>,
    /// The memory of an instance whose service says nothing of it.
    memory: Option<u64>,
}

/// All services that are launched, or have instances that were.
pub(crate) fn groups(seen: Seen<'_>) -> BTreeMap<ServiceName, Group<'_>> {
    let services = seen.facts.services().filter(|(service, _)| service.launch.is_some());
    let mut names: BTreeSet<ServiceName> = services.map(|(service, _)| service.name.clone()).collect();
    names.extend(seen.launched().map(|launched| launched.instance.service.clone()));
    names.extend(seen.facts.deployments().map(|(deployment, _)| deployment.service.clone()));
    let mut groups: BTreeMap<ServiceName, Group<'_>> =
        names.into_iter().map(|name| (name.clone(), Group::new(seen, &name))).collect();
    for launched in seen.launched() {
        if let Some(group) = groups.get_mut(&launched.instance.service) {
            group.take(seen, launched);
        }
    }
    groups.values_mut().for_each(|group| group.drop_surplus(seen));
    groups
}

impl<'a> Group<'a> {
    pub(super) fn new(seen: Seen<'a>, name: &ServiceName) -> Self {
        let wanted = seen.facts.service(name).filter(|(service, _)| service.launch.is_some());
        let deployment = seen.facts.deployment(name);
        let version = wanted.and_then(|(service, _)| service.version());
        let has_failed = deployment.is_some_and(|(deployment, _)| {
            deployment.state == DeploymentState::Failed && Some(deployment.version) == version
        });
        let goes_back = wanted.is_some_and(|(service, _)| {
            service.launch.as_ref().is_some_and(|launch| launch.rollout.rollback)
        });
        let stable = deployment.and_then(|(deployment, _)| deployment.stable.as_deref());
        let effective = match wanted {
            Some(_) if has_failed && goes_back && stable.is_some() => stable,
            Some((service, _)) => Some(service),
            None => None,
        };
        let version = effective.and_then(Service::version);
        let empty = Vec::new;
        let said = deployment.map(|(deployment, _)| deployment);
        let canary = wanted.and_then(|(service, _)| Canary::of(service, said));
        // Where the version that was wanted failed, what is tried may be what runs.
        let canary = canary.filter(|canary| Some(canary.version) != version);
        Self {
            wanted,
            effective,
            version,
            deployment,
            current: empty(),
            over: empty(),
            old: empty(),
            leaving: empty(),
            dropped: Vec::new(),
            healthy: 0,
            canary,
            memory: seen.config.memory,
        }
    }

    fn take(&mut self, seen: Seen<'a>, launched: Launched<'a>) {
        if launched.is_leaving() {
            return self.leaving.push(launched);
        }
        let is_current = Some(launched.run.version) == self.version;
        if self.effective.is_some() && is_current && launched.run.stage == Stage::Ended {
            self.healthy += usize::from(launched.run.is_done());
            return self.over.push(launched);
        }
        let host = launched.instance.host.as_ref().and_then(|host| seen.host(host));
        let is_displaced = host.is_some_and(|host| host.draining);
        if self.effective.is_some() && !is_current && self.was_tried(&launched) {
            return self.tries(seen, launched, is_displaced);
        }
        // What nobody wants any more is no old version of anything: the scheduler lets it go.
        if self.effective.is_some() && (!is_current || is_displaced) {
            return self.old.push(launched);
        }
        self.healthy += usize::from(self.is_settled(seen, &launched));
        self.current.push(launched);
    }

    /// Whether an instance is healthy, for long enough.
    fn is_settled(&self, seen: Seen<'_>, launched: &Launched<'_>) -> bool {
        let min = self.launch().map_or(std::time::Duration::ZERO, |launch| launch.rollout.min_healthy);
        // Its fact may not say yet that it ended.
        let is_healthy = launched.is_healthy() && seen.runs(launched);
        is_healthy && seen.memory.healthy(&launched.key(), seen.now) >= min
    }

    /// Whether an instance is of a version that is tried, or was until now.
    fn was_tried(&self, launched: &Launched<'_>) -> bool {
        let said = self.deployment.and_then(|(deployment, _)| deployment.canary.as_ref());
        [self.tried(), said.map(|said| said.version)].contains(&Some(launched.run.version))
    }

    /// Takes an instance in that is one of those.
    fn tries(&mut self, seen: Seen<'a>, launched: Launched<'a>, is_displaced: bool) {
        let is_settled = self.is_settled(seen, &launched);
        let is_followed = self.canary.is_some();
        match self.canary.as_mut().filter(|canary| canary.version == launched.run.version) {
            None if is_followed => {
                self.dropped.push((launched, "another canary takes its place".to_owned()));
            }
            None => self.dropped.push((launched, "the canary was aborted".to_owned())),
            Some(_) if is_displaced => self.dropped.push((launched, "its host is drained".to_owned())),
            Some(canary) => {
                canary.healthy += usize::from(is_settled || launched.run.is_done());
                canary.current.push(launched);
            }
        }
    }

    /// Lets go of those that are more than there are to be: of a canary, and of jobs that are over.
    fn drop_surplus(&mut self, seen: Seen<'_>) {
        if let Some(canary) = &mut self.canary {
            let why = match canary.shares() {
                Some(_) => "fewer of the canary are wanted",
                None => "the canary failed, or its service is stopped",
            };
            self.dropped.extend(canary.surplus().into_iter().map(|launched| (launched, why.to_owned())));
        }
        if self.count().is_some_and(|count| self.healthy < count) {
            self.keep_serving();
        }
        let why = "there are more instances than wanted";
        let over = self.over_surplus(seen);
        self.dropped.extend(over.into_iter().map(|launched| (launched, why.to_owned())));
    }

    /// What is tried may be what ran until now: it goes as an old version does, once enough others serve.
    fn keep_serving(&mut self) {
        let ran = self.deployment.and_then(|(deployment, _)| deployment.stable.as_ref()?.version());
        let serves = |launched: &Launched<'_>| launched.is_healthy() && Some(launched.run.version) == ran;
        let (serve, dropped): (Vec<_>, Vec<_>) =
            self.dropped.drain(..).partition(|(launched, _)| serves(launched));
        self.old.extend(serve.into_iter().map(|(launched, _)| launched));
        self.dropped = dropped;
    }

    /// Jobs that are over, and too many: those that failed first; of one on every host those whose host is gone.
    fn over_surplus(&mut self, seen: Seen<'_>) -> Vec<Launched<'a>> {
        if self.count().is_none() {
            let is_there = |launched: &Launched<'_>| {
                launched.instance.host.as_ref().is_some_and(|host| seen.host(host).is_some())
            };
            let (stay, leave) = self.over.drain(..).partition(is_there);
            self.over = stay;
            return leave;
        }
        let launch = self.launch().filter(|launch| launch.active);
        let most = launch.map(|launch| launch.instances.most()).unwrap_or_default().into();
        self.over.sort_by_key(|launched| !launched.run.is_done());
        self.over.split_off(self.over.len().min(most))
    }

    /// The version that is tried beside; `None`: none is.
    pub(super) fn tried(&self) -> Option<Version> {
        self.canary.as_ref().map(|canary| canary.version)
    }

    /// The share of an instance among its siblings.
    pub(crate) fn weight_of(&self, version: Version) -> Weight {
        match self.canary.as_ref().and_then(|canary| Some((canary.version, canary.shares()?))) {
            Some((tried, shares)) if tried == version => shares.canary,
            Some((_, shares)) => shares.usual,
            None => Weight::ONE,
        }
    }

    /// An instance as the scheduler knows it.
    pub(crate) fn placed(&self, launched: &Launched<'_>) -> Placed {
        Placed {
            service: launched.instance.service.clone(),
            instance: launched.instance.name.clone(),
            host: launched.instance.host.clone().unwrap_or_else(super::nowhere),
            resources: self.resources_of(launched),
        }
    }

    /// How it is launched. How many there are to be, and how they are replaced, is as the facts want it now, whatever version runs.
    pub(crate) fn launch(&self) -> Option<&'a Launch> {
        self.wanted.and_then(|(service, _)| service.launch.as_deref())
    }

    /// How many are wanted; `None`: one on every host. While some are replaced that is as many as ran before.
    pub(crate) fn count(&self) -> Option<usize> {
        let Some(launch) = self.launch().filter(|launch| launch.active) else { return Some(0) };
        let kept = || match (self.old.is_empty(), self.deployment) {
            (true, _) => launch.instances.least(),
            (false, Some((deployment, _))) => launch.instances.kept(deployment.instances),
            (false, None) => launch.instances.kept(u16::try_from(self.old.len()).unwrap_or(u16::MAX)),
        };
        match launch.placement.per_host {
            model::launch::PerHost::Every => None,
            _ => Some(kept().into()),
        }
    }

    /// How many run now, where there may be more than the least; else 0.
    pub(crate) fn ranging(&self) -> u16 {
        let instances = self.launch().filter(|launch| launch.active).map(|launch| launch.instances);
        let ranges = instances.is_some_and(|instances| instances.least() < instances.most());
        if ranges { u16::try_from(self.there()).unwrap_or(u16::MAX) } else { 0 }
    }

    /// The versions of which a job runs, which takes as long as it takes.
    pub(crate) fn works(&self) -> impl Iterator<Item = Version> {
        let runs = |launched: &Launched<'_>| launched.run.stage == Stage::Running;
        let usual = self.effective.filter(|service| health::is_job(service) && self.current.iter().any(runs));
        let tried = self.canary.as_ref();
        let tried = tried.filter(|it| health::is_job(&it.service) && it.current.iter().any(runs));
        usual.and(self.version).into_iter().chain(tried.map(|canary| canary.version))
    }

    /// How many there are of the version that runs.
    pub(crate) fn there(&self) -> usize {
        self.current.len() + self.over.len()
    }

    fn parallel(&self) -> usize {
        self.launch().map_or(1, |launch| launch.rollout.parallel.get().into())
    }

    fn is_start_first(&self) -> bool {
        self.launch().is_none_or(|launch| launch.rollout.order == Order::StartFirst)
    }

    /// Says to the scheduler how many of the version that is wanted may be there now.
    pub(crate) fn want(&self, wanted: &mut Wanted) {
        if let Some(launch) = self.effective.and_then(|service| service.launch.as_deref()) {
            wanted.resources = self.counted(launch.resources);
        }
        if self.wanted.is_none() {
            wanted.copies = Copies::Counted(Count::NONE);
        }
        let (Copies::Counted(copies) | Copies::OnePerHost(copies)) = &mut wanted.copies else { return };
        if let (Some(count), false) = (self.count(), self.old.is_empty()) {
            let room = match self.is_start_first() {
                true => self.healthy + self.parallel(),
                false => count.saturating_sub(self.old.len() + self.leaving.len()),
            };
            let least = count.min(room.max(self.there()));
            let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
            *copies = Count::new(number(least), number(count)).unwrap_or(*copies);
        }
        // Nothing takes the place of what is over.
        *copies = copies.without(self.over.len());
    }

    /// The old ones that leave now, and why.
    fn replaced(
        &self,
        seen: Seen<'_>,
        decided: &Schedule,
        service: &ServiceName,
    ) -> Vec<(Launched<'a>, String)> {
        let by_version = |launched: &Launched<'_>| Some(launched.run.version) != self.version;
        let mut old = self.old.clone();
        // What is not healthy keeps no capacity, nor what has just ended.
        let is_well = |launched: &Launched<'_>| launched.is_healthy() && !seen.has_ended(launched);
        old.sort_by_key(|launched| (is_well(launched), !by_version(launched), launched.key()));
        let pending = self.there().saturating_sub(self.healthy);
        let starts = decided.start.iter().any(|start| start.service == *service);
        let kept = match self.count() {
            Some(count) => count.saturating_sub(self.healthy),
            None => old.len(),
        };
        let leave = old.len().saturating_sub(kept);
        let is_stuck = pending == 0 && !starts && self.leaving.is_empty();
        let leave: Vec<Launched<'a>> = match self.count() {
            // Its host is drained: none takes its place elsewhere, where there is one already.
            None if !old.iter().all(by_version) => {
                old.into_iter().filter(|launched| !by_version(launched)).collect()
            }
            _ if leave == 0 && is_stuck => {
                // Nowhere is room for one more, or none may be beside it: the old one goes first, where that helps.
                let helps = |launched: &Launched<'_>| {
                    by_version(launched) && self.makes_room(launched, decided, service)
                };
                old.into_iter().filter(helps).take(self.parallel()).collect()
            }
            _ => old.into_iter().take(leave).collect(),
        };
        let why = |launched: &Launched<'_>| match self.version {
            Some(version) if by_version(launched) => format!("version {version} takes its place"),
            _ => "its host is drained".to_owned(),
        };
        leave.into_iter().map(|launched| (launched, why(&launched))).collect()
    }

    /// Whether as many as are wanted are healthy without this one.
    fn can_spare(&self, launched: &Launched<'_>) -> bool {
        let others = self.healthy - usize::from(launched.is_healthy()).min(self.healthy);
        self.count().is_none_or(|count| others >= count)
    }

    /// Whether one of the new version could start where this one is, if it were not there.
    fn makes_room(&self, launched: &Launched<'_>, decided: &Schedule, service: &ServiceName) -> bool {
        let host = launched.instance.host.as_ref();
        let unplaced = decided.unplaced.get(service);
        match host.and_then(|host| unplaced?.hosts.get(host)) {
            // Not for want of a host: no more are to be there at once, or one is on each.
            None => unplaced.is_none(),
            Some(Why::HasOne) => true,
            Some(Why::Cpu { free, needs }) => free + self.resources_of(launched).cpu >= *needs,
            Some(Why::Memory { free, needs }) => free + self.resources_of(launched).memory >= *needs,
            Some(_) => false,
        }
    }

    /// What an instance may take that starts now, of what runs or of what is tried.
    pub(crate) fn resources(&self, version: Version) -> model::launch::Resources {
        let tried = self.canary.as_ref().filter(|canary| canary.version == version);
        let service = tried.map(|canary| &canary.service).or(self.effective);
        let launch = service.and_then(|service| service.launch.as_deref());
        super::spec::limited(launch.map(|launch| launch.resources).unwrap_or_default(), self.memory)
    }

    /// What the scheduler counts of that: what no one says is the configuration's.
    fn counted(&self, resources: model::launch::Resources) -> Resources {
        let resources = super::spec::limited(resources, self.memory);
        Resources {
            cpu: resources.cpu().map_or(0, u64::from),
            memory: resources.memory().unwrap_or_default(),
        }
    }

    /// What an instance takes, as far as anybody knows its version.
    pub(crate) fn resources_of(&self, launched: &Launched<'_>) -> Resources {
        let stable = self.deployment.and_then(|(deployment, _)| deployment.stable.as_deref());
        let known = [self.effective, self.wanted.map(|(service, _)| service), stable];
        let is_own = |service: &&&Service| service.version() == Some(launched.run.version);
        let known: Vec<&Service> = known.into_iter().flatten().collect();
        // Of a version that nothing states any more: as much as what takes its place.
        let own = known.iter().find(is_own).or(known.first());
        let said = Some(launched.run.resources).filter(|said| *said != model::launch::Resources::default());
        let stated = || own.and_then(|service| Some(service.launch.as_ref()?.resources));
        self.counted(said.or_else(stated).unwrap_or_default())
    }
}

/// Has those leave that are replaced, that are too many, or that may not be where they are.
pub(crate) fn leave(
    seen: Seen<'_>,
    groups: &BTreeMap<ServiceName, Group<'_>>,
    decided: &Schedule,
    edits: &mut Edits,
) {
    for (service, group) in groups {
        let replaced = group.replaced(seen, decided, service);
        for (launched, why) in replaced.iter().chain(&group.dropped) {
            drain(group, *launched, why, edits);
        }
        for launched in &group.current {
            let is_it = |placed: &crate::schedule::Placed| {
                placed.service == *service && placed.instance == launched.instance.name
            };
            let Some((_, why)) = decided.leave.iter().find(|(placed, _)| is_it(placed)) else { continue };
            match why {
                Leaving::Gone | Leaving::Host(Why::Lost) => withdraw(*launched, edits),
                // A wish that holds no more: another one takes its place first.
                Leaving::Host(_) if !group.can_spare(launched) => {}
                _ => drain(group, *launched, &why.to_string(), edits),
            }
        }
        for launched in group.old.iter().chain(&group.leaving) {
            let host = launched.instance.host.as_ref();
            if host.is_none_or(|host| seen.host(host).is_none() || seen.is_lost(host)) {
                withdraw(*launched, edits);
            }
        }
    }
}

/// States that an instance is on its way out: it leaves every set, and is ended once every node has let go of it.
pub(crate) fn drain(group: &Group<'_>, launched: Launched<'_>, why: &str, edits: &mut Edits) {
    let mut instance = launched.instance.clone();
    let mut run = launched.run.clone();
    let serves_all = group.wanted.is_some_and(|(service, _)| service.when_empty == WhenEmpty::All);
    // Whether one that runs was ever healthy the controller before may have known.
    let was_asked = !matches!(run.stage, Stage::Placed | Stage::Ended);
    run.stage = if was_asked || serves_all { Stage::Draining } else { Stage::Stopping };
    run.reason = why.into();
    instance.state = InstanceState::Draining;
    instance.run = Some(Box::new(run));
    edits.put(Fact::Instance(Box::new(instance)), Some(launched.stated));
}

/// Takes an instance back whose host cannot be reached: what runs there still is ended when it can be.
pub(super) fn withdraw(launched: Launched<'_>, edits: &mut Edits) {
    edits.remove(launched.stated);
}
