//! What is tried of services beside what runs: how many of which version.

use model::{DeploymentState, Service, ServiceName, Snapshot, Version};

use crate::check::wanted;

/// How many are wanted of a version; `None`: it is neither the one that is to run nor one that is tried.
pub(crate) fn wanted_of(facts: &Snapshot, name: &ServiceName, version: Version) -> Option<usize> {
    let (service, _) = facts.service(name)?;
    if effective(facts, name) == Some(version) {
        return Some(wanted(facts, name));
    }
    let said = facts.deployment(name).and_then(|(deployment, _)| deployment.canary.as_ref());
    let has_failed =
        said.is_some_and(|said| said.version == version && said.state == DeploymentState::Failed);
    (of(service) == Some(version) && !has_failed).then(|| count(service))
}

/// The version that is tried of a service.
pub(crate) fn of(service: &Service) -> Option<Version> {
    service.canary()?.version()
}

/// How many there are to be of that.
pub(crate) fn count(service: &Service) -> usize {
    let launch = service.launch.as_ref().filter(|launch| launch.active);
    let share = launch.and_then(|launch| Some((launch.canary.as_ref()?.percent, launch.instances.least())));
    share.map_or(0, |(percent, usual)| percent.instances(usual).into())
}

/// Versions that are no capacity of a service: what is tried of it, or was until now.
pub(crate) fn spare(facts: &Snapshot, name: &ServiceName) -> impl Iterator<Item = Version> {
    let said = facts.deployment(name).and_then(|(deployment, _)| deployment.canary.as_ref());
    let tried = facts.service(name).and_then(|(service, _)| of(service));
    said.map(|said| said.version).into_iter().chain(tried)
}

/// The version that is to run: the one before, where the one that is wanted has failed.
pub(crate) fn effective(facts: &Snapshot, name: &ServiceName) -> Option<Version> {
    let (service, _) = facts.service(name)?;
    let failed = facts.deployment(name).map(|(deployment, _)| deployment);
    let failed =
        failed.filter(|it| it.state == DeploymentState::Failed && Some(it.version) == service.version());
    failed.and_then(|it| it.stable.as_deref()).map_or(service.version(), Service::version)
}
