//! Names that DNS has of what the registry holds, beside the zone of services: of addresses. Asked by dig.

use std::net::SocketAddr;

use crate::world::{Portico, World, dig, eventually, get};

/// Two hosts, and a service of which one instance is on none of them.
const FACTS: &str = "\
{kind: host, name: node-1, addresses: [10.20.0.1, 'fd00::1']}
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
