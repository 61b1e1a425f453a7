//! Which frontend takes a request: rows, and a naive model of the written rules.

use std::net::Ipv4Addr;
use std::sync::Arc;

use model::{BalanceKind, Fact, Frontend, Snapshot, split_port};
use proptest::prelude::*;
use proxy::health::States;
use proxy::route::{Outcome, Route, RouteTable};

use crate::world::{World, frontend, put, weighted};

fn at(host: &str, path: &str) -> Fact {
    weighted(host, path, BalanceKind::default(), Vec::new())
}

/// Looks `asked` up, a host that may name a port.
pub(crate) fn find<'t>(table: &'t RouteTable, asked: &str, path: &str) -> Option<&'t Route> {
    let (host, port) = split_port(asked);
    table.find_at(host, port, path.as_bytes())
}

#[track_caller]
fn check(facts: &[(&str, &str)], host: &str, path: &str, expected: Option<&str>) {
    let world = World::with(facts.iter().map(|(host, path)| at(host, path)));
    let found = find(&world.table, host, path).map(|route| route.key().to_string());
    assert_eq!(found, expected.map(|key| format!("frontend:{key}")), "{host}{path} among {facts:?}");
}

#[test]
fn hosts_are_found_from_the_most_to_the_least_specific() {
    let all = &[("www.example.com", "/"), ("*.example.com", "/"), ("*.com", "/"), ("*", "/")];
    check(all, "www.example.com", "/", Some("www.example.com"));
    check(all, "ftp.example.com", "/", Some("*.example.com"));
    check(all, "a.b.example.com", "/", Some("*.example.com"));
    check(all, "example.com", "/", Some("*.com"));
    check(all, "example.org", "/", Some("*"));
    check(all, "com", "/", Some("*"));
    check(&all[..3], "example.org", "/", None);
    check(&[], "www.example.com", "/", None);
}

#[test]
fn suffixes_are_looked_for_five_levels_up_at_most() {
    check(&[("*.b.c.d.e.f", "/")], "a.b.c.d.e.f", "/", Some("*.b.c.d.e.f"));
    check(&[("*.b.c.d.e.f", "/")], "y.z.a.b.c.d.e.f", "/", Some("*.b.c.d.e.f"));
    check(&[("*.a.b.c.d.e.f", "/")], "z.a.b.c.d.e.f", "/", None);
    check(&[("z.a.b.c.d.e.f", "/")], "z.a.b.c.d.e.f", "/", Some("z.a.b.c.d.e.f"));
}

#[test]
fn a_suffix_and_a_host_of_the_same_text_are_two_things() {
    check(&[("*.example.com", "/")], "example.com", "/", None);
    check(&[("example.com", "/")], "www.example.com", "/", None);
}

#[test]
fn the_longest_path_that_covers_wins_and_otherwise_the_next_pattern_is_asked() {
    let paths = &[("a.b", "/"), ("a.b", "/api"), ("a.b", "/api/v1")];
    check(paths, "a.b", "/", Some("a.b"));
    check(paths, "a.b", "/apix", Some("a.b"));
    check(paths, "a.b", "/api", Some("a.b/api"));
    check(paths, "a.b", "/api/", Some("a.b/api"));
    check(paths, "a.b", "/api/v1/x", Some("a.b/api/v1"));
    check(paths, "a.b", "/api/v10", Some("a.b/api"));
    check(paths, "a.b", "*", Some("a.b"));
    check(&[("a.b", "/api"), ("*.b", "/")], "a.b", "/other", Some("*.b"));
    check(&[("a.b", "/api"), ("*", "/x")], "a.b", "/x/y", Some("*/x"));
    check(&[("a.b", "/api")], "a.b", "/", None);
    check(&[("a.b", "/api")], "a.b", "*", None);
    check(&[("a.b", "/api")], "a.b", "", None);
}

#[test]
fn addresses_are_hosts_too() {
    check(&[("10.0.0.1", "/"), ("[::1]", "/")], "10.0.0.1", "/", Some("10.0.0.1"));
    check(&[("10.0.0.1", "/"), ("[::1]", "/")], "[::1]", "/", Some("[::1]"));
    check(&[("*", "/")], "[::ffff:10.0.0.1]", "/", Some("*"));
}

#[test]
fn what_is_for_one_port_is_asked_before_what_is_for_all() {
    let ports = &[("a.b:8080", "/"), ("a.b", "/"), ("a.b:81", "/x"), ("[::1]:8080", "/")];
    check(ports, "a.b:8080", "/", Some("a.b:8080"));
    check(ports, "a.b:81", "/x/y", Some("a.b:81/x"));
    check(ports, "a.b:81", "/", Some("a.b"));
    check(ports, "a.b:80", "/", Some("a.b"));
    check(ports, "a.b", "/", Some("a.b"));
    check(ports, "[::1]:8080", "/", Some("[::1]:8080"));
    check(ports, "[::1]", "/", None);
    check(&[("a.b:8080", "/"), ("*.b", "/")], "a.b:81", "/", Some("*.b"));
    check(&[("a.b:8080", "/"), ("*", "/")], "a.b", "/", Some("*"));
}

#[test]
fn an_explanation_names_the_port_that_was_asked_for() {
    let world = World::with([at("a.b:81", "/"), frontend("a.b", &["10.0.0.1:80"])]);
    let lines = |asked| {
        let explanation = world.table.explain(asked, b"/", 0);
        let line = |c: &proxy::route::Considered| (c.host.to_string(), c.outcome);
        explanation.considered.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(
        lines("a.b:81")[..2],
        [("a.b:81".into(), Outcome::Taken), ("a.b".into(), Outcome::LessSpecific)]
    );
    assert_eq!(
        lines("a.b:80")[..2],
        [("a.b:80".into(), Outcome::NoFrontend), ("a.b".into(), Outcome::Taken)]
    );
    assert_eq!(lines("a.b")[0], ("a.b".into(), Outcome::Taken));
}

#[test]
fn a_lookup_allocates_nothing() {
    // given
    let hosts = (0..1_000).map(|n| at(&format!("h{n}.example.com"), "/"));
    let world = World::with(hosts.chain([
        at("h1.example.com:80", "/"),
        at("*.d.e.f", "/"),
        at("h1.example.com", "/api"),
        at("*", "/x"),
    ]));
    let client = Ipv4Addr::LOCALHOST.into();

    // when
    let looked_up = allocation_counter::measure(|| {
        for host in ["h999.example.com", "h1.example.com", "a.b.c.d.e.f", "z.z.z.z.z.z.z.z", "nothing"] {
            for path in [&b"/"[..], b"/api/v1/users/1", b"/x/y"] {
                if let Some(route) = world.table.find_at(host, Some(80), path) {
                    std::hint::black_box(route.request_key(|| client, |_| None));
                }
            }
        }
    });

    // then
    assert_eq!(looked_up.count_total, 0);
}

#[test]
fn a_very_long_path_is_only_read_as_far_as_prefixes_go() {
    let world = World::with([at("a.b", "/x"), at("a.b", "/")]);
    let long = format!("/x{}", "/y".repeat(100_000));
    assert_eq!(
        world.table.find("a.b", long.as_bytes()).map(|r| r.key().to_string()).unwrap(),
        "frontend:a.b/x"
    );
}

#[test]
fn an_explanation_names_everything_that_was_looked_at() {
    // given
    let world = World::with([
        at("*.a.b.c.d.e.f", "/"),
        at("*.e.f", "/api"),
        frontend("*.e.f", &["10.0.0.1:80"]),
        at("*", "/"),
    ]);

    // when
    let explanation = world.table.explain("z.a.b.c.d.e.f", b"/x", 0);

    // then
    let line = |c: &proxy::route::Considered| {
        (format!("{}{}", c.host, c.path.as_ref().map_or(String::new(), ToString::to_string)), c.outcome)
    };
    let lines: Vec<_> = explanation.considered.iter().map(line).collect();
    let expected = [
        ("*.a.b.c.d.e.f", Outcome::TooFarUp),
        ("z.a.b.c.d.e.f", Outcome::NoFrontend),
        ("*.b.c.d.e.f", Outcome::NoFrontend),
        ("*.c.d.e.f", Outcome::NoFrontend),
        ("*.d.e.f", Outcome::NoFrontend),
        ("*.e.f/api", Outcome::PathNotCovered),
        ("*.e.f/", Outcome::Taken),
        ("*.f", Outcome::NoFrontend),
        ("*/", Outcome::LessSpecific),
    ];
    assert_eq!(lines, expected.map(|(text, outcome)| (text.to_owned(), outcome)));
    assert_eq!(explanation.revision, world.table.revision());
    let matched = explanation.matched.expect("a match");
    assert_eq!((matched.frontend.to_string(), matched.endpoints.len()), ("frontend:*.e.f".to_owned(), 1));
    assert!(matched.endpoints[0].serves);
}

#[test]
fn an_explanation_counts_paths_instead_of_listing_thousands() {
    let world = World::with((0..100).map(|n| at("a.b", &format!("/p{n}"))));
    let explanation = world.table.explain("a.b", b"/other", 0);
    assert!(explanation.considered.iter().any(|c| c.outcome == Outcome::MorePathsNotCovered(84)));
    assert!(explanation.considered.len() < 25);
    assert_eq!(explanation.matched, None);
}

/// The written rules, word for word: planb's `ChooseBackend` (the host as it was asked for, then without its port), then hipache
/// 0.4 `getDomainsLookup`, and of each pattern the longest prefix.
fn naive<'a>(rules: &[(String, &'a Frontend)], asked: &str, path: &str) -> Option<&'a Frontend> {
    let host = asked.split(':').next().unwrap_or(asked);
    let mut patterns = vec![asked.to_owned(), host.to_owned()];
    let mut labels: Vec<_> = host.split('.').collect();
    if labels.len() > 6 {
        labels = labels.split_off(labels.len() - 6);
    }
    for dropped in 1..labels.len() {
        patterns.push(format!("*.{}", labels[dropped..].join(".")));
    }
    patterns.push("*".to_owned());
    patterns.iter().find_map(|pattern| {
        let of_pattern = rules.iter().filter(|(text, _)| text == pattern).map(|(_, frontend)| *frontend);
        of_pattern.filter(|f| f.path.covers(path.as_bytes())).max_by_key(|f| f.path.as_str().len())
    })
}

pub(crate) fn hosts() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "ab"]), 1..9)
        .prop_map(|labels| labels.join("."))
}

pub(crate) fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["x", "y", "xy", "x-y"]), 0..4)
        .prop_map(|segments| format!("/{}", segments.join("/")))
}

pub(crate) fn patterns() -> impl Strategy<Value = String> {
    let on_port = (hosts(), 80u16..82).prop_map(|(host, port)| format!("{host}:{port}"));
    let suffix = hosts().prop_map(|host| format!("*.{host}"));
    prop_oneof![4 => hosts(), 4 => suffix, 2 => on_port, 1 => Just("*".to_owned())]
}

/// Hosts as clients ask for them, some with a port.
pub(crate) fn asked() -> impl Strategy<Value = String> {
    (hosts(), prop::option::of(80u16..82)).prop_map(|(host, port)| match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}

proptest! {
    #[test]
    fn the_table_finds_what_the_written_rules_say(
        rules in prop::collection::vec((patterns(), prop_oneof![2 => Just("/".to_owned()), 1 => paths()]), 0..60),
        requests in prop::collection::vec((asked(), paths()), 1..60),
    ) {
        let changes = rules.iter().map(|(host, path)| put(at(host, path), 1));
        let snapshot = Snapshot::empty().apply(model::Revision::new(1), changes);
        let table = RouteTable::from_snapshot(Arc::new(snapshot.clone()), &States::default());
        let all: Vec<_> = snapshot.frontends().map(|(frontend, _)| (frontend.host.to_string(), frontend)).collect();
        // Besides hosts by chance: the patterns' own texts and names just below them.
        let near = rules.iter().flat_map(|(host, path)| {
            let base = host.trim_start_matches("*.").trim_start_matches('*').to_owned();
            let below = if base.is_empty() { "a".to_owned() } else { format!("b.{base}") };
            [(below.clone(), path.clone()), (format!("a.{below}"), format!("{path}/x")), (base, path.clone())]
        });
        for (host, path) in near.chain(requests).filter(|(host, _)| !host.is_empty()) {
            let found = find(&table, &host, &path).map(|route| route.frontend());
            prop_assert_eq!(found, naive(&all, &host, &path), "{}{}", host, path);
            let explained = table.explain(&host, path.as_bytes(), 0).matched.map(|matched| matched.frontend);
            prop_assert_eq!(explained, found.map(Frontend::key));
        }
    }
}
