//! The nodes of a fleet, and whether all of them serve a revision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::Address;
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

    /// What still keeps the endpoint at `address` busy, that `revision` took out of every route and set of names.
    ///
    /// A node that takes its leave is asked as well: it ends what it began. One that is lost is named and not waited for.
    pub fn released(&self, revision: Revision, address: &Address) -> Release {
        let mut release = Release { others: self.others, ..Release::default() };
        for (name, node) in &self.by_name {
            let (proxy, dns) = (&node.report.proxy, &node.report.dns);
            // What it said last may be remembered, also while nobody hears of it.
            release.ttl = release.ttl.max(dns.map_or(Duration::ZERO, |dns| dns.ttl));
            if node.lost {
                release.lost.extend((proxy.is_some() || dns.is_some()).then(|| name.clone()));
                continue;
            }
            let of_proxy = proxy.as_ref().map(|proxy| proxy.serving.min(proxy.oldest));
            let slowest = of_proxy.into_iter().chain(dns.map(|dns| dns.serving)).min();
            if slowest.is_some_and(|slowest| slowest < revision) {
                release.waiting.push(name.clone());
            }
            let leaving = proxy.iter().flat_map(|proxy| &proxy.leaving);
            for endpoint in leaving.filter(|endpoint| endpoint.address == *address) {
                release.in_flight = release.in_flight.saturating_add(endpoint.in_flight);
                release.tunnels = release.tunnels.saturating_add(endpoint.tunnels);
            }
        }
        release
    }
}

/// How far every node has let go of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Release {
    /// What is known of nodes other than the one that says so.
    pub others: Others,
    /// Nodes that live and may still send to it, or name it: a door serves an older revision, or an exchange may still pick from one.
    pub waiting: Vec<NodeId>,
    /// Requests in flight at it, without tunnels, over all nodes that live.
    pub in_flight: u64,
    /// Tunnels through it, over all nodes that live.
    pub tunnels: u64,
    /// Nodes that were not heard of for their lease: nobody knows what they do.
    pub lost: Vec<NodeId>,
    /// For how long what DNS said of a service without a TTL of its own may be remembered: the longest of all nodes.
    pub ttl: Duration,
}

impl Release {
    /// Whether no request is at it, and none can come, by any node that lives; tunnels and what DNS said are apart. False where other
    /// nodes are not known.
    pub fn is_free_of_requests(&self) -> bool {
        let are_known = matches!(self.others, Others::None | Others::Heard);
        are_known && self.waiting.is_empty() && self.in_flight == 0
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
    use crate::report::{DnsReport, LeavingEndpoint, ProxyReport};

    /// A node by `name proxy dns [lost|draining]`, `-` for a door that it has not.
    fn node(text: &str) -> (NodeId, Node) {
        let words: Vec<&str> = text.split(' ').collect();
        let revision = |word: &str| word.parse().ok().map(Revision::new);
        let proxy = revision(words[1]);
        let proxy = proxy.map(|serving| Arc::new(ProxyReport { serving, ..ProxyReport::default() }));
        let report = Report {
            proxy,
            dns: revision(words[2]).map(|serving| DnsReport { serving, ttl: Duration::from_secs(5) }),
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

    /// A node by `name serving oldest in_flight tunnels dns ttl [lost|draining]`, `-` in the first or the second half for a door that it
    /// has not.
    fn leaving(text: &str, address: &Address) -> (NodeId, Node) {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().ok();
        let proxy = number(1).map(|serving| {
            let (in_flight, tunnels) = (number(3).unwrap(), number(4).unwrap());
            let leaves = LeavingEndpoint { address: address.clone(), in_flight, tunnels };
            let stays =
                LeavingEndpoint { address: Address::parse_url("http://10.0.0.9:1").unwrap(), ..leaves };
            Arc::new(ProxyReport {
                serving: Revision::new(serving),
                oldest: Revision::new(number(2).unwrap()),
                leaving: vec![stays, LeavingEndpoint { address: address.clone(), in_flight, tunnels }],
                ..ProxyReport::default()
            })
        });
        let dns = number(5).map(|serving| DnsReport {
            serving: Revision::new(serving),
            ttl: Duration::from_secs(number(6).unwrap()),
        });
        let is = |word: &str| words.get(7) == Some(&word);
        let report = Report { proxy, dns, addresses: Vec::new(), draining: is("draining") };
        let node = Node { report: Arc::new(report), heard: Instant::now(), lost: is("lost") };
        (NodeId(words[0].into()), node)
    }

    fn check_release(others: Others, nodes: &[&str], expected: &str) {
        let address = Address::parse_url("http://10.0.0.1:1").unwrap();
        let by_name = nodes.iter().map(|text| leaving(text, &address)).collect();
        let release = Nodes { own: NodeId("a".into()), others, by_name }.released(Revision::new(7), &address);
        let named = |names: &[NodeId], what: &str| {
            names.iter().map(|name| format!(" {name} {what}")).collect::<String>()
        };
        let said = format!(
            "{} {}+{} {}s{}{}",
            release.is_free_of_requests(),
            release.in_flight,
            release.tunnels,
            release.ttl.as_secs(),
            named(&release.waiting, "waits"),
            named(&release.lost, "lost")
        );
        assert_eq!((said.as_str(), release.others), (expected, others), "{nodes:?}");
    }

    #[test]
    fn an_endpoint_is_free_once_no_node_that_lives_sends_to_it_or_may_still_pick_it() {
        check_release(Others::None, &["a 7 7 0 0 7 5"], "true 0+0 5s");
        check_release(Others::None, &["a 7 7 0 2 7 5"], "true 0+2 5s");
        check_release(Others::None, &["a 7 7 1 0 7 5"], "false 1+0 5s");
        check_release(Others::None, &["a 9 6 0 0 7 5"], "false 0+0 5s a waits");
        check_release(Others::None, &["a 6 6 0 0 7 5"], "false 0+0 5s a waits");
        check_release(Others::None, &["a 7 7 0 0 6 5"], "false 0+0 5s a waits");
        check_release(Others::None, &["a 7 0 0 0 - -"], "false 0+0 0s a waits");
        check_release(Others::None, &["a - - - - - -"], "true 0+0 0s");
        check_release(Others::Heard, &["a 7 7 1 2 7 5", "b 8 8 3 4 - -", "c - - - - 7 30"], "false 4+6 30s");
        check_release(
            Others::Heard,
            &["a 7 7 0 0 7 5", "b 5 5 3 0 5 60 lost", "c - - - - - - lost"],
            "true 0+0 60s b lost",
        );
        check_release(Others::Heard, &["a 7 7 0 0 7 5", "b 5 5 3 0 5 5 draining"], "false 3+0 5s b waits");
        check_release(Others::Away, &["a 7 7 0 0 7 5"], "false 0+0 5s");
        check_release(Others::Unknown, &["a 7 7 0 0 7 5"], "false 0+0 5s");
    }
}
