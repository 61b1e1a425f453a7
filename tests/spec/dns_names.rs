//! Names that DNS has of what the registry holds, beside the zone of services: of addresses, and frontends' own. Asked by dig.

use std::net::SocketAddr;
use std::time::Duration;

use crate::world::{Portico, World, dig, eventually, get, serial};

/// Two hosts, and a service of which one instance is on none of them.
const FACTS: &str = "\
kind: host
name: node-1
addresses: [10.20.0.1, 'fd00::1']
---
{kind: service, name: web}
---
{kind: instance, service: web, name: a, addresses: [10.20.0.1], host: node-1}
---
{kind: instance, service: web, name: b, addresses: [10.20.0.2, 'fd00::2'], state: draining}
---
{kind: instance, service: web, name: c, addresses: [172.16.7.7, 192.168.7.7]}
";

fn with_ranges(world: &World, ranges: &str) -> (Portico, SocketAddr) {
    let command = world.portico_command(&["--dns", "127.0.0.1:0"]).env("PORTICO_DNS__REVERSE", ranges);
    let portico = command.start();
    let dns = portico.dns();
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    (portico, dns)
}

/// What is told of an address: the code, and the name.
fn whose(dns: SocketAddr, address: &str) -> String {
    let dug = dig(dns, &["-x", address]);
    let names: Vec<_> =
        dug.answer().iter().filter_map(|line| Some(line.split_once(" IN PTR ")?.1.to_owned())).collect();
    format!("{} {}", dug.status(), names.join(" ")).trim_end().to_owned()
}

#[test]
fn it_is_told_whose_an_address_is_and_that_nobody_has_it() {
    let world = World::new();
    let (portico, dns) = with_ranges(&world, "10.0.0.0/8,fd00::/8,172.16.0.0/12");
    let file = world.write("facts.yaml", FACTS).display().to_string();
    assert_eq!(whose(dns, "10.20.0.1"), "NXDOMAIN");

    portico.does(&["apply", "-f", &file]);

    eventually("names are there", || whose(dns, "10.20.0.1") != "NXDOMAIN");
    let check = |address: &str, expected: &str| assert_eq!(whose(dns, address), expected, "{address}");
    check("10.20.0.1", "NOERROR node-1.node.svc.internal.");
    check("fd00::1", "NOERROR node-1.node.svc.internal.");
    check("10.20.0.2", "NOERROR b.web.svc.internal.");
    check("fd00::2", "NOERROR b.web.svc.internal.");
    check("172.16.7.7", "NOERROR c.web.svc.internal.");
    check("10.20.0.3", "NXDOMAIN");
    check("fd00::3", "NXDOMAIN");
    check("192.168.7.7", "REFUSED");
    let soa = dig(dns, &["10.in-addr.arpa", "SOA"]).answer();
    assert!(
        soa[0].starts_with("10.in-addr.arpa. 30 IN SOA ns1.svc.internal. hostmaster.svc.internal."),
        "{soa:?}"
    );
    assert_eq!(dig(dns, &["8.b.d.0.1.0.0.2.ip6.arpa", "SOA"]).status(), "REFUSED");
    assert_eq!(dig(dns, &["20.10.in-addr.arpa", "PTR"]).status(), "NOERROR", "there are names below it");
    portico.does(&["host", "rm", "node-1"]);
    eventually("the instance has it", || whose(dns, "10.20.0.1") == "NOERROR a.web.svc.internal.");
    check("fd00::1", "NXDOMAIN");
}

#[test]
fn a_range_that_ends_within_an_octet_has_the_zones_that_cover_exactly_it() {
    let world = World::new();
    let (_portico, dns) = with_ranges(&world, "10.20.48.0/20,2001:db8::/33");

    let status = |address: &str| whose(dns, address);

    assert_eq!([status("10.20.47.255"), status("10.20.64.0")], ["REFUSED", "REFUSED"]);
    assert_eq!([status("10.20.48.0"), status("10.20.63.255")], ["NXDOMAIN", "NXDOMAIN"]);
    assert_eq!([status("2001:db8:7fff::1"), status("2001:db8:8000::1")], ["NXDOMAIN", "REFUSED"]);
    for apex in ["48.20.10.in-addr.arpa", "63.20.10.in-addr.arpa", "7.8.b.d.0.1.0.0.2.ip6.arpa"] {
        assert_eq!(dig(dns, &[apex, "SOA"]).answer().len(), 1, "{apex}");
        assert_eq!(dig(dns, &[apex, "NS"]).answer(), [format!("{apex}. 30 IN NS ns1.svc.internal.")]);
    }
}

#[test]
fn ranges_that_cannot_have_zones_are_named_at_the_start() {
    let world = World::new();
    let check = |ranges: &str, expected: &str| {
        let command = world.portico_command(&["--dns", "127.0.0.1:0"]).env("PORTICO_DNS__REVERSE", ranges);
        let ended = command.finish();
        assert_eq!(ended.code, Some(1), "{ranges}");
        assert!(ended.stderr.contains(expected), "{ranges}: {}", ended.stderr);
    };

    check("10.0.0.0/8,10.1.0.0/16", "`dns.reverse` names 10.0.0.0/8 and 10.1.0.0/16, which share addresses");
    let many: Vec<String> = (0..9).map(|net| format!("10.0.{net}.0/25")).collect();
    check(&many.join(","), "`dns.reverse` takes more than 1024 zones");
}

/// A node of a fleet whose proxy is reached at `addresses`, given up when it was not heard for `lease`.
fn node(world: &World, name: &str, registry: &str, addresses: &str, lease: &str) -> Portico {
    let command = world.portico_command(&["--registry", registry, "--dns", "127.0.0.1:0"]);
    let command = command.env("PORTICO_REGISTRY__NODE", name).env("PORTICO_REGISTRY__LEASE", lease);
    let command = command.env("PORTICO_REGISTRY__TIMEOUT", "1s").env("PORTICO_REGISTRY__RECONCILE", "1s");
    let portico = command.env("PORTICO_REGISTRY__ADDRESSES", addresses).start();
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    portico
}

/// The data of the records that answer, sorted.
fn data(dns: SocketAddr, name: &str, record_type: &str) -> Vec<String> {
    let answer = dig(dns, &[name, record_type]).answer();
    answer.iter().filter_map(|line| line.rsplit_once(' ')).map(|(_, data)| data.to_owned()).collect()
}

const ORIGIN: &str = "http://127.0.0.1:1";

#[test]
fn a_frontend_that_wants_it_is_a_name_with_the_addresses_of_the_proxy() {
    let world = World::new();
    let portico = node(&world, "a", "memory:", "192.0.2.1,2001:db8::1", "15s");
    let dns = portico.dns();
    portico.does(&["frontend", "add", "quiet.example.test", ORIGIN]);

    portico.does(&["frontend", "add", "www.example.test/shop", ORIGIN, "--dns"]);

    eventually("it is answered", || data(dns, "www.example.test", "A") == ["192.0.2.1"]);
    assert_eq!(data(dns, "www.example.test", "AAAA"), ["2001:db8::1"]);
    assert_eq!(dig(dns, &["www.example.test", "A"]).answer(), ["www.example.test. 5 IN A 192.0.2.1"]);
    assert_eq!(data(dns, "www.example.test", "NS"), ["ns1.www.example.test."]);
    assert_eq!(data(dns, "ns1.www.example.test", "A"), ["127.0.0.1"]);
    assert_eq!(dig(dns, &["www.example.test", "SOA"]).answer().len(), 1);
    assert_eq!(dig(dns, &["x.www.example.test", "A"]).status(), "NXDOMAIN");
    assert_eq!(dig(dns, &["www.example.test", "TXT"]).status(), "NOERROR");
    assert_eq!(dig(dns, &["quiet.example.test", "A"]).status(), "REFUSED");
    assert!(portico.does(&["frontend", "show", "www.example.test/shop"]).contains("where the proxies are"));
    assert!(
        portico.does(&["export"]).replace(' ', "").contains(r#""dns":true"#),
        "it is in what is exported"
    );
    // What is added to it leaves that as it is, and other paths do not take it back.
    portico.does(&["frontend", "add", "www.example.test/shop", "http://127.0.0.1:2"]);
    portico.does(&["frontend", "add", "www.example.test", ORIGIN]);
    portico.does(&["record", "add", "www.example.test", "MX", "1 mail.example.test."]);
    eventually("records stand beside it", || data(dns, "www.example.test", "MX") == ["mail.example.test."]);
    assert_eq!(data(dns, "www.example.test", "A"), ["192.0.2.1"]);
    portico.does(&["frontend", "add", "www.example.test/shop", ORIGIN, "--dns=false"]);
    eventually("it is no name any more", || dig(dns, &["www.example.test", "A"]).status() == "REFUSED");
}

#[test]
fn rfc_4592_a_frontend_of_all_names_below_one_is_a_wildcard() {
    let world = World::new();
    let portico = node(&world, "a", "memory:", "192.0.2.1", "15s");
    let dns = portico.dns();

    portico.does(&["frontend", "add", "*.example.test", ORIGIN, "--dns"]);
    portico.does(&["frontend", "add", "a.example.test", ORIGIN, "--dns"]);

    eventually("they are answered", || data(dns, "a.example.test", "A") == ["192.0.2.1"]);
    for name in ["b.example.test", "c.b.example.test"] {
        assert_eq!(dig(dns, &[name, "A"]).answer(), [format!("{name}. 5 IN A 192.0.2.1")]);
    }
    let bare = dig(dns, &["example.test", "A"]);
    assert_eq!((bare.status(), bare.answer().len()), ("NOERROR", 0), "the suffix is none of its names");
    assert_eq!(dig(dns, &["b.example.test", "AAAA"]).status(), "NOERROR");
    assert_eq!(dig(dns, &["x.a.example.test", "A"]).status(), "NXDOMAIN", "what is there hides the wildcard");
    portico.does(&["frontend", "add", "example.test", ORIGIN, "--dns"]);
    eventually("the suffix is a frontend too", || data(dns, "example.test", "A") == ["192.0.2.1"]);
    portico.does(&["frontend", "rm", "a.example.test"]);
    eventually("the wildcard has it again", || data(dns, "x.a.example.test", "A") == ["192.0.2.1"]);
}

#[test]
fn a_frontend_that_cannot_have_a_name_is_named_by_verify() {
    let world = World::new();
    let portico = node(&world, "a", "memory:", "192.0.2.1", "15s");

    for name in ["*", "10.0.0.1", "www.example.test:8080", "web.svc.internal", "fine.example.test"] {
        portico.does(&["frontend", "add", name, ORIGIN, "--dns"]);
    }

    let said = portico.cli(&["verify"]).stdout;
    for name in ["frontend:*", "frontend:10.0.0.1", "frontend:www.example.test:8080"] {
        assert!(said.lines().any(|line| line.contains(name)), "{name}: {said}");
    }
    assert!(said.contains("a frontend with a port, of an IP address or `*` has no name in DNS"), "{said}");
    assert!(said.contains("its name belongs to svc.internal."), "{said}");
    assert!(!said.contains("fine.example.test"), "{said}");
}

#[test]
fn a_frontends_name_has_the_addresses_of_all_healthy_proxies_of_the_fleet() {
    let worlds = [World::new(), World::new()];
    let redis = worlds[0].redis();
    let a = node(&worlds[0], "a", &redis.url(), "192.0.2.1", "3s");
    let b = node(&worlds[1], "b", &redis.url(), "192.0.2.2", "3s");
    a.does(&["frontend", "add", "www.example.test", ORIGIN, "--dns"]);
    let (both, one) = (["192.0.2.1", "192.0.2.2"], ["192.0.2.1"]);
    for portico in [&a, &b] {
        eventually("both are told", || data(portico.dns(), "www.example.test", "A") == both);
    }
    let before = serial(a.dns(), "www.example.test");

    let mut b = b;
    b.kill();

    let took = eventually("its lease ends", || data(a.dns(), "www.example.test", "A") == one);
    assert!(took >= Duration::from_secs(1), "it may be back within its lease: {took:?}");
    let after = serial(a.dns(), "www.example.test");
    assert!(after.wrapping_sub(before) as i32 > 0, "no revision moved, and the serial did: {before} {after}");
}

#[test]
fn the_address_of_a_proxy_that_takes_its_leave_leaves_at_once() {
    let worlds = [World::new(), World::new()];
    let redis = worlds[0].redis();
    let a = node(&worlds[0], "a", &redis.url(), "192.0.2.1", "10m");
    let mut b = node(&worlds[1], "b", &redis.url(), "192.0.2.2", "10m");
    a.does(&["frontend", "add", "www.example.test", ORIGIN, "--dns"]);
    eventually("both are told", || data(a.dns(), "www.example.test", "A") == ["192.0.2.1", "192.0.2.2"]);

    b.signal("TERM");

    eventually("it is told no more", || data(a.dns(), "www.example.test", "A") == ["192.0.2.1"]);
    b.ended();
}
