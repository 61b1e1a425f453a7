//! What `/v1/status` says of what is launched, and what an apply that is tried would have a controller do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use control::Control;
use control::plan::{HostView, Plan};
use control::schedule::{Leaving, Placed, Schedule};
use model::{Change, Fact, FactKey, HostName, Origin, ServiceName, Snapshot, Stage, Stated, Version};

use super::apply::Wanted;
use crate::doors::App;
use crate::rollout;
use crate::wire::{
    ControlStatus, EngineStatus, Foreseen, ForeseenInstance, StandingDoc, Undone, Unplaced, UnplacedAt,
};

/// The most services that are told not to be done.
const UNDONE: usize = 100;

/// How what is launched stands; `None`: nothing is, and this node would launch nothing.
pub(super) fn status(app: &App, facts: &Snapshot, now: Instant) -> Option<ControlStatus> {
    let controller = facts.controller().map(|(controller, _)| controller.node.to_string());
    let outlook = app.doors.control.as_ref().map(Control::outlook);
    let launched = facts.services().filter_map(|(service, _)| rollout::of(facts, service));
    let mut more = 0;
    let (mut any, mut undone) = (false, Vec::new());
    for rollout in launched {
        any = true;
        let tried = rollout.canary.as_ref().filter(|canary| canary.has_failed());
        let tried = tried.map(|canary| format!("canary {}: {}", canary.image, canary.reason));
        if rollout.settled && tried.is_none() {
            continue;
        }
        if undone.len() == UNDONE {
            more += 1;
            continue;
        }
        let whys = if rollout.failed { vec![rollout.reason] } else { vec![rollout.missing, rollout.reason] };
        let failed = rollout.failed || (rollout.settled && tried.is_some());
        let why = whys.into_iter().chain(tried).filter(|why| !why.is_empty()).collect::<Vec<_>>().join("; ");
        undone.push(Undone { service: rollout.service, failed, why });
    }
    let engines = outlook.iter().flat_map(|outlook| &outlook.hosts);
    let engines: Vec<_> = engines.map(|(host, view)| engine(facts, host, view, now)).collect();
    let is_any = any || controller.is_some() || !engines.is_empty();
    let this = outlook.is_some_and(|outlook| outlook.leads);
    is_any.then_some(ControlStatus { controller, this, engines, undone, more })
}

fn engine(facts: &Snapshot, host: &HostName, view: &HostView, now: Instant) -> EngineStatus {
    let silent = view.silent.map(|since| now.saturating_duration_since(since));
    EngineStatus {
        host: host.to_string(),
        answers: view.silent.is_none() && view.listed.is_some(),
        silent_ms: silent.map(millis),
        error: view.error.clone(),
        version: view.engine.as_ref().map(|engine| engine.version.clone()).unwrap_or_default(),
        containers: view.containers.len(),
        power: facts.standing(host).and_then(|(standing, _)| StandingDoc::from(standing).power),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What the controller, if it is this node's, would do first once `wanted` is so.
pub(super) fn foresee(app: &App, facts: &Snapshot, wanted: &Wanted) -> Option<Foreseen> {
    let control = app.doors.control.as_ref().filter(|control| control.outlook().leads)?;
    let revision = facts.revision().next();
    let (changes, names): (Vec<Change>, BTreeSet<ServiceName>) = match wanted {
        Wanted::Facts { facts, .. } => {
            let put = |fact: &std::sync::Arc<Fact>| {
                Change::Put(Stated { fact: std::sync::Arc::clone(fact), revision, origin: Origin::Native })
            };
            (facts.iter().map(put).collect(), facts.iter().filter_map(|fact| service(&fact.key())).collect())
        }
        Wanted::Gone(keys) => {
            (keys.iter().cloned().map(Change::Remove).collect(), keys.iter().filter_map(service).collect())
        }
        Wanted::Past { .. } => return None,
    };
    let then = facts.apply(revision, changes);
    let Plan { schedule: decided, dropped, .. } = control.foresee(&then);
    let start = decided.start.iter().zip(moved(&decided)).map(|(placed, moved)| {
        let moved = moved.map(|moved| format!("takes the place of one on {}", moved.host));
        instance(placed, moved.unwrap_or_else(|| starts(&then, &placed.service)))
    });
    let start = start.collect();
    let leaving = decided.leave.iter().map(|(placed, why)| instance(placed, leaves(&then, placed, why)));
    let dropped = dropped.iter().map(|(placed, why)| instance(placed, why.clone()));
    let mut leave: Vec<ForeseenInstance> = leaving.chain(dropped).collect();
    let known: BTreeSet<_> = leave.iter().map(|one| (one.service.clone(), one.instance.clone())).collect();
    leave.extend(
        names
            .iter()
            .flat_map(|name| replaced(&then, name))
            .filter(|one| !known.contains(&(one.service.clone(), one.instance.clone()))),
    );
    let unplaced = decided.unplaced.into_iter().map(|(service, unplaced)| Unplaced {
        service: service.to_string(),
        missing: unplaced.missing,
        hosts: unplaced
            .hosts
            .into_iter()
            .map(|(host, why)| UnplacedAt { host: host.to_string(), why: why.to_string() })
            .collect(),
    });
    Some(Foreseen { start, leave, unplaced: unplaced.collect() })
}

fn service(key: &FactKey) -> Option<ServiceName> {
    match key {
        FactKey::Service(name) => Some(name.clone()),
        _ => None,
    }
}

fn instance(placed: &Placed, why: String) -> ForeseenInstance {
    ForeseenInstance {
        service: placed.service.to_string(),
        instance: placed.instance.to_string(),
        host: placed.host.to_string(),
        why,
    }
}

/// Whether one that leaves for this reason is wanted elsewhere.
fn moves(why: &Leaving) -> bool {
    matches!(why, Leaving::Gone | Leaving::Host(_))
}

/// Of each that starts, in their order, the one whose place it takes: each of those that move is taken the place of once.
fn moved(decided: &Schedule) -> Vec<Option<&Placed>> {
    let mut moved: BTreeMap<&ServiceName, VecDeque<&Placed>> = BTreeMap::new();
    for (placed, _) in decided.leave.iter().filter(|(_, why)| moves(why)) {
        moved.entry(&placed.service).or_default().push_back(placed);
    }
    let mut next = |placed: &Placed| moved.get_mut(&placed.service).and_then(VecDeque::pop_front);
    decided.start.iter().map(&mut next).collect()
}

/// Why an instance starts.
fn starts(then: &Snapshot, name: &ServiceName) -> String {
    let service = then.service(name).map(|(service, _)| service);
    let runs = |instance: &&model::Instance| {
        let run = instance.run.as_deref();
        run.is_some_and(|run| !matches!(run.stage, Stage::Draining | Stage::Stopping | Stage::Adopted))
    };
    let present: Vec<_> = then.instances_of(name).map(|(instance, _)| instance).filter(runs).collect();
    let version = service.and_then(model::Service::version);
    let tried = service.and_then(model::Service::canary).and_then(|tried| tried.version());
    let is_other = |instance: &&model::Instance| {
        instance.run.as_deref().is_some_and(|run| ![version, tried].contains(&Some(run.version)))
    };
    let launch = service.and_then(|service| service.launch.as_deref());
    let wanted = launch.map(|launch| launch.instances.least());
    let canary = launch.and_then(|launch| launch.canary.as_ref());
    match (present.len(), wanted) {
        (run, Some(wanted)) if run >= wanted.into() && canary.is_some() => "its canary is tried".to_owned(),
        (0, _) => "none of it runs".to_owned(),
        _ if present.iter().any(is_other) => "another version is wanted".to_owned(),
        (run, Some(wanted)) => format!("{run} of {wanted} run"),
        (_, None) => String::new(),
    }
}

/// Why an instance leaves: where none is wanted any more, because of what was said of its service.
fn leaves(then: &Snapshot, placed: &Placed, why: &Leaving) -> String {
    let service = then.service(&placed.service).map(|(service, _)| service);
    match (why, service, service.and_then(|service| service.launch.as_deref())) {
        (Leaving::Surplus, None, _) => "its service is removed".to_owned(),
        (Leaving::Surplus, Some(_), Some(launch)) if !launch.active => "its service is stopped".to_owned(),
        _ => why.to_string(),
    }
}

/// The instances whose place others take: they leave once those are healthy, or before, as the service says.
fn replaced(then: &Snapshot, name: &ServiceName) -> Vec<ForeseenInstance> {
    let service = then.service(name).map(|(service, _)| service);
    let version: Option<Version> = service.and_then(model::Service::version);
    let tried = service.and_then(model::Service::canary).and_then(|tried| tried.version());
    let of_it = then.instances_of(name).filter_map(|(instance, _)| {
        let run = instance.run.as_deref()?;
        let is_leaving = matches!(run.stage, Stage::Draining | Stage::Stopping | Stage::Adopted);
        let is_wanted = [version, tried].contains(&Some(run.version));
        (!is_leaving && !is_wanted).then(|| ForeseenInstance {
            service: name.to_string(),
            instance: instance.name.to_string(),
            host: instance.host.as_ref().map(ToString::to_string).unwrap_or_default(),
            why: match version {
                Some(_) => "another version takes its place".to_owned(),
                None => "the service is not launched any more".to_owned(),
            },
        })
    });
    of_it.collect()
}

#[cfg(test)]
mod tests {
    use control::schedule::Resources;
    use model::InstanceName;

    use super::*;

    fn placed(service: &str, instance: &str, host: &str) -> Placed {
        Placed {
            service: ServiceName::parse(service).unwrap(),
            instance: InstanceName::parse(instance).unwrap(),
            host: HostName::parse(host).unwrap(),
            resources: Resources::default(),
        }
    }

    #[test]
    fn as_many_take_the_place_of_others_as_move() {
        let starts = [("web", "4", "b"), ("web", "5", "c"), ("api", "2", "b"), ("web", "6", "c")];
        let leaves = [
            (placed("web", "1", "a"), Leaving::Gone),
            (placed("web", "2", "d"), Leaving::Gone),
            (placed("api", "1", "a"), Leaving::Surplus),
        ];
        let start = starts.map(|(service, instance, host)| placed(service, instance, host)).to_vec();
        let decided = Schedule { start, leave: BTreeMap::from(leaves), ..Schedule::default() };

        let hosts = moved(&decided).into_iter().map(|moved| moved.map(|moved| moved.host.to_string()));

        let hosts: Vec<_> = hosts.collect();
        let of = |host: &str| Some(host.to_owned());
        assert_eq!(hosts, [of("a"), of("d"), None, None]);
    }
}
