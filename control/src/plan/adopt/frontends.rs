//! Frontends that containers ask for: `portico.frontend: HOST[/PATH], …`, where the configuration lets them.
//!
//! Such a frontend is known by its backend's name, `label:SERVICE`: it goes with the last container that asks for it. All others are
//! somebody's own, and stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Backend, BackendName, Fact, FactKey, Frontend, HostPattern, Instance, PathPrefix, ServiceName,
    ServiceRef, Snapshot,
};

use super::super::{Edits, Seen, short};
use crate::runtime::Container;

/// The frontends that a container asks for.
const FRONTEND: &str = "portico.frontend";
/// What the backend of a frontend that follows from labels is called, before its service.
const MARK: &str = "label:";

/// How many one container may ask for.
const MOST: usize = 32;

/// States those that are asked for, and not the others; of services among `unknown` there may be some that cannot be asked now. Whose
/// request is not met says so.
pub(super) fn claim(
    seen: Seen<'_>,
    joined: &mut BTreeMap<FactKey, (Instance, &Container)>,
    unknown: &BTreeSet<&ServiceName>,
    edits: &mut Edits,
) {
    let allowed = &seen.config.label_frontends;
    let mut wanted: BTreeMap<FactKey, BTreeMap<ServiceName, Frontend>> = BTreeMap::new();
    for (instance, container) in joined.values() {
        for frontend in asked(container).filter_map(|text| read(text, instance, allowed).ok()) {
            let of = wanted.entry(frontend.key()).or_default();
            of.entry(instance.service.clone()).or_insert(frontend);
        }
    }
    let mut gone = BTreeSet::new();
    // Where none may be asked for there is none, and nobody reads a million of others.
    for (frontend, stated) in seen.facts.frontends().take_while(|_| !allowed.is_empty()) {
        let Some(service) = owner(frontend) else { continue };
        let is_wanted = wanted.get(&frontend.key()).is_some_and(|of| of.contains_key(service));
        if !is_wanted && !unknown.contains(service) {
            edits.remove(stated);
            gone.insert(frontend.key());
        }
    }
    let mut held: BTreeMap<&FactKey, &ServiceName> = BTreeMap::new();
    for (key, of) in &wanted {
        let there = stated(seen.facts, key).filter(|_| !gone.contains(key));
        let service = match there {
            None => of.keys().next(),
            Some(there) => there.backend.endpoints.service().map(|to| &to.service),
        };
        let Some(service) = service else { continue };
        held.insert(key, service);
        let is_ours = there.is_none_or(|there| owner(there).is_some());
        if let Some(frontend) = of.get(service).filter(|_| is_ours) {
            let policy = there.map(|there| there.policy.clone()).unwrap_or_default();
            edits.put(Fact::Frontend(Frontend { policy, ..frontend.clone() }), seen.facts.get(key));
        }
    }
    for (instance, container) in joined.values_mut().filter(|(_, container)| !container.partial) {
        let missed = asked(container).filter_map(|text| {
            let key = match read(text, instance, allowed) {
                Ok(frontend) => frontend.key(),
                Err(why) => return Some(format!("{FRONTEND}: `{text}`: {why}")),
            };
            let remedy = "take it out of the label, or remove that frontend";
            let is_met = held.get(&key) == Some(&&instance.service);
            (!is_met).then(|| format!("{FRONTEND}: `{text}` leads elsewhere already; {remedy}"))
        });
        let beyond = all(container).count().saturating_sub(MOST);
        let beyond = (beyond > 0).then(|| format!("{FRONTEND}: {beyond} more than {MOST} are left out"));
        let missed = missed.chain(beyond);
        let said = instance.run.iter().map(|run| run.reason.to_string()).filter(|said| !said.is_empty());
        let reason = short(&said.chain(missed).collect::<Vec<_>>().join("; "));
        instance.run.iter_mut().for_each(|run| run.reason = reason.as_str().into());
    }
}

fn asked(container: &Container) -> impl Iterator<Item = &str> {
    all(container).take(MOST)
}

fn all(container: &Container) -> impl Iterator<Item = &str> {
    let label = container.labels.get(FRONTEND).into_iter();
    label.flat_map(|label| label.split(',').map(str::trim)).filter(|text| !text.is_empty())
}

fn stated<'a>(facts: &'a Snapshot, key: &FactKey) -> Option<&'a Frontend> {
    facts.get(key)?.fact.as_frontend()
}

/// The service whose containers asked for a frontend; `None`: it is somebody's own.
fn owner(frontend: &Frontend) -> Option<&ServiceName> {
    let service = &frontend.backend.endpoints.service()?.service;
    let name = frontend.backend.name.as_str().strip_prefix(MARK);
    (name == Some(service.as_str())).then_some(service)
}

/// Reads `HOST[/PATH]`.
fn read(text: &str, instance: &Instance, allowed: &[HostPattern]) -> Result<Frontend, String> {
    let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    let host = HostPattern::parse(host).map_err(|error| error.to_string())?;
    let path = if path.is_empty() { Ok(PathPrefix::root()) } else { PathPrefix::parse(path) };
    let may = |allowed: &HostPattern| match &host {
        HostPattern::Exact(name) => allowed.matches(name),
        _ => *allowed == HostPattern::Any || *allowed == host,
    };
    if !allowed.iter().any(may) {
        return Err("containers may not ask for it; add it to `control.label_frontends`".to_owned());
    }
    // Of several, the service says which is the first.
    let port = instance.ports.keys().next().filter(|_| instance.ports.len() == 1).cloned();
    let endpoints = ServiceRef { service: instance.service.clone(), port }.into();
    let name =
        BackendName::parse(&format!("{MARK}{}", instance.service)).map_err(|error| error.to_string())?;
    let path = path.map_err(|error| error.to_string())?;
    let backend = Backend { name, endpoints, ..Frontend::default().backend };
    Ok(Frontend { host, path, backend, ..Frontend::default() })
}
