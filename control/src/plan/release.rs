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

/// That all nodes serve without something: those that live say so, those that are lost were waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Since when.
    pub since: Instant,
    /// Who was lost, and said nothing.
    lost: Vec<NodeId>,
}

/// Whether all serve that an instance leaves; `before`: what was known of that so far.
pub(super) fn served(
    nodes: &Nodes,
    (revision, instance): (Revision, &Instance),
    config: &Config,
    before: Option<&Served>,
    now: Instant,
) -> Option<Served> {
    let_go(nodes, said(nodes, revision, addresses(instance)), config, before, now)
}

/// The same of what was said.
pub(super) fn let_go(
    nodes: &Nodes,
    said: Said,
    config: &Config,
    before: Option<&Served>,
    now: Instant,
) -> Option<Served> {
    let are_known = matches!(said.others, Others::None | Others::Heard);
    let is_over = |node: &NodeId| is_over(nodes, node, config, now);
    if !are_known || !said.waiting.is_empty() || !said.lost.iter().all(is_over) {
        return None;
    }
    // One that was lost, and is back, answered as it did before until now.
    let is_back = |before: &&Served| before.lost.iter().any(|node| !said.lost.contains(node));
    let since = before.filter(|before| !is_back(before)).map_or(now, |before| before.since);
    Some(Served { since, lost: said.lost })
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
    let since = seen.now.saturating_duration_since(served);
    let answers_hold = since < kept;
    let is_idle = said.in_flight == 0 && said.tunnels == 0;
    if !answers_hold && (is_idle || since >= stop.drain) {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What nodes say of which these are lost.
    fn all_but(lost: &[&str]) -> Said {
        let lost = lost.iter().map(|name| NodeId((*name).into())).collect();
        let ttl = Duration::from_secs(5);
        Said { waiting: Vec::new(), lost, in_flight: 0, tunnels: 0, ttl, others: Others::Heard }
    }

    #[test]
    fn a_lost_node_that_is_back_has_begun_to_serve_it_only_now() {
        let (begin, config) = (Instant::now(), Config::default());
        let nodes = Nodes { own: NodeId("a".into()), others: Others::Heard, by_name: BTreeMap::new() };
        let look = |lost: &[&str], before: Option<&Served>, seconds| {
            let now = begin + Duration::from_secs(seconds);
            let served = let_go(&nodes, all_but(lost), &config, before, now).expect("their grace is over");
            (served.since.duration_since(begin).as_secs(), served)
        };

        let (first, without) = look(&["b", "c"], None, 1);
        let (same, without_still) = look(&["b", "c"], Some(&without), 2);
        let (back, with_b) = look(&["c"], Some(&without_still), 3);
        let (more, _) = look(&["b", "c"], Some(&with_b), 4);

        assert_eq!((first, same, back, more), (1, 1, 3, 3));
    }
}
