//! A node's report as JSON: written under `portico:node:<id>`, told on the channel `portico:nodes`, read back by other nodes.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{NodeId, ProxyReport, Report, Revision};
use serde::{Deserialize, Serialize};

use super::number::now_ms;
use crate::driver::Voice;

/// How many dead endpoints a report names.
const MAX_DEAD: usize = 256;
/// The largest report that is read, in octets.
pub(super) const MAX_DOCUMENT: usize = 64 * 1024;
/// The longest name of a node that is believed, in octets.
pub(super) const MAX_NAME: usize = 256;
/// How many addresses of a node are believed.
const MAX_ADDRESSES: usize = 64;
/// What leases of other nodes are held to be at least and at most.
const LEASES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(86_400));

/// A report, or the last word of a node that takes its leave.
#[derive(Debug, Serialize, Deserialize)]
struct NodeDoc<'a> {
    #[serde(borrow)]
    node: Cow<'a, str>,
    /// Of which database: channels are those of all.
    db: i64,
    at_ms: u64,
    /// Which process says so: two of one name are told apart.
    #[serde(default)]
    process: u64,
    /// When, since that process began: which of its words is the later one.
    #[serde(default)]
    said_us: u64,
    lease_ms: u64,
    /// How long it is kept in the store when it is not written again.
    kept_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxy: Option<ProxyDoc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dns: Option<DnsDoc>,
    #[serde(default)]
    addresses: Vec<IpAddr>,
    #[serde(default)]
    draining: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    gone: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct ProxyDoc {
    serving: u64,
    #[serde(default)]
    in_flight: u64,
    #[serde(default)]
    checked: u64,
    /// For whoever looks into the store; of other nodes' dead endpoints nodes know by their marks.
    #[serde(default, skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    dead: Vec<DeadDoc>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DnsDoc {
    serving: u64,
}

#[derive(Debug, Serialize)]
struct DeadDoc {
    frontend: String,
    url: String,
    reason: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    back_in_ms: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Under which terms a node speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) node: &'a NodeId,
    pub(super) db: i64,
    pub(super) voice: Voice,
    pub(super) lease: Duration,
    pub(super) kept: Duration,
}

impl Terms<'_> {
    fn document(&self) -> NodeDoc<'_> {
        NodeDoc {
            node: Cow::Borrowed(&self.node.0),
            db: self.db,
            at_ms: now_ms(),
            process: self.voice.process,
            said_us: self.voice.said_us,
            lease_ms: millis(self.lease),
            kept_ms: millis(self.kept),
            proxy: None,
            dns: None,
            addresses: Vec::new(),
            draining: false,
            gone: false,
        }
    }

    /// The report in two forms: as it is kept, and as it is told, without what other nodes do not need.
    pub(super) fn write(&self, report: &Report) -> (String, String) {
        let mut document = self.document();
        document.proxy = report.proxy.as_ref().map(|proxy| ProxyDoc {
            serving: proxy.serving.number(),
            in_flight: proxy.in_flight,
            checked: proxy.checked,
            dead: Vec::new(),
        });
        document.dns = report.dns.map(|serving| DnsDoc { serving: serving.number() });
        document.addresses.clone_from(&report.addresses);
        document.draining = report.draining;
        let told = json(&document);
        if let (Some(doc), Some(proxy)) = (&mut document.proxy, &report.proxy) {
            doc.dead = proxy.dead.iter().take(MAX_DEAD).map(dead).collect();
        }
        (json(&document), told)
    }

    /// The word of a node that takes its leave; it is kept for a lease.
    pub(super) fn write_end(&self) -> String {
        json(&NodeDoc { gone: true, kept_ms: millis(self.lease), ..self.document() })
    }
}

fn dead(dead: &model::DeadEndpoint) -> DeadDoc {
    DeadDoc {
        frontend: dead.frontend.to_string(),
        url: dead.address.url(),
        reason: dead.reason.clone(),
        back_in_ms: dead.back_in_ms,
    }
}

/// A document of strings and numbers always has a JSON form.
fn json(document: &NodeDoc<'_>) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What was read of another node.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) node: NodeId,
    pub(super) db: i64,
    pub(super) voice: Voice,
    /// `None`: it took its leave.
    pub(super) report: Option<Arc<Report>>,
    pub(super) lease: Duration,
    /// How long what it said is kept in the store, from when it said it.
    pub(super) kept: Duration,
}

/// Reads a document; `None` for what no node writes.
pub(super) fn read(octets: &[u8]) -> Option<Said> {
    if octets.len() > MAX_DOCUMENT {
        return None;
    }
    let document: NodeDoc<'_> = serde_json::from_slice(octets).ok()?;
    let is_name = |name: &str| !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control);
    if !is_name(&document.node) || document.addresses.len() > MAX_ADDRESSES {
        return None;
    }
    let proxy = document.proxy.map(|proxy| ProxyReport {
        serving: Revision::new(proxy.serving),
        in_flight: proxy.in_flight,
        checked: proxy.checked,
        dead: Vec::new(),
    });
    let report = Report {
        proxy: proxy.map(Arc::new),
        dns: document.dns.map(|dns| Revision::new(dns.serving)),
        addresses: document.addresses,
        draining: document.draining,
    };
    Some(Said {
        node: NodeId(document.node.into()),
        db: document.db,
        voice: Voice { process: document.process, said_us: document.said_us },
        report: (!document.gone).then(|| Arc::new(report)),
        lease: Duration::from_millis(document.lease_ms).clamp(LEASES.0, LEASES.1),
        kept: Duration::from_millis(document.kept_ms),
    })
}

#[cfg(test)]
mod tests {
    use model::{Address, DeadEndpoint, FactKey};

    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_told() {
        let dead = DeadEndpoint {
            frontend: FactKey::parse("frontend:a.example").unwrap(),
            address: Address::parse_url("http://10.0.0.1").unwrap(),
            reason: "connect refused".into(),
            by_check: false,
            back_in_ms: Some(9),
        };
        let proxy = ProxyReport { serving: Revision::new(7), in_flight: 2, dead: vec![dead], checked: 3 };
        let report = Report {
            proxy: Some(Arc::new(proxy.clone())),
            dns: Some(Revision::new(6)),
            addresses: vec!["10.0.0.7".parse().unwrap(), "fd00::7".parse().unwrap()],
            draining: true,
        };
        let node = NodeId("n \"1\"".into());
        let (lease, kept) = (Duration::from_secs(15), Duration::from_secs(3615));
        let voice = Voice { process: 9, said_us: 5 };
        let terms = Terms { node: &node, db: 2, voice, lease, kept };

        let (stored, told) = terms.write(&report);

        assert!(stored.contains(r#""reason":"connect refused","back_in_ms":9"#), "{stored}");
        assert!(!told.contains("dead"), "{told}");
        let without_dead = ProxyReport { dead: Vec::new(), ..proxy };
        let report = Report { proxy: Some(Arc::new(without_dead)), ..report };
        for text in [stored, told] {
            let said = read(text.as_bytes()).expect("a report");
            assert_eq!((&said.node, said.db, said.lease, said.kept), (&node, 2, lease, kept));
            assert_eq!(said.voice, voice);
            assert_eq!(said.report.as_deref(), Some(&report));
        }
        assert!(read(terms.write_end().as_bytes()).is_some_and(|said| said.report.is_none()));
    }

    #[test]
    fn what_no_node_writes_is_passed_over() {
        let check =
            |text: &str, expected: bool| assert_eq!(read(text.as_bytes()).is_some(), expected, "{text}");
        let with = |node: &str, more: &str| {
            format!(r#"{{"node":"{node}","db":0,"at_ms":1,"lease_ms":1,"kept_ms":1{more}}}"#)
        };
        check(&with("a", ""), true);
        check(&with("a", r#","later":[1]"#), true);
        check(&with("", ""), false);
        check(&with("a\\n", ""), false);
        check(&with(&"a".repeat(257), ""), false);
        check(&with("a", r#","dns":{"serving":-1}"#), false);
        check(&with("a", r#","addresses":["x"]"#), false);
        check(&with("a", &format!(r#","addresses":[{}"1.1.1.1"]"#, r#""1.1.1.1","#.repeat(64))), false);
        check(&with("a", &format!(r#","x":"{}""#, "x".repeat(MAX_DOCUMENT))), false);
        check("", false);
        check("[]", false);
    }
}
