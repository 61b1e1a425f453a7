//! A node's report as JSON: written under `portico:node:<id>`, told on the channel `portico:nodes`, read back by other nodes.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Address, DnsReport, LeavingEndpoint, MAX_LEAVING, NodeId, ProxyReport, Report, Revision};
use serde::{Deserialize, Serialize};

use super::number::now_ms;
use crate::driver::Voice;

/// How many dead endpoints a report names.
const MAX_DEAD: usize = 256;
/// The octets of leaving endpoints' addresses that a report has room for.
const LEAVING_OCTETS: usize = 16 * 1024;
/// For how long what a node's DNS said of services may be kept, where the node is of a version that does not say.
const UNSAID_TTL_MS: u64 = 60_000;
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
    /// Of a node that does not say: it may still pick from any table.
    #[serde(default)]
    oldest: u64,
    #[serde(default)]
    in_flight: u64,
    #[serde(default)]
    checked: u64,
    /// For whoever looks into the store; of other nodes' dead endpoints nodes know by their marks.
    #[serde(default, skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    dead: Vec<DeadDoc>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leaving: Vec<LeavingDoc>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DnsDoc {
    serving: u64,
    #[serde(default = "unsaid_ttl")]
    ttl_ms: u64,
}

fn unsaid_ttl() -> u64 {
    UNSAID_TTL_MS
}

#[derive(Debug, Serialize, Deserialize)]
struct LeavingDoc {
    url: String,
    #[serde(default)]
    in_flight: u64,
    #[serde(default)]
    tunnels: u64,
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
        document.proxy = report.proxy.as_deref().map(written);
        document.dns =
            report.dns.map(|dns| DnsDoc { serving: dns.serving.number(), ttl_ms: millis(dns.ttl) });
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

/// What a proxy says, without the dead. Where its leaving endpoints have no room, nobody shall take one for free: it may still pick from
/// any table.
fn written(proxy: &ProxyReport) -> ProxyDoc {
    let mut room = LEAVING_OCTETS;
    let fits = |endpoint: &LeavingEndpoint| {
        let url = endpoint.address.url();
        room = room.checked_sub(url.len())?;
        Some(LeavingDoc { url, in_flight: endpoint.in_flight, tunnels: endpoint.tunnels })
    };
    let leaving: Vec<LeavingDoc> = proxy.leaving.iter().take(MAX_LEAVING).map_while(fits).collect();
    let is_all = leaving.len() == proxy.leaving.len();
    ProxyDoc {
        serving: proxy.serving.number(),
        oldest: if is_all { proxy.oldest.number() } else { 0 },
        in_flight: proxy.in_flight,
        checked: proxy.checked,
        dead: Vec::new(),
        leaving,
    }
}

/// What another proxy says; one that names what is no address may still pick from any table.
fn understood(document: ProxyDoc) -> ProxyReport {
    let leaving = document.leaving.iter().take(MAX_LEAVING).map_while(|leaving| {
        let address = Address::parse_url(&leaving.url).ok()?;
        Some(LeavingEndpoint { address, in_flight: leaving.in_flight, tunnels: leaving.tunnels })
    });
    let leaving: Vec<LeavingEndpoint> = leaving.collect();
    let is_all = leaving.len() == document.leaving.len();
    ProxyReport {
        serving: Revision::new(document.serving),
        oldest: Revision::new(if is_all { document.oldest } else { 0 }),
        in_flight: document.in_flight,
        dead: Vec::new(),
        checked: document.checked,
        leaving,
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
    let dns = |dns: DnsDoc| DnsReport {
        serving: Revision::new(dns.serving),
        ttl: Duration::from_millis(dns.ttl_ms),
    };
    let report = Report {
        proxy: document.proxy.map(understood).map(Arc::new),
        dns: document.dns.map(dns),
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
    use model::{DeadEndpoint, FactKey};
    use proptest::prelude::*;

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
        let leaving = leaving("http://10.0.0.2:81", 2, 1);
        let proxy = ProxyReport {
            serving: Revision::new(7),
            oldest: Revision::new(5),
            in_flight: 2,
            dead: vec![dead],
            checked: 3,
            leaving: vec![leaving],
        };
        let report = Report {
            proxy: Some(Arc::new(proxy.clone())),
            dns: Some(DnsReport { serving: Revision::new(6), ttl: Duration::from_secs(5) }),
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

    fn leaving(url: &str, in_flight: u64, tunnels: u64) -> LeavingEndpoint {
        LeavingEndpoint { address: Address::parse_url(url).unwrap(), in_flight, tunnels }
    }

    /// What others read of this proxy's report.
    fn told(proxy: ProxyReport) -> ProxyReport {
        let report = Report { proxy: Some(Arc::new(proxy)), ..Report::default() };
        let node = NodeId("a".into());
        let (lease, voice) = (Duration::from_secs(15), Voice { process: 9, said_us: 5 });
        let (_, told) = Terms { node: &node, db: 0, voice, lease, kept: lease }.write(&report);
        let report = read(told.as_bytes()).and_then(|said| said.report).expect("a report");
        report.proxy.as_deref().cloned().expect("a proxy")
    }

    proptest! {
        #[test]
        fn what_a_proxy_has_not_let_go_of_is_read_as_it_was_written(
            serving: u64,
            oldest: u64,
            leaving in proptest::collection::vec((any::<[u8; 4]>(), 1..=u16::MAX, any::<u64>(), any::<u64>()), 0..=MAX_LEAVING),
        ) {
            let leaving = leaving.into_iter().map(|([a, b, c, d], port, in_flight, tunnels)| {
                self::leaving(&format!("http://{a}.{b}.{c}.{d}:{port}"), in_flight, tunnels)
            });
            let proxy = ProxyReport {
                serving: Revision::new(serving),
                oldest: Revision::new(oldest),
                leaving: leaving.collect(),
                ..ProxyReport::default()
            };
            prop_assert_eq!(told(proxy.clone()), proxy);
        }
    }

    #[test]
    fn who_has_more_leaving_endpoints_than_room_may_still_pick_from_any_table() {
        let long = |n: usize| leaving(&format!("http://{}{n:03}:80", "a".repeat(60)), 1, 0);
        let proxy = |count: usize| ProxyReport {
            oldest: Revision::new(5),
            leaving: (0..count).map(long).collect(),
            ..ProxyReport::default()
        };

        assert_eq!((told(proxy(200)).oldest, told(proxy(200)).leaving.len()), (Revision::new(5), 200));
        let many = told(proxy(MAX_LEAVING));
        assert_eq!(many.oldest, Revision::new(0));
        assert!(many.leaving.len() < MAX_LEAVING);
    }

    #[test]
    fn an_older_node_may_still_pick_from_any_table_and_its_names_are_kept_for_a_minute() {
        let text = r#"{"node":"a","db":0,"at_ms":1,"lease_ms":1,"kept_ms":1,"proxy":{"serving":7},"dns":{"serving":6}}"#;
        let report = read(text.as_bytes()).and_then(|said| said.report).expect("a report");
        let proxy = ProxyReport { serving: Revision::new(7), ..ProxyReport::default() };
        assert_eq!(report.proxy.as_deref(), Some(&proxy));
        let ttl = Duration::from_secs(60);
        assert_eq!(report.dns, Some(DnsReport { serving: Revision::new(6), ttl }));
        let strange = text.replace(r#""serving":7"#, r#""serving":7,"oldest":7,"leaving":[{"url":"?"}]"#);
        let report = read(strange.as_bytes()).and_then(|said| said.report).expect("a report");
        assert_eq!(report.proxy.as_ref().map(|proxy| proxy.oldest), Some(Revision::new(0)));
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
