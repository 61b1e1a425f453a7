//! Which of the hosts that fit goes first.

use std::cmp::Reverse;

use model::launch::Fill;

use super::judge::Judge;
use super::tally::Tally;
use super::wanted::Copies;

/// The least goes first; hosts that are alike go by name, which is how they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) tier: u32,
    preferred: Reverse<u64>,
    filling: Filling,
    pub(super) host: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Filling {
    /// How many of the service, how full, how many of all.
    Spread(u32, u128, u32),
    /// How full, how many of all.
    Pack(Reverse<u128>, Reverse<u32>),
}

/// The rank of the host that is at `at` among all.
pub(super) fn rank(judge: &Judge<'_>, host: &Tally<'_>, at: usize) -> Rank {
    let wishes = &judge.wanted.wishes;
    let kept = wishes.preferred.iter().filter(|wish| host.label(&wish.key) == Some(wish.value.as_str()));
    let of_it = host.count(judge.service) + host.count_leaving(judge.service);
    let filling = match wishes.fill {
        Fill::Spread => Filling::Spread(of_it, host.fullness(), host.instances()),
        Fill::Pack => Filling::Pack(Reverse(host.fullness()), Reverse(host.instances())),
    };
    let tier = match judge.wanted.copies {
        Copies::Counted(_) | Copies::OnePerHost(_) => host.machine.tier,
        Copies::EveryHost => 0,
    };
    Rank { tier, preferred: Reverse(kept.map(|wish| u64::from(wish.weight)).sum()), filling, host: at }
}
