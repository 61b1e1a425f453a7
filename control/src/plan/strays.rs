//! Containers that carry our labels and that no fact states: what a lost host, or a controller before, left behind.
//!
//! Nothing is told to end while it serves: a fact may have gone while something was open through it, so a stray is waited for as a draining
//! instance is, from when this controller first sees it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use model::{Address, Addresses, Fact, FactKey, HostName, InstancesAt, Revision};

use super::release::{Served, let_go, said};
use super::{HostView, Key, Labels, Order, Plan, Seen};
use crate::runtime::{Container, ContainerState};

/// How long a stray has to end.
const GRACE: Duration = Duration::from_secs(10);
/// How long what is open through a stray has to end.
const DRAIN: Duration = Duration::from_secs(60);

/// What is remembered of a stray.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// What was stated when it was first seen: no set of that revision has it.
    pub revision: Revision,
    /// When that was.
    pub since: Instant,
    /// Since when every node has served that; `None`: not all do.
    pub served: Option<Served>,
}

/// The strays of a host.
pub(super) fn of<'a>(
    seen: Seen<'a>,
    host: &'a HostName,
    view: &'a HostView,
) -> impl Iterator<Item = (Key, &'a Container)> {
    view.containers.iter().filter_map(move |container| {
        let labels = Labels::of(container).filter(|labels| labels.fleet == seen.config.fleet)?;
        let key = labels.key();
        let stated = seen.facts.get(&FactKey::Instance { service: key.0.clone(), name: key.1.clone() });
        let is_stated = stated.is_some_and(|stated| match &*stated.fact {
            Fact::Instance(instance) => {
                let is_of_it = instance.run.as_ref().is_some_and(|run| run.version == labels.version);
                // Two hosts may have one engine, under two names.
                let is_there = |named: &HostName| {
                    let view = seen.hosts.get(named);
                    let mut containers = view.into_iter().flat_map(|view| &view.containers);
                    containers.any(|there| there.id == container.id)
                };
                is_of_it && instance.host.as_ref().is_some_and(|named| named == host || is_there(named))
            }
            _ => false,
        });
        (!is_stated).then_some((key, container))
    })
}

/// Remembers strays from when they are first seen; forgets those that are gone.
pub(super) fn look(strays: &mut BTreeMap<String, Stray>, seen: Seen<'_>) {
    let mut before = std::mem::take(strays);
    for (host, view) in seen.hosts {
        for (_, container) in of(seen, host, view) {
            let new = Stray { revision: seen.facts.revision(), since: seen.now, served: None };
            let stray = before.remove(&container.id).unwrap_or(new);
            let said = said(seen.nodes, stray.revision, addresses(seen, host, container));
            let served = let_go(seen.nodes, said, seen.config, stray.served.as_ref(), seen.now);
            strays.insert(container.id.clone(), Stray { served, ..stray });
        }
    }
}

/// Ends those that nothing goes through any more.
pub(super) fn end(seen: Seen<'_>, plan: &mut Plan) {
    for (host, view) in seen.hosts {
        for (key, container) in of(seen, host, view) {
            if seen.memory.busy.contains(&key) || seen.view(host, Some(&key)).is_none() {
                continue;
            }
            if container.state == ContainerState::Running && !is_free(seen, host, container) {
                continue;
            }
            if let Some(step) = super::end(seen, container, None, GRACE) {
                plan.orders.push(Order { key, host: host.clone(), revision: Revision::ZERO, step });
            }
        }
    }
}

/// Whether nothing goes through a stray, and nothing can come, or it had its time.
fn is_free(seen: Seen<'_>, host: &HostName, container: &Container) -> bool {
    let Some(stray) = seen.memory.strays.get(&container.id) else { return false };
    let Some(served) = &stray.served else { return false };
    let said = said(seen.nodes, stray.revision, addresses(seen, host, container));
    // Of one that is known in part nobody knows all the addresses at which something may go through it.
    let is_idle = !container.partial && said.in_flight == 0 && said.tunnels == 0;
    let answers_hold = seen.now.saturating_duration_since(served.since) < said.ttl;
    let had_its_time = seen.now.saturating_duration_since(stray.since) >= DRAIN;
    !answers_hold && (is_idle || had_its_time)
}

/// Where nodes may have reached it: at its host, by what is published, or at its own addresses, by whatever port.
fn addresses(seen: Seen<'_>, host: &HostName, container: &Container) -> Vec<Address> {
    let Some(host) = seen.host(host) else { return Vec::new() };
    if host.instances_at == InstancesAt::Host {
        let ports = || container.published.iter().map(|published| published.outside);
        let at = |ip: IpAddr| ports().map(move |port| Address::Ip { ip, port });
        return seen.facts.addresses_of(host).into_iter().flat_map(Addresses::iter).flat_map(at).collect();
    }
    let reports = seen.nodes.by_name.values().filter_map(|node| node.report.proxy.as_ref());
    let leaving = reports.flat_map(|proxy| &proxy.leaving).map(|endpoint| &endpoint.address);
    let is_its = |address: &&Address| match address {
        Address::Ip { ip, .. } => container.addresses.contains(ip),
        _ => false,
    };
    leaving.filter(is_its).cloned().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
