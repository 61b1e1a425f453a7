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

/// What a driver heard of other nodes.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Whether they can be heard of.
    pub others: Others,
    /// Since when they cannot: leases stand still until they can again.
    pub away: Option<Instant>,
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
}

impl Word {
    fn lost_at(&self) -> Option<Instant> {
        self.heard.checked_add(self.lease)
    }
}

impl Heard {
    /// What leases are measured by at `now`.
    fn time(&self, now: Instant) -> Instant {
        self.away.map_or(now, |away| away.min(now))
    }

    /// Whether the lease of this node had ended at `now`.
    pub(crate) fn is_lost(&self, word: &Word, now: Instant) -> bool {
        word.lost_at().is_some_and(|end| end <= self.time(now))
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
        let (first, _) = put_together(&own, &report.borrow(), &heard.borrow(), keep, Instant::now());
        let (nodes, told) = watch::channel(Arc::new(first));
        (Self { own, keep, report, heard, nodes }, to_heard, told)
    }

    /// Tells of nodes until the driver has ended.
    pub(crate) async fn follow(mut self) {
        loop {
            let (report, heard) =
                (Arc::clone(&self.report.borrow_and_update()), Arc::clone(&self.heard.borrow_and_update()));
            let (newest, next) = put_together(&self.own, &report, &heard, self.keep, Instant::now());
            self.nodes.send_replace(Arc::new(newest));
            tokio::select! {
                changed = self.report.changed() => if changed.is_err() { return },
                changed = self.heard.changed() => if changed.is_err() { return },
                () = time_of(next) => {}
            }
        }
    }
}

/// What is known at `now`, and when that will be something else if nothing more is heard.
fn put_together(
    own: &NodeId,
    report: &Arc<Report>,
    heard: &Heard,
    keep: Duration,
    now: Instant,
) -> (Nodes, Option<Instant>) {
    let (mut by_name, mut next) = (BTreeMap::new(), None);
    let time = heard.time(now);
    for (name, word) in &heard.words {
        let lost_at = word.lost_at();
        let gone_at = lost_at.and_then(|lost| lost.checked_add(keep));
        if gone_at.is_some_and(|gone| gone <= time) {
            continue;
        }
        let lost = lost_at.is_some_and(|lost| lost <= time);
        let change = if lost { gone_at } else { lost_at };
        next = [next, change].into_iter().flatten().min();
        by_name.insert(name.clone(), Node { report: Arc::clone(&word.report), heard: word.heard, lost });
    }
    by_name.insert(own.clone(), Node { report: Arc::clone(report), heard: now, lost: false });
    // While leases stand still, none ends.
    let next = next.filter(|_| heard.away.is_none());
    (Nodes { own: own.clone(), others: heard.others, by_name }, next)
}

/// Waits until `time`; without one, for ever.
async fn time_of(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);
    const KEEP: Duration = Duration::from_secs(3600);

    fn name(name: &str) -> NodeId {
        NodeId(name.into())
    }

    fn check(away: Option<u64>, now: u64, expected: &str, next: Option<u64>) {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let word = |heard| Word { report: Arc::default(), heard: at(heard), lease: LEASE };
        let words = [(name("b"), word(0)), (name("c"), word(10))];
        let heard = Heard { others: Others::Heard, away: away.map(at), words: words.into() };

        let (nodes, change) = put_together(&name("a"), &Arc::default(), &heard, KEEP, at(now));

        let said =
            nodes.by_name.iter().map(|(name, node)| format!("{name}{}", if node.lost { "!" } else { "" }));
        assert_eq!(said.collect::<Vec<_>>().join(" "), expected, "at {now}");
        assert_eq!(change, next.map(at), "at {now}");
    }

    #[test]
    fn a_node_is_lost_when_its_lease_ends_and_forgotten_long_after() {
        check(None, 14, "a b c", Some(15));
        check(None, 15, "a b! c", Some(25));
        check(None, 25, "a b! c!", Some(3615));
        check(None, 3615, "a c!", Some(3625));
        check(None, 3625, "a", None);
        check(Some(14), 5000, "a b c", None);
        check(Some(20), 5000, "a b! c", None);
    }

    #[test]
    fn of_too_many_nodes_the_one_that_was_heard_of_first_is_forgotten() {
        let (mut heard, begin) = (Heard::default(), Instant::now());
        for n in 0..=MAX_NODES {
            let heard_at = begin + Duration::from_millis(n as u64);
            heard.take(name(&n.to_string()), Word { report: Arc::default(), heard: heard_at, lease: LEASE });
        }

        assert_eq!(heard.words.len(), MAX_NODES);
        assert!(!heard.words.contains_key(&name("0")) && heard.words.contains_key(&name("1")));
    }
}
