//! DNS: zones from files, asked by dig.

use std::net::SocketAddr;

use crate::world::{Portico, World, dig, eventually, portico};

/// The zone of RFC 4592 §2.2.1, its SOA and SRV records filled in, and what other promises need.
const EXAMPLE: &str = r#"$ORIGIN example.
$TTL 3600
example.                 3600 IN  SOA   ns.example.com. hostmaster.example.com. 7 3600 600 86400 60
example.                 3600     NS    ns.example.com.
example.                 3600     NS    ns.example.net.
*.example.               3600     TXT   "this is a wildcard"
*.example.               3600     MX    10 host1.example.
sub.*.example.           3600     TXT   "this is not a wildcard"
host1.example.           3600     A     192.0.2.1
_ssh._tcp.host1.example. 3600     SRV   0 0 22 host1.example.
_ssh._tcp.host2.example. 3600     SRV   0 0 22 host1.example.
subdel.example.          3600     NS    ns.example.com.
subdel.example.          3600     NS    ns.example.net.
"#;

/// A zone with one of everything else.
const OTHERS: &str = r#"$TTL 5m
@         SOA   ns hostmaster ( 42 1h 10m 1d 30 )
          NS    ns
ns        A     192.0.2.53
          AAAA  2001:db8::53
www       CNAME web
web       A     192.0.2.1
web       A     192.0.2.2
old       DNAME new
a.new     A     192.0.2.3
child     NS    ns.child
ns.child  A     192.0.2.54
mail      MX    10 web
_sip._udp SRV   1 2 5060 web
secure    HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.1
ca        CAA   0 issue "ca.example.net"
odd       TYPE65280 \# 3 0a0b0c
"#;

/// portico with these zones, and where it speaks DNS.
fn serving(world: &World, zones: &[(&str, &str)]) -> (Portico, SocketAddr) {
    let mut arguments = vec!["--dns".to_owned(), "127.0.0.1:0".to_owned()];
    for (origin, text) in zones {
        let path = world.write(&format!("{origin}.zone"), text);
        arguments.extend(["--zone-file".to_owned(), format!("{origin}={}", path.display())]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let portico = world.portico_command(&arguments).env("PORTICO_DNS__THREADS", "2").start();
    let dns = portico.dns();
    (portico, dns)
}

#[test]
fn a_zone_file_is_answered_from_over_udp_and_tcp() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[("others.test", OTHERS)]);

    for transport in ["+notcp", "+tcp"] {
        let ask = |name: &str, record_type: &str| dig(dns, &[name, record_type, transport]);
        let web = ask("web.others.test", "A");
        assert_eq!((web.status(), web.flags()), ("NOERROR", "qr aa rd"), "{}", web.text());
        assert_eq!(
            web.answer(),
            ["web.others.test. 300 IN A 192.0.2.1", "web.others.test. 300 IN A 192.0.2.2"]
        );
        let check = |name: &str, record_type: &str, expected: &str| {
            assert_eq!(ask(name, record_type).answer(), [format!("{name}. 300 IN {record_type} {expected}")]);
        };
        check("ns.others.test", "AAAA", "2001:db8::53");
        check("mail.others.test", "MX", "10 web.others.test.");
        check("_sip._udp.others.test", "SRV", "1 2 5060 web.others.test.");
        check("secure.others.test", "HTTPS", "1 . alpn=\"h2,h3\" ipv4hint=192.0.2.1");
        check("ca.others.test", "CAA", "0 issue \"ca.example.net\"");
        check("odd.others.test", "TYPE65280", "\\# 3 0A0B0C");
        check("others.test", "SOA", "ns.others.test. hostmaster.others.test. 42 3600 600 86400 30");
        let additional = ask("_sip._udp.others.test", "SRV").section("ADDITIONAL");
        assert_eq!(
            additional,
            ["web.others.test. 300 IN A 192.0.2.1", "web.others.test. 300 IN A 192.0.2.2"]
        );
    }
}

#[test]
fn rfc_4592_2_2_1_wildcards_answer_as_its_examples_say() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[("example", EXAMPLE)]);
    let check = |name: &str, record_type: &str, status: &str, expected: &[&str]| {
        let dug = dig(dns, &[name, record_type]);
        assert_eq!(
            (dug.status(), dug.answer()),
            (status, expected.iter().map(|&e| e.to_owned()).collect()),
            "{name}"
        );
    };

    // "The following responses would be synthesized from one of the wildcards in the zone"
    check("host3.example.", "MX", "NOERROR", &["host3.example. 3600 IN MX 10 host1.example."]);
    check("host3.example.", "A", "NOERROR", &[]);
    check("foo.bar.example.", "TXT", "NOERROR", &["foo.bar.example. 3600 IN TXT \"this is a wildcard\""]);
    // "The following responses would not be synthesized from any of the wildcards in the zone"
    check("host1.example.", "MX", "NOERROR", &[]);
    check("sub.*.example.", "MX", "NOERROR", &[]);
    check("_telnet._tcp.host1.example.", "SRV", "NXDOMAIN", &[]);
    check("host.subdel.example.", "A", "NOERROR", &[]);
    check("ghost.*.example.", "MX", "NXDOMAIN", &[]);
    // RFC 4592 §2.2.2: names without records, above others, are there.
    check("_tcp.host1.example.", "SRV", "NOERROR", &[]);
    check("host2.example.", "TXT", "NOERROR", &[]);
}

#[test]
fn rfc_2308_negative_answers_carry_the_soa_with_its_minimum() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[("example", EXAMPLE), ("others.test", OTHERS)]);
    let soa = "others.test. 30 IN SOA ns.others.test. hostmaster.others.test. 42 3600 600 86400 30";

    let (no_name, no_data) = (dig(dns, &["no.others.test", "A"]), dig(dns, &["web.others.test", "AAAA"]));

    assert_eq!((no_name.status(), no_data.status()), ("NXDOMAIN", "NOERROR"));
    assert_eq!(
        (no_name.section("AUTHORITY"), no_data.section("AUTHORITY")),
        (vec![soa.to_owned()], vec![soa.to_owned()])
    );
    let elsewhere = dig(dns, &["www.elsewhere.test", "A"]);
    assert_eq!((elsewhere.status(), elsewhere.flags()), ("REFUSED", "qr rd"), "what is not ours is nobody's");
}

#[test]
fn rfc_1034_4_3_2_aliases_delegations_and_rfc_6672_dnames_are_followed() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[("others.test", OTHERS)]);

    let alias = dig(dns, &["www.others.test", "A"]);
    assert_eq!(
        alias.answer(),
        [
            "web.others.test. 300 IN A 192.0.2.1",
            "web.others.test. 300 IN A 192.0.2.2",
            "www.others.test. 300 IN CNAME web.others.test."
        ]
    );
    let dname = dig(dns, &["a.old.others.test", "A"]);
    assert_eq!(
        dname.answer(),
        [
            "a.new.others.test. 300 IN A 192.0.2.3",
            "a.old.others.test. 300 IN CNAME a.new.others.test.",
            "old.others.test. 300 IN DNAME new.others.test."
        ]
    );
    let referral = dig(dns, &["x.child.others.test", "A"]);
    assert_eq!((referral.status(), referral.flags()), ("NOERROR", "qr rd"));
    assert_eq!(referral.section("AUTHORITY"), ["child.others.test. 300 IN NS ns.child.others.test."]);
    assert_eq!(referral.section("ADDITIONAL"), ["ns.child.others.test. 300 IN A 192.0.2.54"]);
}

#[test]
fn rfc_8906_odd_questions_are_answered_and_not_dropped() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[("others.test", OTHERS)]);
    let ask =
        |arguments: &[&str]| dig(dns, &[&["others.test", "+norec", "+nocookie"][..], arguments].concat());

    for arguments in [
        &["SOA", "+noedns", "+noad"][..],
        &["SOA", "+noedns", "+noad", "+tcp"],
        &["SOA", "+noedns", "+zflag"],
        &["SOA", "+noedns", "+adflag"],
        &["SOA", "+noedns", "+cdflag"],
        &["SOA", "+edns=0"],
        &["SOA", "+edns=0", "+ednsopt=100"],
        &["SOA", "+edns=0", "+ednsflags=0x40"],
        &["SOA", "+edns=0", "+dnssec"],
        &["SOA", "+edns=0", "+cookie"],
        &["SOA", "+edns=0", "+bufsize=512"],
    ] {
        let dug = ask(arguments);
        assert_eq!((dug.status(), dug.answer().len()), ("NOERROR", 1), "{arguments:?}: {}", dug.text());
        assert_eq!(dug.text().contains("EDNS: version: 0"), arguments.contains(&"+edns=0"), "{}", dug.text());
        assert!(!dug.text().contains("MBZ"), "unknown flags are not echoed: {}", dug.text());
    }
    let unknown_type = ask(&["TYPE1000"]);
    assert_eq!((unknown_type.status(), unknown_type.answer().len()), ("NOERROR", 0));
    let version = ask(&["SOA", "+edns=1", "+noednsneg"]);
    assert_eq!((version.status(), version.answer().len()), ("BADVERS", 0), "{}", version.text());
    let version_and_option = ask(&["SOA", "+edns=1", "+noednsneg", "+ednsopt=100"]);
    assert_eq!(version_and_option.status(), "BADVERS");
    assert!(ask(&["+noedns", "+opcode=15", "+header-only"]).text().contains("status: NOTIMP"));
    // RFC 9619: exactly one question.
    assert!(ask(&["+noedns", "+header-only"]).text().contains("status: FORMERR"));
}

#[test]
fn rfc_8482_any_has_one_small_answer() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[("others.test", OTHERS)]);

    // dig asks for ANY over TCP unless told not to.
    let any = dig(dns, &["web.others.test", "ANY", "+notcp"]);

    assert_eq!(any.answer(), ["web.others.test. 3600 IN HINFO \"RFC8482\" \"\""]);
    assert_eq!(dig(dns, &["no.others.test", "ANY", "+notcp"]).status(), "NXDOMAIN");
}

#[test]
fn an_answer_that_is_too_large_for_udp_is_cut_and_comes_over_tcp() {
    let world = World::new();
    let many: String = (0..80).map(|n| format!("many A 192.0.2.{n}\n")).collect();
    let (portico, dns) = serving(&world, &[("others.test", &format!("{OTHERS}{many}"))]);

    let cut = dig(dns, &["many.others.test", "A", "+ignore", "+bufsize=4096"]);
    let whole = dig(dns, &["many.others.test", "A"]);

    assert_eq!((cut.flags(), cut.answer().len()), ("qr aa tc rd", 0), "{}", cut.text());
    assert!(cut.text().contains("udp: 1232"), "room for EDNS is kept: {}", cut.text());
    assert_eq!((whole.flags(), whole.answer().len()), ("qr aa rd", 80), "{}", whole.text());
    assert!(whole.text().contains("(TCP)"), "{}", whole.text());
    let few = dig(dns, &["many.others.test", "A", "+ignore", "+noedns"]);
    assert_eq!(few.answer().len(), 0, "512 octets without EDNS");
    assert!(portico.metric("portico_dns_truncated_total") >= 3.0);
}

#[test]
fn the_clients_spelling_is_kept() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[("others.test", OTHERS)]);

    let dug = dig(dns, &["wEb.OtHeRs.tEsT", "A"]);

    assert_eq!(dug.section("QUESTION"), [";wEb.OtHeRs.tEsT. IN A"]);
    assert!(dug.answer().iter().all(|line| line.starts_with("wEb.OtHeRs.tEsT. 300 IN A ")), "{}", dug.text());
}

#[test]
fn sighup_reads_zone_files_anew_and_a_wrong_one_keeps_its_zone() {
    let world = World::new();
    let (portico, dns) = serving(&world, &[("others.test", OTHERS), ("example", EXAMPLE)]);
    let new = || dig(dns, &["new.others.test", "A"]).answer();
    assert_eq!(new(), [""; 0]);

    world.write("others.test.zone", &format!("{OTHERS}new A 192.0.2.9\n"));
    portico.signal("HUP");
    eventually("the new name is there", || new() == ["new.others.test. 300 IN A 192.0.2.9"]);

    world.write("others.test.zone", &format!("{OTHERS}newer A 192.0.2.9.9\n"));
    world.write("example.zone", &format!("{EXAMPLE}newer A 192.0.2.9\n"));
    portico.signal("HUP");

    eventually("the other file is followed", || dig(dns, &["newer.example", "A"]).answer().len() == 1);
    assert_eq!(new().len(), 1, "the zone it had is served on");
    let log = portico.log();
    assert!(
        log.contains("others.test.zone:18: newer.others.test. A: `192.0.2.9.9` is no IPv4 address"),
        "{log}"
    );
}

#[test]
fn a_wrong_zone_file_is_named_with_its_line_at_the_start_and_by_check() {
    let world = World::new();
    let path = world.write("bad.zone", &format!("{EXAMPLE}www CNAME\n"));
    let argument = path.display().to_string();
    let expected = format!("{argument}:14: www.example. CNAME: something is missing at its end");

    let run = world.portico_command(&["--dns", "127.0.0.1:0", "--zone-file", &argument]).finish();
    let check = portico(&["check", "--zone-file", &argument]).finish();

    for finished in [run, check] {
        assert_eq!(finished.code, Some(1));
        assert!(finished.stderr.contains(&expected), "{}", finished.stderr);
    }
}

#[test]
fn dns_alone_speaks_no_http_and_ends_when_it_is_asked_to() {
    let world = World::new();
    let zone = world.write("others.test.zone", OTHERS);
    let zone = format!("others.test={}", zone.display());
    let mut portico = world.portico(&["--only", "dns", "--dns", "127.0.0.1:0", "--zone-file", &zone]);
    let dns = portico.dns();
    assert!(portico.log().contains(" http=off "), "{}", portico.log());
    assert_eq!(dig(dns, &["web.others.test", "A"]).answer().len(), 2);
    assert!(portico.metric("portico_dns_messages_total{transport=\"udp\"}") >= 1.0);
    assert_eq!(portico.metric("portico_dns_zones"), 2.0, "the file's, and the registry's");

    portico.signal("TERM");

    assert_eq!(portico.ended().code(), Some(0), "{}", portico.log());
    let nothing = portico_without_dns(&world);
    assert!(nothing.contains("write --dns ADDR"), "{nothing}");
}

/// What it says when it shall serve DNS alone, and nowhere.
fn portico_without_dns(world: &World) -> String {
    world.portico_command(&["--only", "dns", "--dns", "off"]).finish().stderr
}

#[test]
fn before_the_registry_was_read_nothing_is_said_not_to_be_there() {
    let world = World::new();
    let zone = world.write("others.test.zone", OTHERS);
    let zone = format!("others.test={}", zone.display());
    // Nobody listens there.
    let registry = "redis://127.0.0.1:1";

    let portico = world.portico(&["--registry", registry, "--dns", "127.0.0.1:0", "--zone-file", &zone]);

    let dns = portico.dns();
    assert_eq!(dig(dns, &["web.elsewhere.test", "A"]).status(), "SERVFAIL");
    assert_eq!(dig(dns, &["web.others.test", "A"]).status(), "NOERROR");
    assert_eq!(
        dig(dns, &["no.others.test", "A"]).status(),
        "SERVFAIL",
        "a zone of the registry may begin below"
    );
}

#[test]
fn every_address_answers_from_itself() {
    let world = World::new();
    let zone = world.write("others.test.zone", OTHERS);
    let zone = format!("others.test={}", zone.display());
    let portico = world.portico(&["--dns", "0.0.0.0:0", "--zone-file", &zone]);
    let port = portico.dns().port();

    for address in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 9, 9, 9]] {
        // dig takes no answer from another address than it asked.
        let dug = dig(SocketAddr::from((address, port)), &["web.others.test", "A"]);
        assert_eq!(dug.answer().len(), 2, "{}", dug.text());
    }
}

#[test]
fn a_dns_port_that_is_taken_is_named_with_its_holder() {
    let world = World::new();
    let (first, dns) = serving(&world, &[("others.test", OTHERS)]);
    let other = World::new();

    let finished = other.portico_command(&["--dns", &dns.to_string()]).finish();

    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains(&format!("{dns} is taken")), "{}", finished.stderr);
    assert!(finished.stderr.contains(&format!("process {} (portico)", first.pid())), "{}", finished.stderr);
    assert!(finished.stderr.contains("--dns off"), "{}", finished.stderr);
}

/// A service, two instances of it, and a host.
const SHOP: &str = "\
kind: service
name: web
ports: [{name: http, port: 8080}]
metadata: {version: \"1.4\"}
---
kind: instance
service: web
name: web-1
addresses: [10.0.0.7, \"fd00::7\"]
host: node-1
---
kind: instance
service: web
name: web-2
addresses: [10.0.0.8]
tags: [v2]
---
kind: host
name: node-1
addresses: [10.0.0.1]
";

#[test]
fn what_the_registry_holds_has_names() {
    let world = World::new();
    let (portico, dns) = serving(&world, &[]);
    let ask = |name: &str, record_type: &str| dig(dns, &[&format!("{name}.svc.internal"), record_type]);
    let file = world.write("shop.yaml", SHOP).display().to_string();
    assert_eq!(ask("web", "A").status(), "NXDOMAIN");

    portico.does(&["apply", "-f", &file]);

    eventually("the service has its name", || ask("web", "A").answer().len() == 2);
    let check = |name: &str, record_type: &str, expected: &[&str]| {
        let expected: Vec<_> = expected.iter().map(|data| format!("{name}.svc.internal. {data}")).collect();
        assert_eq!(ask(name, record_type).answer(), expected);
    };
    check("web", "A", &["5 IN A 10.0.0.7", "5 IN A 10.0.0.8"]);
    check("web", "AAAA", &["5 IN AAAA fd00::7"]);
    check("web", "TXT", &["5 IN TXT \"version=1.4\""]);
    let srv = ["5 IN SRV 0 1 8080 web-1.web.svc.internal.", "5 IN SRV 0 1 8080 web-2.web.svc.internal."];
    check("_http._tcp.web", "SRV", &srv);
    assert_eq!(ask("_http._tcp.web", "SRV").section("ADDITIONAL").len(), 3, "addresses come with it");
    check("web-1.web", "A", &["5 IN A 10.0.0.7"]);
    check("v2.tag.web", "A", &["5 IN A 10.0.0.8"]);
    check("node-1.node", "A", &["30 IN A 10.0.0.1"]);
    check("web.node-1.node", "A", &["5 IN A 10.0.0.7"]);
    assert_eq!(ask("no.web", "A").status(), "NXDOMAIN");
    let negative = ask("no.web", "A").section("AUTHORITY");
    assert!(
        negative[0].starts_with("svc.internal. 1 IN SOA ns1.svc.internal. hostmaster.svc.internal. 4 "),
        "{negative:?}"
    );

    portico.does(&["delete", "-f", &file]);
    eventually("it is gone", || ask("web", "A").status() == "NXDOMAIN");
}

#[test]
fn without_a_zone_for_it_the_registry_has_no_names() {
    let world = World::new();
    let zone = world.write("others.test.zone", OTHERS);
    let zone = format!("others.test={}", zone.display());
    let arguments = ["--dns", "127.0.0.1:0", "--zone-file", &zone];
    let portico = world.portico_command(&arguments).env("PORTICO_DNS__ZONE", "off").start();
    let file = world.write("shop.yaml", SHOP).display().to_string();

    portico.does(&["apply", "-f", &file]);

    eventually("the revision is served", || portico.metric("portico_dns_serving_revision") >= 4.0);
    assert_eq!(dig(portico.dns(), &["web.svc.internal", "A"]).status(), "REFUSED");
    assert_eq!(dig(portico.dns(), &["web.others.test", "A"]).status(), "NOERROR");
}
