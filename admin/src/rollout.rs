//! How far a service has come to what is wanted of it, as one snapshot says it.
//!
//! In: a snapshot. Out: [`Rollout`]. Never here: what the controller said of another version than the one that is wanted now.

use model::launch::{Launch, PerHost};
use model::{Deployment, DeploymentState, Instance, InstanceState, Run, Service, Snapshot, Stage, Version};

use crate::wire::{DeploymentStateDoc, InstanceStateDoc, Rollout, RolloutCanary, RolloutInstance, StageDoc};

/// How far a service has come; `None`: it is never launched.
pub(crate) fn of(facts: &Snapshot, service: &Service) -> Option<Rollout> {
    let (launch, version) = (service.launch.as_deref()?, service.version()?);
    let said = facts.deployment(&service.name).map(|(deployment, _)| deployment);
    let said = said.filter(|deployment| deployment.version == version);
    let launched: Vec<_> = facts.instances_of(&service.name).filter_map(|(one, _)| launched(one)).collect();
    let tried = service.canary().and_then(|tried| tried.version());
    let canary = tried.and_then(|tried| canary(facts, launch, tried, (service, &launched)));
    // One that failed is on its way out, like any other that nothing wants.
    let tried = tried.filter(|_| canary.as_ref().is_some_and(|canary| !canary.has_failed()));
    let counted = Counted::of(&launched, version, tried);
    let wanted = Wanted::of(launch);
    let state = said.map(|deployment| deployment.state);
    let failed = state == Some(DeploymentState::Failed) && !wanted.is_none();
    let missing = missing(said, &counted, wanted, canary.as_ref());
    let controller = facts.controller().map(|(controller, _)| controller.node.to_string());
    let settled = !failed && missing.is_empty();
    let missing = match &controller {
        _ if settled => missing,
        None => format!("no node controls: nothing is launched or ended ({missing})"),
        Some(_) => missing,
    };
    Some(Rollout {
        revision: facts.revision().number(),
        service: service.name.to_string(),
        version: version.to_string(),
        image: launch.image.to_string(),
        wanted: wanted.least,
        healthy: counted.healthy,
        state: state.map(DeploymentStateDoc::from),
        reason: said.map(|deployment| deployment.reason.to_string()).unwrap_or_default(),
        settled,
        failed,
        missing,
        canary,
        controller,
        instances: launched.into_iter().map(|(one, run)| told(one, run, (version, tried))).collect(),
    })
}

/// What a controller launched: what joins by its labels is none of it.
fn launched(instance: &Instance) -> Option<(&Instance, &Run)> {
    let run = instance.run.as_deref().filter(|run| run.stage != Stage::Adopted)?;
    Some((instance, run))
}

fn is_leaving(run: &Run) -> bool {
    matches!(run.stage, Stage::Draining | Stage::Stopping)
}

/// How many instances are wanted.
#[derive(Clone, Copy)]
struct Wanted {
    /// `None`: one on every host.
    least: Option<u32>,
    most: u32,
}

impl Wanted {
    fn of(launch: &Launch) -> Self {
        match (launch.active, launch.placement.per_host) {
            (false, _) => Self { least: Some(0), most: 0 },
            (true, PerHost::Every) => Self { least: None, most: u32::MAX },
            (true, _) => {
                Self { least: Some(launch.instances.least().into()), most: launch.instances.most().into() }
            }
        }
    }

    fn is_none(self) -> bool {
        self.most == 0
    }
}

/// Instances, counted.
#[derive(Default)]
struct Counted {
    /// Of the version that is wanted, where they are to stay.
    current: u32,
    /// Those of them that are healthy, or jobs that are done.
    healthy: u32,
    /// Of another version, and not on their way out.
    old: u32,
    /// On their way out.
    leaving: u32,
}

impl Counted {
    fn of(launched: &[(&Instance, &Run)], version: Version, tried: Option<Version>) -> Self {
        let mut counted = Self::default();
        for (instance, run) in launched {
            let place = match run.version == version {
                _ if is_leaving(run) => &mut counted.leaving,
                _ if Some(run.version) == tried => continue,
                true => &mut counted.current,
                false => &mut counted.old,
            };
            *place += 1;
            let is_healthy = run.stage == Stage::Running && instance.state == InstanceState::Healthy;
            counted.healthy += u32::from(run.version == version && (is_healthy || run.is_done()));
        }
        counted
    }
}

/// What is missing until all that is wanted is so; empty: nothing.
fn missing(
    said: Option<&Deployment>,
    counted: &Counted,
    wanted: Wanted,
    canary: Option<&RolloutCanary>,
) -> String {
    let Counted { current, healthy, old, leaving } = *counted;
    if wanted.is_none() {
        let rest = current + old + leaving;
        return if rest == 0 { String::new() } else { format!("{} still there", instances(rest)) };
    }
    let Some(deployment) = said else { return "no controller took it up yet".to_owned() };
    let mut missing = Vec::new();
    let least = wanted.least.unwrap_or(current);
    if healthy < least {
        missing.push(format!("{healthy} of {least} healthy"));
    }
    if current > wanted.most {
        missing.push(format!("{} more than wanted", current - wanted.most));
    }
    if old > 0 {
        missing.push(format!("{} of another version", instances(old)));
    }
    if let Some(canary) = canary.filter(|canary| !canary.has_failed()) {
        let RolloutCanary { healthy, wanted, state, .. } = canary;
        match state {
            None => missing.push("no controller took the canary up yet".to_owned()),
            Some(_) if *healthy < u32::from(*wanted) => {
                missing.push(format!("{healthy} of {wanted} healthy of the canary"));
            }
            Some(DeploymentStateDoc::Done) => {}
            Some(_) => missing.push("the controller says progressing of the canary".to_owned()),
        }
    }
    if missing.is_empty() && deployment.state != DeploymentState::Done {
        missing.push(format!("the controller says {}", deployment.state.name()));
    }
    missing.join("; ")
}

fn instances(count: u32) -> String {
    if count == 1 { "1 instance".to_owned() } else { format!("{count} instances") }
}

/// How far what is tried of a service has come.
fn canary(
    facts: &Snapshot,
    launch: &Launch,
    version: Version,
    (service, launched): (&Service, &[(&Instance, &Run)]),
) -> Option<RolloutCanary> {
    let canary = launch.canary.as_ref()?;
    let deployment = facts.deployment(&service.name).map(|(deployment, _)| deployment);
    let said = deployment.and_then(|deployment| deployment.canary.as_ref());
    let said = said.filter(|said| said.version == version);
    let running = deployment.map_or(0, |deployment| deployment.instances);
    let usual = if launch.active { launch.instances.kept(running) } else { 0 };
    Some(RolloutCanary {
        version: version.to_string(),
        image: canary.image.to_string(),
        percent: canary.percent.get(),
        wanted: canary.percent.instances(usual),
        healthy: Counted::of(launched, version, None).healthy,
        state: said.map(|said| said.state.into()),
        reason: said.map(|said| said.reason.to_string()).unwrap_or_default(),
    })
}

fn told(instance: &Instance, run: &Run, (version, tried): (Version, Option<Version>)) -> RolloutInstance {
    RolloutInstance {
        name: instance.name.to_string(),
        host: instance.host.as_ref().map(ToString::to_string).unwrap_or_default(),
        current: run.version == version,
        canary: Some(run.version) == tried,
        state: InstanceStateDoc::from(instance.state),
        stage: StageDoc::from(run.stage),
        failures: run.failures,
        reason: run.reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
