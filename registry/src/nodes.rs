//! All nodes' reports, put together: this node's own word, and what a driver heard of others.
//!
//! In: reports, what a driver heard, the time. Out: one [`Nodes`] after the other. Never here: a store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Node, NodeId, Nodes, Others, Report};
use tokio::sync::watch;

use crate::Config;

/// The most nodes that are known at once; of more, those that were heard of last.
pub const MAX_NODES: usize = 1000;
/// How many nodes make a millisecond's rest between two tellings of all.
const REST_PER: usize = 50;

/// What a driver heard of other nodes.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Whether they can be heard of.
    pub others: Others,
    /// All that they said until then was heard. Leases are measured by that: while nobody listens, none ends.
    pub listened: Option<Instant>,
    /// What each said last.
    pub words: BTreeMap<NodeId, Word>,
}

/// The last word of another node.
#[derive(Debug, Clone)]
pub struct Word {
    /// What it said.
    pub report: Arc<Report>,
    /// When.
    pub heard: Instant,
    /// How long that holds: a node that says nothing for longer is lost.
    pub lease: Duration,
    /// Who said it, and which of its words it is.
    pub voice: Voice,
}

/// Which process of a node said a word, and when by its own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Voice {
    /// A number that chance gave the process.
    pub process: u64,
    /// The microseconds since it began.
    pub said_us: u64,
}

impl Word {
    fn lost_at(&self) -> Option<Instant> {
        self.heard.checked_add(self.lease)
    }

    /// When it is forgotten, where a node that is lost is named for `keep`.
    pub(crate) fn gone_at(&self, keep: Duration) -> Option<Instant> {
        self.lost_at()?.checked_add(keep)
    }

    /// Whether the lease had ended at `time`.
    pub(crate) fn is_lost(&self, time: Instant) -> bool {
        self.lost_at().is_some_and(|end| end <= time)
    }

    /// Whether it is a later word than the one by `voice` that was said at `at`.
    pub(crate) fn is_after(&self, voice: Voice, at: Instant) -> bool {
        match self.voice.process == voice.process {
            true => self.voice.said_us > voice.said_us,
            false => self.heard > at,
        }
    }
}

impl Heard {
    /// What leases are measured by at `now`.
    pub(crate) fn time(&self, now: Instant) -> Instant {
        self.listened.map_or(now, |listened| listened.min(now))
    }

    /// Takes in a word; of too many nodes, the one that was heard of first is forgotten.
    pub(crate) fn take(&mut self, node: NodeId, word: Word) {
        if !self.words.contains_key(&node) && self.words.len() >= MAX_NODES {
            let oldest = self.words.iter().min_by_key(|(_, word)| word.heard);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.words.remove(&oldest);
            }
        }
        self.words.insert(node, word);
    }
}

/// What tells of all nodes.
#[derive(Debug)]
pub(crate) struct Roll {
    own: NodeId,
    /// How long a node that is lost is still named.
    keep: Duration,
    report: watch::Receiver<Arc<Report>>,
    heard: watch::Receiver<Arc<Heard>>,
    nodes: watch::Sender<Arc<Nodes>>,
}

impl Roll {
    /// With where a driver says what it heard, and where all nodes are told.
    pub(crate) fn new(
        config: &Config,
        is_remote: bool,
        report: watch::Receiver<Arc<Report>>,
    ) -> (Self, watch::Sender<Arc<Heard>>, watch::Receiver<Arc<Nodes>>) {
        let others = if is_remote { Others::Away } else { Others::None };
        let (to_heard, heard) = watch::channel(Arc::new(Heard { others, ..Heard::default() }));
        let (own, keep) = (config.node.clone(), config.lost);
        let first = put_together(&own, &report.borrow(), &heard.borrow(), keep, Instant::now());
        let (nodes, told) = watch::channel(Arc::new(first));
        (Self { own, keep, report, heard, nodes }, to_heard, told)
    }

    /// Tells of nodes until the driver has ended.
    pub(crate) async fn follow(mut self) {
        loop {
            let rest = self.tell();
            tokio::time::sleep(rest).await;
            tokio::select! {
                changed = self.report.changed() => if changed.is_err() { return },
                changed = self.heard.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Tells of nodes once, and how long to rest after that. What was heard is let go of: who hears more need not copy it.
    fn tell(&mut self) -> Duration {
        let report = Arc::clone(&self.report.borrow_and_update());
        let heard = Arc::clone(&self.heard.borrow_and_update());
        let newest = put_together(&self.own, &report, &heard, self.keep, Instant::now());
        self.nodes.send_replace(Arc::new(newest));
        rest(heard.words.len())
    }
}

/// A thousand nodes speak a thousand times a second: what they say is put together 50 times.
fn rest(nodes: usize) -> Duration {
    Duration::from_millis(u64::try_from(nodes / REST_PER).unwrap_or(u64::MAX))
}

/// What is known at `now`.
fn put_together(own: &NodeId, report: &Arc<Report>, heard: &Heard, keep: Duration, now: Instant) -> Nodes {
    let mut by_name = BTreeMap::new();
    let time = heard.time(now);
    // Where revisions are a node's own, others' words are kept for when they are not, and mean nothing until then.
    let words = heard.words.iter().filter(|_| heard.others != Others::Unknown);
    for (name, word) in words {
        if word.gone_at(keep).is_none_or(|gone| gone > time) {
            let (report, lost) = (Arc::clone(&word.report), word.is_lost(time));
            by_name.insert(name.clone(), Node { report, heard: word.heard, lost });
        }
    }
    by_name.insert(own.clone(), Node { report: Arc::clone(report), heard: now, lost: false });
    Nodes { own: own.clone(), others: heard.others, by_name }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);
    const KEEP: Duration = Duration::from_secs(3600);

    fn name(name: &str) -> NodeId {
        NodeId(name.into())
    }

    fn check(listened: u64, now: u64, expected: &str) {
        check_as(Others::Heard, listened, now, expected);
    }

    fn check_as(others: Others, listened: u64, now: u64, expected: &str) {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let word = |heard| said(at(heard));
        let words = [(name("b"), word(0)), (name("c"), word(10))];
        let heard = Heard { others, listened: Some(at(listened)), words: words.into() };

        let nodes = put_together(&name("a"), &Arc::default(), &heard, KEEP, at(now));

        let said =
            nodes.by_name.iter().map(|(name, node)| format!("{name}{}", if node.lost { "!" } else { "" }));
        assert_eq!(said.collect::<Vec<_>>().join(" "), expected, "at {now}");
    }

    fn said(heard: Instant) -> Word {
        Word { report: Arc::default(), heard, lease: LEASE, voice: Voice::default() }
    }

    #[test]
    fn a_node_is_lost_when_its_lease_ends_and_forgotten_long_after() {
        check(14, 14, "a b c");
        check(15, 15, "a b! c");
        check(25, 25, "a b! c!");
        check(3615, 3615, "a c!");
        check(3625, 3625, "a");
    }

    #[test]
    fn no_lease_ends_while_nobody_listens() {
        check(14, 5000, "a b c");
        check(20, 5000, "a b! c");
        check_as(Others::Away, 14, 5000, "a b c");
        check_as(Others::Unknown, 14, 14, "a");
    }

    #[tokio::test]
    async fn who_hears_more_copies_nothing_of_what_was_told() {
        let (_tell, report) = watch::channel(Arc::default());
        let (mut roll, to_heard, nodes) = Roll::new(&Config::default(), true, report);
        to_heard.send_modify(|heard| Arc::make_mut(heard).take(name("b"), said(Instant::now())));

        assert_eq!(roll.tell(), Duration::ZERO);

        assert!(nodes.borrow().by_name.contains_key(&name("b")));
        to_heard.send_modify(|heard| assert_eq!(Arc::strong_count(heard), 1));
        assert_eq!(rest(MAX_NODES), Duration::from_millis(20));
    }

    #[test]
    fn of_too_many_nodes_the_one_that_was_heard_of_first_is_forgotten() {
        let (mut heard, begin) = (Heard::default(), Instant::now());
        for n in 0..=MAX_NODES {
            let heard_at = begin + Duration::from_millis(n as u64);
            heard.take(name(&n.to_string()), said(heard_at));
        }

        assert_eq!(heard.words.len(), MAX_NODES);
        assert!(!heard.words.contains_key(&name("0")) && heard.words.contains_key(&name("1")));
    }
}
