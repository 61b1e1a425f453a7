//! Zones for other servers: handed over to dig and to a real NSD, changed by nsupdate.

use std::net::SocketAddr;

use crate::world::{Dug, Nsd, Portico, World, dig, dig_all, eventually, free_port, portico};

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

/// A secret, in base 64.
const SECRET: &str = "c2VjcmV0LW9mLXRoZS10ZXN0cy1hbmQtbm9ib2R5LWVsc2U=";

/// A key as a key file has it.
fn key(name: &str, algorithm: &str) -> String {
    format!("key \"{name}\" {{\n\talgorithm {algorithm};\n\tsecret \"{SECRET}\";\n}};\n")
}

/// The file of two keys.
fn key_file(world: &World) -> String {
    let keys = [key("second.", "hmac-sha256"), key("long.", "hmac-sha512")].concat();
    world.write("portico.key", &keys).display().to_string()
}

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

#[test]
fn rfc_8945_a_signed_question_is_verified_and_its_answer_is_signed() {
    let world = World::new();
    let (_portico, dns) =
        serving(&world, &[("KEY_FILE", &key_file(&world)), ("TRANSFER_ALLOW", "key:second.")]);
    // dig says so when it cannot verify an answer.
    let ask = |key: &str, arguments: &[&str]| {
        let signing = format!("{key}:{SECRET}");
        dig(dns, &[&["-y", &signing][..], arguments].concat())
    };

    for key in ["hmac-sha256:second.", "hmac-sha512:long."] {
        for arguments in
            [&["web.others.test"][..], &["no.others.test"], &["web.others.test", "+tcp"], &["elsewhere.test"]]
        {
            let dug = ask(key, arguments);
            assert!(
                dug.text().contains("TSIG PSEUDOSECTION") && dug.text().contains(" NOERROR 0"),
                "{}",
                dug.text()
            );
            assert!(!dug.text().contains("verify"), "{key} {arguments:?}: {}", dug.text());
        }
    }
    assert_eq!(ask("hmac-sha256:second.", &["web.others.test"]).answer().len(), 2);
    let unknown = ask("hmac-sha256:nobody.", &["web.others.test"]);
    assert_eq!(unknown.status(), "NOTAUTH", "{}", unknown.text());
    assert!(unknown.text().contains("BADKEY"), "{}", unknown.text());
    let other = dig(
        dns,
        &["-y", "hmac-sha256:second.:YW5vdGhlci1zZWNyZXQtdGhhbi10aGF0LW9mLXRlc3Rz", "web.others.test"],
    );
    assert!(other.status() == "NOTAUTH" && other.text().contains("BADSIG"), "{}", other.text());
}

#[test]
fn rfc_8945_a_zone_is_handed_over_to_a_key_and_each_message_is_signed() {
    let world = World::new();
    let many: String = (0..3000).map(|n| format!("n{n} TXT {n}-{}\n", "x".repeat(30))).collect();
    let settings = [("KEY_FILE", &*key_file(&world)), ("TRANSFER_ALLOW", "127.0.0.0/8 key:second.")];
    let (portico, dns) = serving(&world, &settings);
    world.write("others.test.zone", &format!("{ZONE}{many}"));
    portico.signal("HUP");
    eventually("the zone is large", || dig(dns, &["n2999.others.test", "TXT"]).answer().len() == 1);

    let signing = format!("hmac-sha256:second.:{SECRET}");
    let records = axfr(dns, &["-y", &signing]);

    let signatures = records.iter().filter(|record| record.contains(" ANY TSIG ")).count();
    assert!(signatures >= 1 && records.len() - signatures == 11 + 3000, "{signatures} of {}", records.len());
    assert!(!dig(dns, &["others.test", "AXFR", "-y", &signing]).text().contains("verify"));
    let failed = |arguments: &[&str]| {
        dig(dns, &[&["others.test", "AXFR"][..], arguments].concat()).text().contains("Transfer failed")
    };
    assert!(failed(&[]), "without the key");
    assert!(failed(&["-y", &format!("hmac-sha512:long.:{SECRET}")]), "with another one");
}

#[test]
fn rfc_8945_a_clock_that_is_wrong_is_told_the_time() {
    let signing = format!("hmac-sha256:second.:{SECRET}");
    // The clock that differs is portico's: dig does not run under libfaketime.
    let asked_by = |offset: &str| {
        let world = World::new();
        let zone = format!("others.test={}", world.write("others.test.zone", ZONE).display());
        let portico = world
            .portico_command(&["--dns", "127.0.0.1:0", "--zone-file", &zone])
            .env("PORTICO_DNS__KEY_FILE", &key_file(&world))
            .env("LD_PRELOAD", "/usr/$LIB/faketime/libfaketime.so.1")
            .env("FAKETIME", offset)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .start();
        dig(portico.dns(), &["-y", &signing, "web.others.test"])
    };

    for offset in ["-400s", "+400s"] {
        let dug = asked_by(offset);
        assert!(dug.status() == "NOTAUTH" && dug.text().contains("BADTIME"), "{offset}: {}", dug.text());
    }
    for offset in ["-200s", "+200s"] {
        assert_eq!(asked_by(offset).answer().len(), 2, "{offset}");
    }
}

#[test]
fn a_key_file_that_is_wrong_and_a_key_that_is_missing_are_named() {
    let world = World::new();
    let file =
        world.write("portico.key", "key \"second.\" {\n\tsecret \"c2VjcmV0\";\n};\n").display().to_string();
    let check = |name: &str, value: &str| {
        portico(&["check"]).env("PORTICO_DNS__KEY_FILE", &file).env(name, value).finish()
    };

    let wrong = check("PORTICO_DNS__KEY_FILE", &file);
    key_file(&world);
    let missing = check("PORTICO_DNS__TRANSFER_ALLOW", "key:third.");
    let fine = check("PORTICO_DNS__TRANSFER_ALLOW", "key:second.");

    assert!(
        wrong.code == Some(1) && wrong.stderr.contains("portico.key:1: the key second. has no algorithm"),
        "{wrong:?}"
    );
    assert!(
        missing.code == Some(1) && missing.stderr.contains("dns.transfer_allow names the key third."),
        "{missing:?}"
    );
    assert_eq!(fine.code, Some(0), "{fine:?}");
    assert!(!format!("{wrong:?}{fine:?}").contains("c2Vj"), "no secret is shown");
}

/// The serial of a zone at a server.
fn serial(server: SocketAddr, zone: &str) -> Option<u32> {
    let answer = dig(server, &[zone, "SOA"]).answer();
    answer.first()?.split(' ').nth(6)?.parse().ok()
}

/// A service with so many instances, one more of which does not answer; the first instance is of the given number.
fn service(name: &str, first: usize, count: usize, metadata: &str) -> String {
    let mut text = format!(
        "kind: service\nname: {name}\nports: [{{name: http, port: 8080}}]\nmetadata: {{version: \"{metadata}\"}}\n\
         dns_sd: {{type: _http._tcp}}\n"
    );
    for n in first..first + count {
        text.push_str(&format!(
            "---\nkind: instance\nservice: {name}\nname: {name}-{n}\naddresses: [10.0.{first}.{n}, \"fd00::{n}\"]\ntags: [t{n}]\nhost: node-{n}\n"
        ));
    }
    text
}

/// Every name of a zone that is handed over, and some that are not there, for every type that there is, and some that there is not.
fn questions(records: &[String], zone: &str) -> Vec<(String, &'static str)> {
    let mut names: Vec<String> =
        records.iter().filter_map(|record| record.split(' ').next()).map(str::to_owned).collect();
    names.extend(
        [
            "no",
            "a.b.c.no",
            "*",
            "x.*.wild",
            "one.wild",
            "b.a.wild",
            "c",
            "b.c",
            "x.child",
            "a.old",
            "WEB",
            "web-9.web",
            "_tcp.web",
            "tag.web",
        ]
        .map(|label| format!("{label}.{zone}")),
    );
    names.sort();
    names.dedup();
    let types = ["A", "AAAA", "SRV", "TXT", "PTR", "NS", "SOA", "MX", "CNAME", "DS", "TYPE65280"];
    names.iter().flat_map(|name| types.map(|record_type| (name.clone(), record_type))).collect()
}

/// Compares what two servers answer to all questions; how many there were.
fn assert_alike(world: &World, (ours, theirs): (SocketAddr, SocketAddr), zone: &str, signing: &str) -> usize {
    let text = dig(ours, &[zone, "AXFR", "+onesoa", "-y", signing]);
    let lines = text.text().lines().filter(|line| line.contains("\tIN\t"));
    let records: Vec<String> =
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let questions = questions(&records, zone);
    let file = world.path("questions");
    let (mine, others) = (dig_all(ours, &file, &questions), dig_all(theirs, &file, &questions));
    for ((question, mine), others) in questions.iter().zip(&mine).zip(&others) {
        let said = |dug: &Dug| {
            let answer = dug.answer();
            // Where nothing is answered, who knows, or that nothing is there.
            let authority = if answer.is_empty() { dug.section("AUTHORITY") } else { Vec::new() };
            let lower = |lines: Vec<String>| {
                lines.into_iter().map(|line| line.to_ascii_lowercase()).collect::<Vec<_>>()
            };
            (dug.status().to_owned(), dug.flags().to_owned(), lower(answer), lower(authority))
        };
        assert_eq!(
            said(mine),
            said(others),
            "{question:?}\nours:\n{}\ntheirs:\n{}",
            mine.text(),
            others.text()
        );
    }
    questions.len()
}

#[test]
fn an_nsd_has_our_zones_and_answers_as_we_do_while_the_registry_changes() {
    let world = World::new();
    let theirs = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let notify = format!("{theirs} key:second.");
    let settings = [("KEY_FILE", &*key_file(&world)), ("TRANSFER_ALLOW", "key:second."), ("NOTIFY", &notify)];
    let (portico, ours) = serving(&world, &settings);
    let zones = ["others.test", "svc.internal"];
    let nsd = Nsd::start(&world.path("nsd"), theirs, ours, ("second.", SECRET), &zones);
    let signing = format!("hmac-sha256:second.:{SECRET}");
    // A secondary looks by itself once a minute, and an hour: what it has sooner it was told of.
    let follows = |zone: &str| {
        eventually("nsd has what we have", || {
            serial(ours, zone).is_some_and(|ours| serial(theirs, zone) == Some(ours))
        })
    };
    follows("others.test");
    assert!(assert_alike(&world, (ours, theirs), "others.test", &signing) > 200);

    for (round, (name, first, count)) in
        [("web", 1, 2), ("api", 3, 1), ("web", 1, 4), ("api", 5, 3)].into_iter().enumerate()
    {
        let file = world
            .write("service.yaml", &service(name, first, count, &round.to_string()))
            .display()
            .to_string();
        portico.does(&["apply", "-f", &file]);
        if round == 2 {
            let gone = "kind: instance\nservice: web\nname: web-1\naddresses: [10.0.1.1]\n";
            let file = world.write("gone.yaml", gone).display().to_string();
            portico.does(&["delete", "-f", &file]);
        }
        follows("svc.internal");
        assert!(assert_alike(&world, (ours, theirs), "svc.internal", &signing) > 200, "round {round}");
    }

    let changed = ZONE.replace("( 42 ", "( 43 ").replace("192.0.2.2", "192.0.2.77");
    world.write("others.test.zone", &changed);
    portico.signal("HUP");
    eventually("it is served here", || serial(ours, "others.test") == Some(43));
    follows("others.test");
    assert_alike(&world, (ours, theirs), "others.test", &signing);
    assert!(nsd.log().contains("notify for svc.internal. from 127.0.0.1"), "{}", nsd.log());
}

#[test]
fn a_service_without_anything_is_there_and_at_a_secondary_it_is_not() {
    let world = World::new();
    let theirs = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let notify = format!("{theirs} key:second.");
    let settings = [("KEY_FILE", &*key_file(&world)), ("TRANSFER_ALLOW", "key:second."), ("NOTIFY", &notify)];
    let (portico, ours) = serving(&world, &settings);
    let _nsd = Nsd::start(&world.path("nsd"), theirs, ours, ("second.", SECRET), &["svc.internal"]);

    let file = world.write("empty.yaml", "kind: service\nname: empty\n").display().to_string();
    portico.does(&["apply", "-f", &file]);

    eventually("nsd has it", || {
        serial(theirs, "svc.internal") == serial(ours, "svc.internal")
            && serial(ours, "svc.internal") > Some(0)
    });
    // A zone that is handed over is records, and it has none (docs/decisions/0130).
    assert_eq!(dig(ours, &["empty.svc.internal", "A"]).status(), "NOERROR");
    assert_eq!(dig(theirs, &["empty.svc.internal", "A"]).status(), "NXDOMAIN");
}

#[test]
fn a_secondary_that_does_not_answer_is_told_again_until_it_does() {
    let world = World::new();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let notify = format!("others.test={}", socket.local_addr().unwrap());
    let (_portico, _) = serving(&world, &[("NOTIFY", &notify)]);
    let mut octets = [0; 512];
    let mut told = || {
        let (length, from) = socket.recv_from(&mut octets).expect("told of a change");
        (octets[..length].to_vec(), from)
    };

    let (first, _) = told();
    let (second, from) = told();

    assert_ne!(first[..2], second[..2], "each has an id of its own");
    assert_eq!(second[2..4], [0x24, 0], "opcode NOTIFY, AA");
    assert_eq!(second[4..12], [0, 1, 0, 1, 0, 0, 0, 0], "one question, and the SOA");
    assert_eq!(second[12..25], *b"\x06others\x04test\0");
    let mut answer = second.clone();
    answer[2] |= 0x80;
    socket.send_to(&answer, from).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    assert!(socket.recv_from(&mut [0; 512]).is_err(), "it was told");
}
