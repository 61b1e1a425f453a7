//! Which upstream is asked first, and how long it is waited for before the next one is asked too. Pure: the time is an argument.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::config::FORWARD_TIMEOUT;

/// What one is thought to take that was not asked yet.
const UNKNOWN: Duration = Duration::from_millis(100);
/// The least that is waited before the next one is asked: an upstream may have to ask around itself.
const LEAST: Duration = Duration::from_millis(250);
/// How many questions in a row it may not answer in time before others are preferred.
const MISSES: u32 = 2;
/// How often one that did not answer is tried again, beside another one.
const RETRY: Duration = Duration::from_secs(10);

/// All upstreams, by their place in the configuration.
#[derive(Debug)]
pub(super) struct Peers(Vec<Peer>);

#[derive(Debug)]
struct Peer {
    address: SocketAddr,
    /// How long it takes, smoothed.
    takes: Option<Duration>,
    /// Questions in a row that it did not answer in time.
    misses: u32,
    /// When it is tried again.
    retry: Option<Instant>,
}

/// Whom to ask for one question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// One after the other.
    pub(super) order: Vec<usize>,
    /// One that did not answer lately and is asked at once beside the first, so that nobody waits for it in vain.
    pub(super) beside: Option<usize>,
}

impl Peers {
    pub(super) fn new(addresses: &[SocketAddr]) -> Self {
        let peer = |address: &SocketAddr| Peer { address: *address, takes: None, misses: 0, retry: None };
        Self(addresses.iter().map(peer).collect())
    }

    /// Those that answer come first, the fastest at the front.
    pub(super) fn plan(&mut self, now: Instant) -> Plan {
        let mut order: Vec<usize> = (0..self.0.len()).collect();
        order.sort_by_key(|place| {
            self.0.get(*place).map(|peer| (peer.is_gone(), peer.takes.unwrap_or(UNKNOWN)))
        });
        let some_answer = self.0.iter().any(|peer| !peer.is_gone());
        let due = |peer: &Peer| peer.is_gone() && peer.retry.is_none_or(|retry| retry <= now);
        let beside = self.0.iter().position(due).filter(|_| some_answer);
        if let Some(peer) = beside.and_then(|place| self.0.get_mut(place)) {
            peer.retry = Some(now + RETRY);
        }
        Plan { order, beside }
    }

    /// Where it is.
    pub(super) fn address(&self, place: usize) -> Option<SocketAddr> {
        self.0.get(place).map(|peer| peer.address)
    }

    /// How long it is waited for before another one is asked as well.
    pub(super) fn patience(&self, place: usize) -> Duration {
        let takes = self.0.get(place).and_then(|peer| peer.takes).filter(|_| self.0.len() > 1);
        takes.map_or(FORWARD_TIMEOUT, |takes| (takes * 3).clamp(LEAST, FORWARD_TIMEOUT))
    }

    /// It answered, after so long.
    pub(super) fn answered(&mut self, place: usize, took: Duration) {
        if let Some(peer) = self.0.get_mut(place) {
            peer.takes = Some(peer.takes.map_or(took, |takes| (takes * 7 + took) / 8));
            (peer.misses, peer.retry) = (0, None);
        }
    }

    /// It did not answer in time, or not at all.
    pub(super) fn missed(&mut self, place: usize, now: Instant) {
        if let Some(peer) = self.0.get_mut(place) {
            peer.misses = peer.misses.saturating_add(1);
            if peer.misses == MISSES {
                peer.retry = Some(now + RETRY);
            }
        }
    }
}

impl Peer {
    fn is_gone(&self) -> bool {
        self.misses >= MISSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> (Peers, Instant) {
        let addresses: Vec<_> = (1..4).map(|last| SocketAddr::from(([192, 0, 2, last], 53))).collect();
        (Peers::new(&addresses), Instant::now())
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_fastest_is_the_first_and_a_measure_is_smoothed() {
        let (mut peers, now) = three();
        assert_eq!(peers.plan(now).order, [0, 1, 2]);
        peers.answered(0, ms(200));
        peers.answered(2, ms(20));
        assert_eq!(peers.plan(now).order, [2, 1, 0]);
        peers.answered(2, ms(180));
        assert_eq!(peers.plan(now).order, [2, 1, 0], "once is no measure");
        assert_eq!((peers.patience(0), peers.patience(1), peers.patience(2)), (ms(600), ms(1000), ms(250)));
    }

    #[test]
    fn one_that_does_not_answer_is_the_last_and_tried_beside_others() {
        let (mut peers, now) = three();
        peers.missed(0, now);
        assert_eq!(peers.plan(now).order, [0, 1, 2], "once can happen");
        peers.missed(0, now);
        assert_eq!(peers.plan(now), Plan { order: vec![1, 2, 0], beside: None });
        assert_eq!(peers.plan(now + RETRY), Plan { order: vec![1, 2, 0], beside: Some(0) });
        assert_eq!(peers.plan(now + RETRY).beside, None, "by one question");
        peers.answered(0, ms(1));
        assert_eq!(peers.plan(now + RETRY * 2), Plan { order: vec![0, 1, 2], beside: None });
    }

    #[test]
    fn where_none_answers_all_are_asked_in_turn() {
        let (mut peers, now) = three();
        for place in [0, 1, 2, 0, 1, 2] {
            peers.missed(place, now);
        }
        assert_eq!(peers.plan(now + RETRY), Plan { order: vec![0, 1, 2], beside: None });
    }
}
