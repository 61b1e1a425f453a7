//! `portico dns explain`: how a question is answered, of which facts, and why others are not in it.

use crate::world::{Finished, Portico, World, dig, eventually};

const FACTS: &str = "\
---
{kind: service, name: web, ports: [{name: http, port: 8080}]}
---
{kind: instance, service: web, name: a, addresses: [10.0.0.1], tags: [blue], host: node-1}
---
{kind: instance, service: web, name: b, addresses: ['fd00::2']}
---
{kind: instance, service: web, name: c, addresses: [10.0.0.3], state: draining}
---
{kind: instance, service: web, name: d, addresses: [10.0.0.4], priority: 5}
---
{kind: service, name: shop, external: www.example.test}
---
{kind: record, name: alias.svc.internal, type: CNAME, data: [web.svc.internal.]}
";

const ZONE: &str = "$TTL 60\n@ SOA ns h 7 1h 10m 1w 1m\n@ NS ns\nns A 192.0.2.1\n*.wild TXT a\nwww A 192.0.2.2\n\
    child NS ns.child\nns.child A 192.0.2.3\nold DNAME wild\n";

fn started(world: &World) -> Portico {
    let zone = format!("example.test={}", world.write("example.zone", ZONE).display());
    let portico = world.portico(&["--dns", "127.0.0.1:0", "--zone-file", &zone]);
    let file = world.write("facts.yaml", FACTS).display().to_string();
    portico.does(&["apply", "-f", &file]);
    let there = || dig(portico.dns(), &["alias.svc.internal", "A"]).status() == "NOERROR";
    eventually("DNS serves it", there);
    portico
}

fn asked(portico: &Portico, question: &[&str]) -> Finished {
    portico.cli(&[&["dns", "explain"], question].concat())
}

/// The lines, blanks at their ends and between columns left out.
fn lines(finished: &Finished) -> Vec<String> {
    lines_of(&finished.stdout)
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn an_answer_is_told_with_its_zone_its_facts_and_why_an_instance_is_not_in_it() {
    let world = World::new();
    let portico = started(&world);

    let told = asked(&portico, &["web.svc.internal"]);

    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let expected = "\
web.svc.internal. A at revision 7: NOERROR, 1 record

looked at, in this order:
  web.svc.internal.  in svc.internal. (the registry, serial 7)  service web: it has a record of type A

answer:
  web.svc.internal.  5  A  10.0.0.1

made of:
  service:web     revision 2
  instance:web/a  revision 3

not in it:
  instance:web/b  has no IPv4 address
  instance:web/c  draining
  instance:web/d  its priority 5 is not used while there are healthy ones of priority 0
";
    assert_eq!(lines(&told), lines_of(expected), "{}", told.stdout);
    let json = asked(&portico, &["web.svc.internal", "a", "--json"]).stdout;
    for part in
        ["\"code\": \"NOERROR\"", "\"answered\": true", "\"data\": \"10.0.0.1\"", "\"reason\": \"draining\""]
    {
        assert!(json.contains(part), "no {part} in {json}");
    }
}

#[test]
fn aliases_wildcards_dnames_and_delegations_are_told_step_by_step() {
    let world = World::new();
    let portico = started(&world);
    let check = |question: &[&str], expected: &[&str]| {
        let told = asked(&portico, question);
        assert_eq!(told.code, Some(0), "{question:?}: {}{}", told.stdout, told.stderr);
        let text = lines(&told).join("\n");
        expected.iter().for_each(|expected| assert!(text.contains(expected), "no {expected} in {text}"));
    };

    check(
        &["alias.svc.internal"],
        &[
            "alias.svc.internal. in svc.internal. (the registry, serial 7) it is an alias of web.svc.internal.",
            "web.svc.internal. in svc.internal. (the registry, serial 7) service web: it has a record of type A",
            "record:alias.svc.internal./CNAME revision 7",
            "instance:web/c draining",
        ],
    );
    check(
        &["shop.svc.internal"],
        &["service shop: it is an alias of www.example.test.", "www.example.test. 60 A 192.0.2.2"],
    );
    check(
        &["x.old.example.test", "TXT"],
        &[
            "old.example.test. has a DNAME: all below it is at wild.example.test.",
            "*.wild.example.test. stands for it: it has a record of type TXT",
            "example.zone, serial 7)",
        ],
    );
    check(
        &["x.child.example.test"],
        &[
            "NOERROR, a delegation",
            "child.example.test. is delegated to ns.child.example.test.",
            "ns.child.example.test. 60 A 192.0.2.3",
        ],
    );
    let zones = lines(&portico.cli(&["dns", "zones"]));
    assert_eq!((zones.len(), zones[1].as_str()), (3, "svc.internal. the registry 7 15"), "{zones:?}");
    assert!(
        zones[2].starts_with("example.test. file ") && zones[2].ends_with("example.zone 7 7"),
        "{zones:?}"
    );
}

#[test]
fn what_is_not_there_is_told_with_what_may_have_been_meant_and_ends_with_1() {
    let world = World::new();
    let portico = started(&world);
    let check = |question: &[&str], expected: &[&str]| {
        let told = asked(&portico, question);
        assert_eq!(told.code, Some(1), "{question:?}: {}", told.stdout);
        let text = format!("{}\n{}", lines(&told).join("\n"), told.stderr);
        expected.iter().for_each(|expected| assert!(text.contains(expected), "no {expected} in {text}"));
    };

    check(
        &["wbe.svc.internal"],
        &[
            "NXDOMAIN, no such name",
            "the nearest name above it that is there is svc.internal.",
            "did you mean web.svc.internal.?",
        ],
    );
    check(
        &["web.svc.internal", "TXT"],
        &["NOERROR, no such records", "it has no record of type TXT; it has A, AAAA, SRV"],
    );
    check(&["web"], &["REFUSED, no zone of ours holds the name", "did you mean web.svc.internal.?"]);
    check(&["svc.internal", "AXFR"], &["no record is of type AXFR; ask for a type that records have"]);
    check(&["a..b"], &["the name has an empty label"]);
    let without = world.portico(&["--data", &world.path("other").display().to_string()]);
    let told = without.cli(&["dns", "explain", "web"]);
    assert!(told.code == Some(1) && told.stderr.contains("does not serve DNS"), "{}", told.stderr);
}
