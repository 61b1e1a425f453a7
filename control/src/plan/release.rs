//! Whether every node has let go of an instance.
//!
//! In: what nodes say, since when. Out: whether it may be told to end, or what is waited for. Never here: hope: a node that does not say that it
//! let go is waited for, and one that is lost for its grace, and then named.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use model::launch::Stop;
use model::{Address, Instance, NodeId, Nodes, Others, Released, Revision};

use super::{Launched, Seen};
use crate::config::Config;

/// How an instance stands that left every set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Release {
    /// Something is waited for.
    Waiting(String),
    /// It may be told to end.
    Done(Released),
}

/// What all nodes together say about what left at a revision.
pub(super) struct Said {
    pub(super) waiting: Vec<NodeId>,
    pub(super) lost: Vec<NodeId>,
    pub(super) in_flight: u64,
    pub(super) tunnels: u64,
    pub(super) ttl: Duration,
    pub(super) others: Others,
}

/// What they say about these addresses. Where there is none nothing is in flight; who serves what is asked all the same.
pub(super) fn said(nodes: &Nodes, revision: Revision, addresses: Vec<Address>) -> Said {
    let nowhere = Address::Ip { ip: Ipv4Addr::UNSPECIFIED.into(), port: NonZeroU16::MIN };
    let release = nodes.released(revision, &nowhere);
    let mut all = Said {
        waiting: release.waiting,
        lost: release.lost,
        in_flight: 0,
        tunnels: 0,
        ttl: release.ttl,
        others: nodes.others,
    };
    for address in addresses {
        let release = nodes.released(revision, &address);
        all.in_flight += release.in_flight;
        all.tunnels += release.tunnels;
    }
    all
}

/// Where nodes reach an instance.
fn addresses(instance: &Instance) -> Vec<Address> {
    let at = |ip| instance.ports.values().map(move |port| Address::Ip { ip, port: *port });
    instance.addresses.iter().flat_map(at).collect()
}

/// Whether every node that lives serves that an instance leaves, and those that do not live were waited for.
pub(crate) fn is_served(
    nodes: &Nodes,
    revision: Revision,
    instance: &Instance,
    config: &Config,
    now: Instant,
) -> bool {
    is_let_go(nodes, &said(nodes, revision, addresses(instance)), config, now)
}

/// Whether those who say so are all that there are.
pub(super) fn is_let_go(nodes: &Nodes, said: &Said, config: &Config, now: Instant) -> bool {
    let are_known = matches!(said.others, Others::None | Others::Heard);
    are_known && said.waiting.is_empty() && said.lost.iter().all(|node| is_over(nodes, node, config, now))
}

/// Whether a lost node's grace is over.
fn is_over(nodes: &Nodes, node: &NodeId, config: &Config, now: Instant) -> bool {
    let heard = nodes.by_name.get(node).map(|node| node.heard);
    heard.is_none_or(|heard| now.saturating_duration_since(heard) >= config.node_grace)
}

/// Whether an instance that drains may be told to end.
pub(crate) fn release(seen: Seen<'_>, launched: Launched<'_>, stop: Stop, ttl: Option<Duration>) -> Release {
    let Launched { instance, stated, .. } = launched;
    let said = said(seen.nodes, stated.revision, addresses(instance));
    let age = seen.memory.age(&stated.fact.key(), seen.now);
    let Some(served) = seen.memory.served(&launched.key()) else {
        let names = |nodes: &[NodeId]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Release::Waiting(match (said.others, &*said.waiting, &*said.lost) {
            (Others::Away | Others::Unknown, ..) => "other nodes cannot be heard".to_owned(),
            (_, [], lost) => format!("lost nodes may still use it: {}", names(lost)),
            (_, waiting, _) => format!("nodes still use it: {}", names(waiting)),
        });
    };
    // Answers of DNS may be kept for so long since the last node said it.
    let kept = said.ttl.max(ttl.unwrap_or_default());
    let answers_hold = seen.now.saturating_duration_since(served) < kept;
    let is_idle = said.in_flight == 0 && said.tunnels == 0;
    let drained = age >= stop.drain.max(kept);
    if (is_idle && !answers_hold) || drained {
        return Release::Done(Released {
            after_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            unconfirmed: said.lost,
            cut: said.in_flight,
            tunnels: said.tunnels,
        });
    }
    Release::Waiting(match (answers_hold, said.in_flight, said.tunnels) {
        (true, 0, 0) => "DNS answers with it may still be kept".to_owned(),
        (_, in_flight, tunnels) => format!("{in_flight} requests and {tunnels} tunnels are in flight"),
    })
}
