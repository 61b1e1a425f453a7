//! How far each service has come: a fact that the controller keeps true.

use std::collections::BTreeMap;

use model::{Deployment, DeploymentState, Fact, InstanceState, Service, ServiceName, Stage};

use super::rollout::Group;
use super::{Edits, Launched, Seen, canary, short};
use crate::schedule::{Schedule, Unplaced};

/// How often one has failed that is never started again.
const FOR_GOOD: u16 = u16::MAX;
/// The most hosts that a reason names.
const NAMED: usize = 5;

/// Says of each service how far it has come.
pub(crate) fn progress(
    seen: Seen<'_>,
    groups: &BTreeMap<ServiceName, Group<'_>>,
    (decided, canaries): (&Schedule, &Schedule),
    edits: &mut Edits,
) {
    for (service, group) in groups {
        let Some((wanted, stated)) = group.wanted else {
            let is_empty = group.current.is_empty() && group.old.is_empty() && group.leaving.is_empty();
            if let (true, Some((_, before))) = (is_empty, group.deployment) {
                edits.remove(before);
            }
            continue;
        };
        let Some(version) = wanted.version() else { continue };
        let before = group.deployment.filter(|(deployment, _)| deployment.version == version);
        let mut deployment = match (before, group.deployment) {
            (Some((deployment, _)), _) => deployment.clone(),
            (None, other) => Deployment {
                service: service.clone(),
                version,
                revision: stated.revision,
                state: DeploymentState::Progressing,
                reason: Box::default(),
                instances: other.map_or(0, |(deployment, _)| deployment.instances),
                canary: None,
                stable: other.and_then(|(deployment, _)| deployment.stable.clone()),
                previous: other.and_then(|(deployment, _)| deployment.previous.clone()),
            },
        };
        if before.is_some() {
            judge(seen, group, wanted, (decided, service), &mut deployment);
        }
        if group.old.is_empty() {
            deployment.instances = group.ranging();
        }
        let canary = group.deployment.and_then(|(deployment, _)| deployment.canary.as_ref());
        deployment.canary = canary::judge(seen, (service, group), canaries, canary);
        edits.put(Fact::Deployment(Box::new(deployment)), group.deployment.map(|(_, stated)| stated));
    }
}

/// Whether a version is done, or has failed, or why neither.
fn judge(
    seen: Seen<'_>,
    group: &Group<'_>,
    wanted: &Service,
    (decided, service): (&Schedule, &ServiceName),
    deployment: &mut Deployment,
) {
    let unplaced = decided.unplaced.get(service);
    let is_done = |group: &Group<'_>| is_done(group, decided, service);
    if deployment.state == DeploymentState::Failed {
        // It stays so until the service says something new; only one without anything to go back to may come round.
        let came_round = group.version == Some(deployment.version) && is_done(group);
        if !came_round {
            return;
        }
    }
    let of_it = || {
        group.current.iter().chain(&group.over).filter(|launched| launched.run.version == deployment.version)
    };
    if is_done(group) {
        deployment.state = DeploymentState::Done;
        deployment.reason = Box::default();
        settle(wanted, deployment);
        return;
    }
    let trouble = of_it().filter_map(trouble).collect::<Vec<_>>();
    let placing = unplaced.map(nowhere);
    let reason = trouble.iter().map(|(why, _)| why.clone()).chain(placing).collect::<Vec<_>>().join("; ");
    let is_proven = deployment.stable.as_ref().is_some_and(|stable| stable.version() == wanted.version());
    if deployment.state == DeploymentState::Done && !is_proven {
        // It was done while nothing of it ran.
        deployment.state = DeploymentState::Progressing;
    }
    if deployment.state == DeploymentState::Done {
        // An instance that is not well is no new version that failed.
        deployment.reason = short(&reason).into();
        return;
    }
    let launch = group.launch();
    let deadline = launch.map(|launch| launch.rollout.deadline).unwrap_or_default();
    let is_late = seen.memory.progressing(&deployment.service, deployment.version, seen.now) >= deadline;
    let crashes = trouble.iter().any(|(_, failures)| *failures >= seen.config.failures);
    if is_late || crashes {
        deployment.state = DeploymentState::Failed;
        let what = match trouble.iter().map(|(_, failures)| *failures).max() {
            Some(FOR_GOOD) => "it failed",
            _ if crashes => "it fails again and again",
            _ => "it was not healthy in time",
        };
        let back = deployment.stable.as_ref().and_then(|stable| stable.launch.as_ref());
        let goes_back = launch.is_some_and(|launch| launch.rollout.rollback);
        let then = match back.filter(|_| goes_back) {
            Some(stable) => format!("; rolled back to {}", stable.image),
            None => String::new(),
        };
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        deployment.reason = short(&format!("{what}{why}{then}")).into();
    } else {
        deployment.reason = short(&reason).into();
    }
}

/// As many as are wanted are healthy, and nothing of another version is there but on its way out.
fn is_done(group: &Group<'_>, decided: &Schedule, service: &ServiceName) -> bool {
    let starts = decided.start.iter().any(|start| start.service == *service);
    let enough = match group.count() {
        Some(count) => group.healthy >= count,
        None => {
            let is_settled = !starts && group.leaving.is_empty() && !decided.unplaced.contains_key(service);
            is_settled && group.healthy == group.there()
        }
    };
    let is_displaced = |launched: &Launched<'_>| Some(launched.run.version) == group.version;
    enough && group.old.iter().all(is_displaced)
}

/// Remembers a version that is healthy, and the one before it.
fn settle(wanted: &Service, deployment: &mut Deployment) {
    let wanted = wanted.without_canary();
    let is_active = wanted.launch.as_ref().is_some_and(|launch| launch.active && launch.instances.most() > 0);
    let is_known = deployment.stable.as_deref().is_some_and(|stable| stable.version() == wanted.version());
    match (is_active, is_known) {
        (true, false) => {
            deployment.previous = deployment.stable.take();
            deployment.stable = Some(Box::new(wanted));
        }
        (true, true) => deployment.stable = Some(Box::new(wanted)),
        _ => {}
    }
}

/// What is wrong with an instance, and how often it was.
pub(super) fn trouble(launched: &Launched<'_>) -> Option<(String, u16)> {
    let is_well = launched.is_healthy() || launched.run.reason.is_empty();
    let is_new = launched.run.stage == Stage::Placed && launched.instance.state == InstanceState::Starting;
    let failures = if launched.run.stage == Stage::Ended { FOR_GOOD } else { launched.run.failures };
    if is_well && failures == 0 || (is_new && launched.run.reason.is_empty()) || launched.is_healthy() {
        return None;
    }
    let name = &launched.instance.name;
    let host = launched.instance.host.as_ref().map(ToString::to_string).unwrap_or_default();
    Some((format!("{name} on {host}: {}", launched.run.reason), failures))
}

/// What fits nowhere, and why.
pub(super) fn nowhere(unplaced: &Unplaced) -> String {
    let hosts: Vec<String> =
        unplaced.hosts.iter().take(NAMED).map(|(host, why)| format!("{host}: {why}")).collect();
    let hosts =
        if hosts.is_empty() { "there is no host with an engine".to_owned() } else { hosts.join(", ") };
    let missing = unplaced.missing;
    let it = if missing == 1 { "1 instance fits".to_owned() } else { format!("{missing} instances fit") };
    format!("{it} nowhere ({hosts})")
}
