//! The nodes of a fleet, and whether all of them serve a revision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::report::{Door, NodeId, Report};
use crate::revision::Revision;

/// What is known of the other nodes that share a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Others {
    /// There are none: the registry is this process' own.
    #[default]
    None,
    /// They are heard of.
    Heard,
    /// They cannot be heard of now, since the registry cannot be reached or takes no word: what was last heard stands, and nobody's
    /// lease ends.
    Away,
    /// Nobody can know: the registry may only be read from here, and revisions are this node's own.
    Unknown,
}

/// A node, as this one knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The last it said of itself.
    pub report: Arc<Report>,
    /// When that was.
    pub heard: Instant,
    /// Whether its lease ended since: lost, and not gone.
    pub lost: bool,
}

/// Every node that is there, or was until it was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    /// This one.
    pub own: NodeId,
    /// What is known of others.
    pub others: Others,
    /// All of them, this one among them.
    pub by_name: BTreeMap<NodeId, Node>,
}

impl Nodes {
    /// Who serves `revision` or a later one at `doors`, and who does not.
    ///
    /// A node that takes its leave is not asked; one that is lost is named and not waited for: its lease was the time it had.
    pub fn reach(&self, revision: Revision, doors: &[Door]) -> Reach {
        let mut reach =
            Reach { revision, others: self.others, serving: 0, laggards: Vec::new(), lost: Vec::new() };
        for (name, node) in &self.by_name {
            let served = doors.iter().filter_map(|door| Some((*door, node.report.serving(*door)?)));
            let served: Vec<_> = served.filter(|_| !node.report.draining).collect();
            if node.lost && !served.is_empty() {
                reach.lost.push(name.clone());
                continue;
            }
            for (door, serving) in served {
                if serving >= revision {
                    reach.serving += 1;
                } else {
                    reach.laggards.push(Laggard { node: name.clone(), door, serving });
                }
            }
        }
        reach
    }
}

/// How far a revision has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Which.
    pub revision: Revision,
    /// What is known of nodes other than the one that says so.
    pub others: Others,
    /// How many doors serve it, or a later one.
    pub serving: usize,
    /// The doors of nodes that live and do not.
    pub laggards: Vec<Laggard>,
    /// Nodes that were not heard of for their lease: nobody knows what they serve.
    pub lost: Vec<NodeId>,
}

impl Reach {
    /// Whether every node that lives serves it; false as well where no door was there to serve it, and where other nodes are not known.
    pub fn is_everywhere(&self) -> bool {
        let are_known = matches!(self.others, Others::None | Others::Heard);
        are_known && self.laggards.is_empty() && self.serving > 0
    }
}

/// A door that does not serve a revision yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laggard {
    /// Of which node.
    pub node: NodeId,
    /// Which door.
    pub door: Door,
    /// What it serves.
    pub serving: Revision,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ProxyReport;

    /// A node by `name proxy dns [lost|draining]`, `-` for a door that it has not.
    fn node(text: &str) -> (NodeId, Node) {
        let words: Vec<&str> = text.split(' ').collect();
        let revision = |word: &str| word.parse().ok().map(Revision::new);
        let proxy = revision(words[1]);
        let proxy = proxy.map(|serving| Arc::new(ProxyReport { serving, ..ProxyReport::default() }));
        let report = Report {
            proxy,
            dns: revision(words[2]),
            addresses: Vec::new(),
            draining: words.get(3) == Some(&"draining"),
        };
        let lost = words.get(3) == Some(&"lost");
        (NodeId(words[0].into()), Node { report: Arc::new(report), heard: Instant::now(), lost })
    }

    fn check(others: Others, nodes: &[&str], doors: &[Door], expected: &str) {
        let by_name = nodes.iter().map(|text| node(text)).collect();
        let reach = Nodes { own: NodeId("a".into()), others, by_name }.reach(Revision::new(7), doors);
        let behind = reach.laggards.iter().map(|l| format!(" {} {} {}", l.node, l.door.name(), l.serving));
        let lost = reach.lost.iter().map(|name| format!(" {name} lost"));
        let said = behind.chain(lost).collect::<String>();
        let said = format!("{} {}{said}", reach.is_everywhere(), reach.serving);
        assert_eq!(said, expected, "{nodes:?}");
    }

    #[test]
    fn a_revision_is_everywhere_when_every_node_that_lives_serves_it_at_each_door_it_has() {
        let both = &Door::ALL;
        check(Others::None, &["a 7 8"], both, "true 2");
        check(Others::None, &["a 6 8"], both, "false 1 a proxy 6");
        check(Others::None, &["a 6 8"], &[Door::Dns], "true 1");
        check(Others::Heard, &["a 7 -", "b - 7"], both, "true 2");
        check(Others::Heard, &["a 7 7", "b 7 5", "c 0 9"], both, "false 4 b dns 5 c proxy 0");
        check(Others::Heard, &["a 7 7", "b 5 5 lost"], both, "true 2 b lost");
        check(Others::Heard, &["a 7 7", "b 5 5 draining"], both, "true 2");
        check(Others::Heard, &["a 7 7", "b 5 - lost"], &[Door::Dns], "true 1");
        check(Others::Away, &["a 7 7", "b 7 7"], both, "false 4");
        check(Others::Unknown, &["a 7 7"], both, "false 2");
        check(Others::None, &["a 7 -"], &[Door::Dns], "false 0");
        check(Others::None, &[], both, "false 0");
    }
}
