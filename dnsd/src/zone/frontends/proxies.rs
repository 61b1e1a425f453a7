//! Where healthy proxies are, and the serial of what is made of that.
//!
//! Nodes come and go without a change of a fact, so a revision alone is no serial of a zone that tells where they are. It is the revision
//! and the seconds of the clock together: a change of facts moves one of them on, a later change of nodes the other, and a restart takes
//! neither back (decision 0142).

use std::net::IpAddr;
use std::sync::Arc;

use model::{Nodes, Revision};

/// Where healthy proxies are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    addresses: Arc<[IpAddr]>,
    serial: Revision,
}

impl Proxies {
    /// As reports of nodes say it: of a node that is heard, does not take its leave, and runs a proxy. Before any is heard: where this
    /// node's proxy is.
    pub(crate) fn heard(nodes: &Nodes, own: &[IpAddr]) -> Arc<[IpAddr]> {
        let is_healthy =
            |node: &&model::Node| !node.lost && !node.report.draining && node.report.proxy.is_some();
        let healthy = nodes.by_name.values().filter(is_healthy);
        let mut addresses: Vec<IpAddr> =
            healthy.flat_map(|node| node.report.addresses.iter().copied()).collect();
        if nodes.by_name.is_empty() {
            addresses = own.to_vec();
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses.into()
    }

    /// They are there now, at this revision of the facts and this second of the clock.
    pub(crate) fn follow(&self, addresses: Arc<[IpAddr]>, revision: Revision, second: u64) -> Self {
        let serial = revision.number().saturating_add(second).max(self.serial.number().saturating_add(1));
        Self { addresses, serial: Revision::new(serial) }
    }

    /// In order.
    pub(crate) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The serial of a zone that changes now: its low 32 bits.
    pub(super) fn serial(&self) -> Revision {
        self.serial
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use model::{Node, NodeId, Others, ProxyReport, Report};

    use super::*;

    /// A node by `name addresses [lost|draining|dns]`.
    fn node(text: &str) -> (NodeId, Node) {
        let words: Vec<&str> = text.split(' ').collect();
        let is = |word: &str| words.contains(&word);
        let addresses = words[1].split(',').filter_map(|text| text.parse().ok()).collect();
        let proxy = (!is("dns")).then(|| Arc::new(ProxyReport::default()));
        let report = Report { proxy, dns: None, addresses, draining: is("draining") };
        let node = Node { report: Arc::new(report), heard: Instant::now(), lost: is("lost") };
        (NodeId(words[0].into()), node)
    }

    #[test]
    fn a_proxy_is_healthy_while_it_is_heard_and_does_not_take_its_leave() {
        let check = |nodes: &[&str], expected: &str| {
            let by_name = nodes.iter().map(|text| node(text)).collect();
            let nodes = Nodes { own: NodeId("a".into()), others: Others::Heard, by_name };
            let found = Proxies::heard(&nodes, &["10.0.0.9".parse().expect("an address")]);
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected);
        };
        check(&[], "10.0.0.9");
        check(&["a 10.0.0.2,fd00::1", "b 10.0.0.1", "c 10.0.0.2"], "10.0.0.1 10.0.0.2 fd00::1");
        check(&["a 10.0.0.1", "b 10.0.0.2 lost", "c 10.0.0.3 draining", "d 10.0.0.4 dns"], "10.0.0.1");
        check(&["a - "], "");
    }

    #[test]
    fn a_serial_moves_with_facts_and_with_nodes_and_never_back() {
        let follow = |proxies: &Proxies, revision, second| {
            proxies.follow(Arc::default(), Revision::new(revision), second)
        };
        let mut now = follow(&Proxies::default(), 7, 1000);
        for (revision, second) in [(8, 1000), (8, 1000), (8, 1001), (8, 1001), (9, 999), (20, 1001)] {
            let next = follow(&now, revision, second);
            assert!(next.serial() > now.serial(), "{revision} {second}");
            now = next;
        }
        // Whoever starts later begins no lower.
        assert!(follow(&Proxies::default(), 20, 1002).serial() > now.serial());
    }
}
