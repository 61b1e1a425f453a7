//! Zones for other servers: handed over to dig and to a real NSD, changed by nsupdate.

use std::net::SocketAddr;

use crate::world::{Portico, World, dig};

/// A zone with what needs care: glue, names below a delegation, a wildcard, another spelling.
const ZONE: &str = r#"$TTL 5m
@         SOA   ns hostmaster ( 42 1h 10m 1d 30 )
          NS    ns
ns        A     192.0.2.53
Www       CNAME web
web       A     192.0.2.1
web       A     192.0.2.2
*.wild    TXT   "a wildcard"
child     NS    ns.child
ns.child  A     192.0.2.54
a.b.c     MX    10 web
old       DNAME new
"#;

/// portico with this zone, and these settings; where it speaks DNS.
fn serving(world: &World, settings: &[(&str, &str)]) -> (Portico, SocketAddr) {
    let zone = world.write("others.test.zone", ZONE).display().to_string();
    let arguments = ["--dns", "127.0.0.1:0", "--zone-file", &format!("others.test={zone}")];
    let mut command = world.portico_command(&arguments);
    for (name, value) in settings {
        command = command.env(&format!("PORTICO_DNS__{name}"), value);
    }
    let portico = command.start();
    let dns = portico.dns();
    (portico, dns)
}

/// The records of a zone as dig has it handed over, the last one left out.
fn axfr(dns: SocketAddr, arguments: &[&str]) -> Vec<String> {
    let dug = dig(dns, &[&["others.test", "AXFR", "+onesoa"][..], arguments].concat());
    let records = dug.text().lines().filter(|line| !line.starts_with(';') && !line.is_empty());
    records.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn rfc_5936_a_zone_is_handed_over_whole_to_whom_it_may_be() {
    let world = World::new();
    let (portico, dns) = serving(&world, &[("TRANSFER_ALLOW", "127.0.0.0/8")]);

    let records = axfr(dns, &[]);

    assert_eq!(records.len(), 11, "{records:#?}");
    assert_eq!(
        records[0],
        "others.test. 300 IN SOA ns.others.test. hostmaster.others.test. 42 3600 600 86400 30"
    );
    for expected in [
        "ns.child.others.test. 300 IN A 192.0.2.54",
        "Www.others.test. 300 IN CNAME web.others.test.",
        "*.wild.others.test. 300 IN TXT \"a wildcard\"",
        "old.others.test. 300 IN DNAME new.others.test.",
    ] {
        assert!(records.iter().any(|record| record == expected), "{expected} in {records:#?}");
    }
    let changed = |serial: &str, over: &str| {
        dig(dns, &["others.test", &format!("IXFR={serial}"), over])
            .text()
            .lines()
            .filter(|l| l.contains(" IN ") || l.contains("\tIN\t"))
            .count()
    };
    assert_eq!(changed("41", "+tcp"), 12, "all of it");
    assert_eq!(changed("42", "+tcp"), 1, "nothing changed");
    assert!(portico.metric("portico_dns_transfers_total") >= 2.0);
}

#[test]
fn rfc_5936_nobody_has_a_zone_who_may_not() {
    let world = World::new();
    let (portico, dns) = serving(&world, &[]);

    let refused = dig(dns, &["others.test", "AXFR"]);

    assert!(refused.text().contains("Transfer failed"), "{}", refused.text());
    assert!(portico.metric("portico_dns_answers_total{code=\"REFUSED\"}") >= 1.0);
    let other = World::new();
    let (_portico, dns) = serving(&other, &[("TRANSFER_ALLOW", "10.0.0.0/8")]);
    assert!(dig(dns, &["others.test", "AXFR"]).text().contains("Transfer failed"));
}
