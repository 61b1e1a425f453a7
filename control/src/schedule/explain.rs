//! What each host is to a service: how good, or why not.

use std::collections::BTreeMap;

use model::{HostName, ServiceName};

use super::fleet::Fleet;
use super::why::Why;
use super::{keep, order, place, rank};

/// What a host is to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// How many instances of it stay there.
    pub stay: u32,
    /// Where it stands among the hosts that the next instance could start on, from 1; or why it is none of them. What a tier above still
    /// has room for may go to it once that is full.
    pub next: Result<u32, Why>,
}

/// Says of every host what it is to a service when its turn comes: all that stays is there, and what services before it start.
/// `None`: nothing is wanted of it.
pub fn explain(fleet: &Fleet, service: &ServiceName) -> Option<BTreeMap<HostName, Explained>> {
    let mut state = keep::keep(fleet);
    let mut before = Vec::new();
    for judge in order::order(fleet) {
        if judge.service != service {
            place::place(&judge, &mut state, &mut before);
            continue;
        }
        let hosts = state.hosts.iter().enumerate();
        let judged = hosts.map(|(at, host)| judge.starts(host).map(|()| rank::rank(&judge, host, at)));
        let judged: Vec<_> = judged.collect();
        let mut ranks: Vec<_> = judged.iter().flatten().copied().collect();
        ranks.sort_unstable();
        let above = ranks.first().map(|best| best.tier);
        let explained = state.hosts.iter().zip(judged).map(|(host, judged)| {
            let next = judged.and_then(|rank| match above {
                Some(above) if above < rank.tier => Err(Why::Tier { tier: rank.tier, above }),
                _ => {
                    let better = ranks.partition_point(|other| *other < rank);
                    Ok(u32::try_from(better).unwrap_or(u32::MAX).saturating_add(1))
                }
            });
            (host.name.clone(), Explained { stay: host.count(service), next })
        });
        return Some(explained.collect());
    }
    None
}
