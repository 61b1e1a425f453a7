//! A version that is tried beside the one that runs: how many, where, with which share, and for how long.
//!
//! In: groups, and what was decided about all else. Out: the places of canaries, and how far each has come. Never here: anything that takes
//! room, a name or a host from an instance of the version that runs.

use std::collections::{BTreeMap, BTreeSet};

use model::launch::Shares;
use model::{CanaryDeployment, Deployment, DeploymentState, Service, ServiceName, Version};

use super::progress::{nowhere, trouble};
use super::rollout::{self, Group};
use super::{Edits, Launched, Seen, short};
use crate::schedule::{Copies, Count, Fleet, Leaving, MAX_COUNT, Placed, Schedule, Why, schedule};

/// What is tried of a service.
#[derive(Debug, Clone)]
pub(crate) struct Canary<'a> {
    /// The service as it is then.
    pub(crate) service: Service,
    pub(crate) version: Version,
    /// How many of it run; none once it failed.
    count: usize,
    shares: Shares,
    /// Those that run.
    pub(crate) current: Vec<Launched<'a>>,
    /// How many of them are healthy, for long enough.
    pub(crate) healthy: usize,
}

impl<'a> Canary<'a> {
    /// What is to be tried of a service, unless that is over.
    pub(super) fn of(service: &Service, deployment: Option<&Deployment>) -> Option<Self> {
        let launch = service.launch.as_deref()?;
        let (percent, tried) = (launch.canary.as_ref()?.percent, service.canary()?);
        let version = tried.version()?;
        let said = deployment.and_then(|deployment| deployment.canary.as_ref());
        let has_failed = said.is_some_and(|said| said.version == version && is_failed(said));
        let running = deployment.map_or(0, |deployment| deployment.instances);
        let usual = if launch.active { launch.instances.kept(running) } else { 0 };
        let count = if has_failed { 0 } else { percent.instances(usual).into() };
        let shares = percent.shares(usual);
        Some(Self { service: tried, version, count, shares, current: Vec::new(), healthy: 0 })
    }

    /// The weights of instances while it runs.
    pub(super) fn shares(&self) -> Option<Shares> {
        (self.count > 0).then_some(self.shares)
    }

    /// Those that are more than there are to be: who is not well first.
    pub(super) fn surplus(&mut self) -> Vec<Launched<'a>> {
        self.current.sort_by_key(|launched| (!launched.is_healthy(), launched.key()));
        self.current.split_off(self.count.min(self.current.len()))
    }
}

fn is_failed(said: &CanaryDeployment) -> bool {
    said.state == DeploymentState::Failed
}

/// Where canaries run: all else has its place already.
pub(super) fn places(
    fleet: &Fleet,
    groups: &BTreeMap<ServiceName, Group<'_>>,
    decided: &Schedule,
) -> Schedule {
    let tried = || groups.iter().filter_map(|(name, group)| Some((name, group, group.canary.as_ref()?)));
    if tried().next().is_none() {
        return Schedule::default();
    }
    let mut fleet = fleet.clone();
    // Who wants no other beside it wants that still.
    for wanted in fleet.wanted.values_mut() {
        wanted.copies = Copies::Counted(Count::NONE);
    }
    let (leaves, stays) =
        std::mem::take(&mut fleet.placed).into_iter().partition(|placed| decided.leave.contains_key(placed));
    fleet.leaving.extend::<BTreeSet<Placed>>(leaves);
    fleet.settled.extend::<BTreeSet<Placed>>(stays);
    fleet.settled.extend(decided.start.iter().cloned());
    for (name, group, canary) in tried() {
        let count = u32::try_from(canary.count).unwrap_or(MAX_COUNT);
        let (Some(wanted), Ok(count)) = (fleet.wanted.get_mut(name), Count::new(count, count)) else {
            continue;
        };
        let is_alone =
            group.launch().is_some_and(|launch| launch.placement.per_host == model::launch::PerHost::One);
        wanted.copies = if is_alone { Copies::OnePerHost(count) } else { Copies::Counted(count) };
        for launched in &canary.current {
            let placed = group.placed(launched);
            fleet.leaving.remove(&placed);
            fleet.placed.insert(placed);
        }
    }
    schedule(&fleet)
}

/// Has those of canaries leave that may not be where they are.
pub(super) fn leave(groups: &BTreeMap<ServiceName, Group<'_>>, decided: &Schedule, edits: &mut Edits) {
    for group in groups.values() {
        for launched in group.canary.iter().flat_map(|canary| &canary.current) {
            match decided.leave.get(&group.placed(launched)) {
                None => {}
                Some(Leaving::Gone | Leaving::Host(Why::Lost)) => rollout::withdraw(*launched, edits),
                Some(why) => rollout::drain(group, *launched, &why.to_string(), edits),
            }
        }
    }
}

/// What waits until its service is started.
pub(super) fn resting<'a>(
    groups: &'a BTreeMap<ServiceName, Group<'_>>,
) -> impl Iterator<Item = (ServiceName, Version)> + 'a {
    let canaries = groups.iter().filter_map(|(name, group)| Some((name, group.canary.as_ref()?)));
    canaries.filter(|(_, canary)| canary.count == 0).map(|(name, canary)| (name.clone(), canary.version))
}

/// How far what is tried of a service has come; `None`: nothing is.
pub(super) fn judge(
    seen: Seen<'_>,
    (name, group): (&ServiceName, &Group<'_>),
    decided: &Schedule,
    before: Option<&CanaryDeployment>,
) -> Option<CanaryDeployment> {
    use DeploymentState::{Done, Failed, Progressing};
    let canary = group.canary.as_ref()?;
    let version = canary.version;
    let Some(before) = before.filter(|said| said.version == version) else {
        return Some(CanaryDeployment { version, state: Progressing, reason: Box::default() });
    };
    if is_failed(before) {
        return Some(before.clone());
    }
    if canary.count == 0 {
        // Its service is stopped: nothing was shown, nothing is late.
        return Some(before.clone());
    }
    if canary.healthy >= canary.count {
        return Some(CanaryDeployment { version, state: Done, reason: Box::default() });
    }
    let trouble: Vec<_> = canary.current.iter().filter_map(trouble).collect();
    let placing = decided.unplaced.get(name).map(nowhere);
    let reason = trouble.iter().map(|(why, _)| why.clone()).chain(placing).collect::<Vec<_>>().join("; ");
    let deadline = group.launch().map(|launch| launch.rollout.deadline).unwrap_or_default();
    let is_late = before.state == Progressing && seen.memory.progressing(name, version, seen.now) >= deadline;
    let (state, reason) = match trouble.iter().any(|(_, failures)| *failures >= seen.config.failures) {
        true => (Failed, format!("it fails again and again: {reason}")),
        false if is_late && reason.is_empty() => (Failed, "it was not healthy in time".to_owned()),
        false if is_late => (Failed, format!("it was not healthy in time: {reason}")),
        false => (before.state, reason),
    };
    Some(CanaryDeployment { version, state, reason: short(&reason).into() })
}

#[cfg(test)]
mod tests;
