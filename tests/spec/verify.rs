//! What is served, walked back into facts: `verify` compares it with what the registry and zone files say.

use crate::records::everywhere;
use crate::world::{World, dig, eventually};

/// Frontends, a service that always has somebody, a host, a zone of facts.
const FACTS: &str = "\
---
{kind: service, name: web, ports: [{name: http, port: 8080}], dns_sd: {type: _http._tcp}}
---
{kind: instance, service: web, name: always, addresses: [10.0.0.1, 'fd00::1'], host: node-1}
---
{kind: host, name: node-1, addresses: [10.0.1.1]}
---
{kind: frontend, host: www.example.com, service: web}
---
{kind: frontend, host: '*.example.com', path: /api, endpoints: ['http://10.0.2.1:80']}
---
{kind: record, name: example.test, type: SOA, data: [ns1.example.test. h.example.test. 1 1h 10m 1w 1m]}
---
{kind: record, name: example.test, type: NS, data: [ns1.example.test.]}
";

/// One change by chance, as a document of a file of facts; and whether it puts a fact or removes it.
fn change(dice: &mut fastrand::Rng) -> (bool, String) {
    let n = dice.u8(0..6);
    let puts = dice.u8(0..3) > 0;
    let fact = match dice.u8(0..6) {
        0 | 1 => {
            let state = ["healthy", "unhealthy", "draining", "starting"][dice.usize(0..4)];
            let (weight, priority, tag) = (dice.u8(1..4), dice.u8(0..2), dice.u8(0..2));
            format!(
                "{{kind: instance, service: web, name: i{n}, addresses: [10.0.3.{n}], state: {state}, weight: {weight}, \
                 priority: {priority}, tags: [t{tag}], host: node-{tag}}}"
            )
        }
        2 => format!(
            "{{kind: frontend, host: h{n}.test, path: /p{n}, endpoints: ['http://10.0.4.{n}:{}']}}",
            dice.u16(1..9)
        ),
        3 => format!("{{kind: frontend, host: s{n}.test, service: web}}"),
        4 => format!(
            "{{kind: record, name: r{n}.example.test, type: A, ttl: {}, data: [10.0.5.{n}]}}",
            dice.u8(1..9)
        ),
        _ => format!("{{kind: record, name: r{n}.web.svc.internal, type: TXT, data: [t{}]}}", dice.u8(0..9)),
    };
    (puts, fact)
}

#[test]
fn after_any_changes_what_is_served_is_what_the_registry_says() {
    everywhere(|world, portico, _| {
        let file = world.write("facts.yaml", FACTS).display().to_string();
        portico.does(&["apply", "-f", &file]);
        let mut dice = fastrand::Rng::with_seed(5);

        for turn in 0..25 {
            let changes: Vec<_> = (0..dice.usize(1..12)).map(|_| change(&mut dice)).collect();
            for (puts, command) in [(true, "apply"), (false, "delete")] {
                let mut keys = std::collections::BTreeSet::new();
                // A fact can stand once in a file.
                let first = |fact: &&String| {
                    keys.insert(
                        fact.split("addresses").next().map(|key| key.chars().take(50).collect::<String>()),
                    )
                };
                let facts: Vec<_> = changes
                    .iter()
                    .filter(|(of, _)| *of == puts)
                    .map(|(_, fact)| fact)
                    .filter(first)
                    .cloned()
                    .collect();
                if !facts.is_empty() {
                    let file = world
                        .write("change.yaml", &format!("---\n{}", facts.join("\n---\n")))
                        .display()
                        .to_string();
                    portico.does(&[command, "-f", &file]);
                }
            }

            let verified = portico.cli(&["verify"]);
            assert_eq!(verified.code, Some(0), "turn {turn}: {}{}", verified.stdout, verified.stderr);
            assert!(verified.stdout.starts_with("nothing found"), "{}", verified.stdout);
        }
    });
}

#[test]
fn a_zone_file_that_changed_since_it_was_read_is_named_until_it_is_read_again() {
    let world = World::new();
    let zone = |address: &str| {
        let text = format!("$TTL 60\n@ SOA ns h 1 1h 10m 1w 1m\n@ NS ns\nns A {address}\n");
        world.write("file.zone", &text).display().to_string()
    };
    let path = zone("192.0.2.1");
    let portico = world.portico(&["--dns", "127.0.0.1:0", "--zone-file", &format!("file.test={path}")]);
    assert_eq!(portico.cli(&["verify"]).code, Some(0));

    zone("192.0.2.2");
    let verified = portico.cli(&["verify"]);

    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    let expected = format!(
        "zone file: {path}\n  the file changed since it was read (ns.file.test. A: it lacks 192.0.2.2; 1 more)\n  remedy: SIGHUP reads it"
    );
    assert!(verified.stdout.starts_with(&expected), "{}", verified.stdout);
    // The remedy works as printed.
    portico.signal("HUP");
    let new = ["ns.file.test. 60 IN A 192.0.2.2"];
    eventually("it is read", || dig(portico.dns(), &["ns.file.test", "A"]).answer() == new);
    assert_eq!(portico.cli(&["verify"]).code, Some(0));
    std::fs::remove_file(&path).unwrap();
    let verified = portico.cli(&["verify"]).stdout;
    assert!(
        verified.contains("cannot be read") && verified.contains("was read before is served"),
        "{verified}"
    );
}
