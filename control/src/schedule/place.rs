//! What is missing of a service, each on the best host that has room.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use model::InstanceName;

use super::Unplaced;
use super::fleet::Placed;
use super::judge::Judge;
use super::keep::Kept;
use super::rank::rank;
use super::tally::Tally;
use super::wanted::Copies;
use super::why::Why;

/// Places what is missing. A host's rank changes only when something starts there: it is looked at once, and again whenever it was taken.
pub(super) fn place<'a>(judge: &Judge<'a>, state: &mut Kept<'a>, start: &mut Vec<Placed>) {
    let mut missing = match judge.wanted.copies {
        Copies::Counted(count) | Copies::OnePerHost(count) => {
            count.least().saturating_sub(state.count(judge))
        }
        Copies::EveryHost => u32::MAX,
    };
    if missing == 0 {
        return;
    }
    let fits = state.hosts.iter().enumerate().filter(|(_, host)| judge.starts(host).is_ok());
    let mut queue: BinaryHeap<_> = fits.map(|(at, host)| Reverse(rank(judge, host, at))).collect();
    let mut names = free_names(judge, state).into_iter();
    while missing > 0
        && let Some(Reverse(best)) = queue.pop()
        && let Some(host) = state.hosts.get_mut(best.host)
        && let Some(instance) = names.next()
    {
        host.add(judge.service, judge.wanted.resources);
        *state.counts.entry(judge.service).or_default() += 1;
        if judge.starts(host).is_ok() {
            queue.push(Reverse(rank(judge, host, best.host)));
        }
        start.push(Placed {
            service: judge.service.clone(),
            instance,
            host: host.name.clone(),
            resources: judge.wanted.resources,
        });
        missing -= 1;
    }
}

/// What is missing still when all services had their turn, and why.
pub(super) fn unplaced(judge: &Judge<'_>, state: &Kept<'_>) -> Option<Unplaced> {
    let missing = match judge.wanted.copies {
        Copies::Counted(count) | Copies::OnePerHost(count) => {
            count.least().saturating_sub(state.count(judge))
        }
        // Hosts that a wish leaves out are none of its hosts: it misses those alone that have no room.
        Copies::EveryHost => {
            let full =
                |host: &&Tally<'_>| matches!(judge.starts(host), Err(Why::Cpu { .. } | Why::Memory { .. }));
            u32::try_from(state.hosts.iter().filter(full).count()).unwrap_or(u32::MAX)
        }
    };
    let why = |host: &Tally<'_>| Some((host.name.clone(), judge.starts(host).err()?));
    (missing > 0).then(|| Unplaced { missing, hosts: state.hosts.iter().filter_map(why).collect() })
}

/// As many names as may be needed: the least numbers that no instance has, be it one that leaves.
fn free_names(judge: &Judge<'_>, state: &Kept<'_>) -> Vec<InstanceName> {
    let runs = state.runs.get(judge.service).map_or(&[][..], Vec::as_slice);
    let gone = state.gone.get(judge.service).into_iter().flatten().copied();
    let taken: BTreeSet<&str> =
        runs.iter().map(|placed| &placed.instance).chain(gone).map(InstanceName::as_str).collect();
    let needed = match judge.wanted.copies {
        Copies::Counted(count) | Copies::OnePerHost(count) => count.least() as usize,
        Copies::EveryHost => state.hosts.len(),
    };
    let numbers = (1_u32..).map(|number| number.to_string()).filter(|name| !taken.contains(name.as_str()));
    numbers.filter_map(|name| InstanceName::parse(&name).ok()).take(needed).collect()
}
