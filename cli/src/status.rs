//! `portico status`: how a node and its registry stand.

use admin::wire::{HeldView, NodeStatus, Others, RegistryStatus, Status};
use clap::Args;

use crate::answer::Answer;
use crate::client::Client;
use crate::controls;
use crate::failure::Failure;
use crate::table::Table;

/// How many leaving endpoints of a node are named.
const LEAVING: usize = 8;

const EXAMPLES: &str = "\
Examples:
  portico status
  portico status --json --server http://10.0.0.2:8081 --token TOKEN";

/// How a node and its registry stand
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {}

/// Runs it.
pub(crate) fn run(_: &StatusArgs, client: &Client) -> Result<Answer, Failure> {
    let status: Status = client.get("/v1/status")?;
    Answer::new(&status, text(&status))
}

fn text(status: &Status) -> String {
    let mut table = Table::new(&[]);
    table.row([
        "portico",
        &format!("{}, node {}, up {}", status.version, status.node, duration(status.uptime_ms)),
    ]);
    let ready = match status.ready.ready {
        true => "yes".to_owned(),
        false => format!("no: {}", status.ready.reasons.join("; ")),
    };
    table.row(["ready", &ready]);
    table.row(["registry", &format!("{} ({})", status.registry.url, link(&status.registry))]);
    table.row(["routes", &routes(&status.registry)]);
    if let Some(held) = &status.registry.held {
        table.row(["held", &held_view(held)]);
    }
    match &status.proxy {
        Some(proxy) => {
            let serving = format!("serves revision {}, {} in flight", proxy.serving, proxy.in_flight);
            let dead = match proxy.dead_endpoints {
                0 => "no endpoint out".to_owned(),
                1 => "1 endpoint out (portico verify)".to_owned(),
                n => format!("{n} endpoints out (portico verify)"),
            };
            table.row(["proxy", &format!("{serving}, {dead}")]);
            if proxy.checked_endpoints > 0 {
                let (checked, failing) = (proxy.checked_endpoints, proxy.failing_endpoints);
                table.row([
                    "checks",
                    &format!("{checked} endpoints checked, {failing} out because they failed"),
                ]);
            }
        }
        None => table.row(["proxy", "none in this process"]),
    }
    for node in &status.nodes {
        table.row(["node", &self::node(node)]);
    }
    for node in status.nodes.iter().filter(|node| !node.leaving.is_empty()) {
        table.row(["leaving", &leaving(node)]);
    }
    match status.others {
        Others::None | Others::Heard => {}
        Others::Away => table.row(["nodes", "the registry cannot be reached: that is what was last heard"]),
        Others::Unknown => {
            table.row(["nodes", "the registry is read-only here: other nodes are not known"]);
        }
    }
    if let Some(control) = &status.control {
        controls::rows(control, &mut table);
    }
    for listener in &status.listeners {
        table.row(["listens", &format!("{} {}", listener.role, listener.address)]);
    }
    table.text()
}

fn node(node: &NodeStatus) -> String {
    let door = |name: &str, serving: Option<u64>| serving.map(|revision| format!("{name} {revision}"));
    let mut said = vec![door("proxy", node.proxy), door("DNS", node.dns)];
    said.push(node.draining.then(|| "draining".to_owned()));
    said.push((!node.this && !node.lost).then(|| format!("heard {} ago", duration(node.heard_ms))));
    said.push(node.lost.then(|| format!("lost: not heard of for {}", duration(node.heard_ms))));
    let said: Vec<String> = said.into_iter().flatten().collect();
    let name = if node.this { format!("{} (this one)", node.node) } else { node.node.clone() };
    match said.is_empty() {
        true => name,
        false => format!("{name}: {}", said.join(", ")),
    }
}

/// What keeps a node from letting go of endpoints.
fn leaving(node: &NodeStatus) -> String {
    let counted = |n: u64, what: &str| match n {
        0 => None,
        1 => Some(format!("1 {what}")),
        n => Some(format!("{n} {what}s")),
    };
    let said = node.leaving.iter().take(LEAVING).map(|endpoint| {
        let busy = [counted(endpoint.in_flight, "request"), counted(endpoint.tunnels, "tunnel")];
        let busy: Vec<String> = busy.into_iter().flatten().collect();
        format!("{} ({})", endpoint.endpoint, busy.join(", "))
    });
    let said: Vec<String> = said.collect();
    let more = match node.leaving.len().saturating_sub(LEAVING) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} waits for {}{more}", node.node, said.join(", "))
}

fn link(registry: &RegistryStatus) -> String {
    let mut said = vec![registry.link.clone()];
    if let Some(error) = &registry.error {
        said.push(error.clone());
    }
    if !registry.follows_by.is_empty() {
        said.push(format!("follows by {}", registry.follows_by));
    }
    if registry.read_only {
        said.push("read-only".to_owned());
    }
    said.join(", ")
}

fn held_view(held: &HeldView) -> String {
    format!(
        "the registry {} {} of {} frontends {} ago; they are served on for {} more (portico registry accept)",
        if held.older { "is an older copy and took back" } else { "lost" },
        held.removes,
        held.of,
        duration(held.for_ms),
        duration(held.left_ms)
    )
}

fn routes(registry: &RegistryStatus) -> String {
    let age = match registry.age_ms {
        Some(ms) => format!("{} old", duration(ms)),
        None if registry.from_cache => "of unknown age".to_owned(),
        None => "not read yet".to_owned(),
    };
    let facts = match registry.facts {
        1 => "1 fact".to_owned(),
        n => format!("{n} facts"),
    };
    let mut said =
        vec![format!("revision {}", registry.revision), format!("{facts}{}", kinds(registry)), age];
    if registry.from_cache {
        said.push("last known good from disk".to_owned());
    }
    if registry.quarantined > 0 {
        said.push(format!("{} set aside (portico verify)", registry.quarantined));
    }
    said.join(", ")
}

/// How many there are of each kind, where there are several: ` (2 frontends, 1 host)`.
fn kinds(registry: &RegistryStatus) -> String {
    let of_kind = |(kind, count): (&String, &usize)| match count {
        0 => None,
        1 => Some(format!("1 {kind}")),
        n => Some(format!("{n} {kind}s")),
    };
    let kinds: Vec<String> = registry.facts_by_kind.iter().filter_map(of_kind).collect();
    if kinds.len() < 2 { String::new() } else { format!(" ({})", kinds.join(", ")) }
}

/// The two largest units.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, ms % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use admin::wire::{LeavingStatus, Listener, ProxyStatus, Readiness};

    use super::*;

    fn status() -> Status {
        Status {
            version: "0.1.0".to_owned(),
            node: "web-1".to_owned(),
            uptime_ms: 3_725_000,
            ready: Readiness {
                ready: true,
                reasons: Vec::new(),
                registry: "live".to_owned(),
                from_cache: false,
                held: false,
            },
            registry: RegistryStatus {
                driver: "redis".to_owned(),
                url: "redis://:***@10.0.0.5:6379/0".to_owned(),
                link: "live".to_owned(),
                error: None,
                follows_by: "client tracking".to_owned(),
                age_ms: Some(1_240),
                from_cache: false,
                read_only: false,
                held: None,
                revision: 42,
                facts: 3,
                facts_by_kind: [("frontend", 2), ("host", 0), ("record", 1)]
                    .map(|(kind, n)| (kind.to_owned(), n))
                    .into(),
                quarantined: 0,
            },
            proxy: Some(ProxyStatus {
                serving: 42,
                in_flight: 7,
                dead_endpoints: 0,
                checked_endpoints: 0,
                failing_endpoints: 0,
            }),
            listeners: vec![
                Listener { role: "http".to_owned(), address: "0.0.0.0:8080".to_owned() },
                Listener { role: "admin".to_owned(), address: "127.0.0.1:8081".to_owned() },
            ],
            nodes: vec![
                node_status("web-1", true, 0, false),
                node_status("web-2", false, 300, false),
                node_status("web-3", false, 61_000, true),
            ],
            others: Others::Heard,
            control: None,
        }
    }

    fn node_status(name: &str, this: bool, heard_ms: u64, lost: bool) -> NodeStatus {
        NodeStatus {
            node: name.to_owned(),
            this,
            proxy: Some(42),
            dns: this.then_some(41),
            addresses: Vec::new(),
            heard_ms,
            lost,
            draining: false,
            oldest: Some(42),
            leaving: Vec::new(),
        }
    }

    #[test]
    fn a_healthy_node_is_told_in_a_few_lines() {
        insta::assert_snapshot!(text(&status()), @r#"
        portico   0.1.0, node web-1, up 1 h 2 min
        ready     yes
        registry  redis://:***@10.0.0.5:6379/0 (live, follows by client tracking)
        routes    revision 42, 3 facts (2 frontends, 1 record), 1.2 s old
        proxy     serves revision 42, 7 in flight, no endpoint out
        node      web-1 (this one): proxy 42, DNS 41
        node      web-2: proxy 42, heard 0.3 s ago
        node      web-3: proxy 42, lost: not heard of for 1 min 1 s
        listens   http 0.0.0.0:8080
        listens   admin 127.0.0.1:8081
        "#);
    }

    #[test]
    fn a_lost_registry_is_told_with_the_age_of_the_routes() {
        let mut lost = status();
        lost.registry.link = "lost".to_owned();
        lost.registry.error = Some("connection refused".to_owned());
        lost.registry.follows_by = String::new();
        lost.registry.age_ms = None;
        lost.registry.from_cache = true;
        lost.registry.facts = 1;
        lost.registry.facts_by_kind = [("frontend".to_owned(), 1)].into();
        lost.registry.quarantined = 2;
        lost.registry.held =
            Some(HeldView { for_ms: 12_000, left_ms: 48_500, removes: 61, of: 70, older: false });
        lost.ready.ready = false;
        lost.ready.reasons = vec!["this node is draining".to_owned()];
        lost.proxy = None;
        lost.nodes.truncate(1);
        lost.others = Others::Away;

        insta::assert_snapshot!(text(&lost), @r#"
        portico   0.1.0, node web-1, up 1 h 2 min
        ready     no: this node is draining
        registry  redis://:***@10.0.0.5:6379/0 (lost, connection refused)
        routes    revision 42, 1 fact, of unknown age, last known good from disk, 2 set aside (portico verify)
        held      the registry lost 61 of 70 frontends 12 s ago; they are served on for 48 s more (portico registry accept)
        proxy     none in this process
        node      web-1 (this one): proxy 42, DNS 41
        nodes     the registry cannot be reached: that is what was last heard
        listens   http 0.0.0.0:8080
        listens   admin 127.0.0.1:8081
        "#);
    }

    #[test]
    fn what_is_in_flight_at_endpoints_that_left_is_told_by_node() {
        let mut busy = status();
        let leaving = |n: u64, in_flight, tunnels| LeavingStatus {
            endpoint: format!("http://10.0.0.{n}:80"),
            in_flight,
            tunnels,
        };
        busy.nodes[0].leaving = vec![leaving(1, 1, 0), leaving(2, 0, 2), leaving(3, 5, 1)];
        busy.nodes[1].leaving = (1..=10).map(|n| leaving(n, 1, 0)).collect();

        let text = text(&busy);
        let told: Vec<&str> = text.lines().filter(|line| line.starts_with("leaving")).collect();

        assert_eq!(
            told[0],
            "leaving   web-1 waits for http://10.0.0.1:80 (1 request), http://10.0.0.2:80 (2 tunnels), \
             http://10.0.0.3:80 (5 requests, 1 tunnel)"
        );
        assert!(told[1].ends_with(", http://10.0.0.8:80 (1 request) and 2 more"), "{}", told[1]);
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        let all = [0, 9_990, 10_000, 61_000, 7_260_000, 90_000_000].map(duration);
        assert_eq!(all, ["0.0 s", "9.9 s", "10 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]);
    }
}
