//! Zones of the registry changed by nsupdate (RFC 2136).

use std::net::SocketAddr;
use std::process::Command;

use crate::world::{Portico, World, dig, eventually};

/// A secret, in base 64.
const SECRET: &str = "c2VjcmV0LW9mLXRoZS10ZXN0cy1hbmQtbm9ib2R5LWVsc2U=";
/// A service, whose names nobody changes by an update.
const SERVICE: &str =
    "kind: service\nname: web\n---\nkind: instance\nservice: web\nname: web-1\naddresses: [10.0.0.7]\n";

/// portico with two keys, of which the first may change zones, and a zone from a file.
fn serving(world: &World) -> (Portico, SocketAddr) {
    let key = |name: &str| format!("key {name} {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n");
    let keys = world.write("portico.key", &[key("first."), key("other.")].concat()).display().to_string();
    let zone = world.write("file.zone", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n");
    let zone = format!("file.test={}", zone.display());
    let portico = world
        .portico_command(&["--dns", "127.0.0.1:0", "--zone-file", &zone])
        .env("PORTICO_DNS__KEY_FILE", &keys)
        .env("PORTICO_DNS__UPDATE_ALLOW", "key:first.")
        .start();
    let dns = portico.dns();
    (portico, dns)
}

/// Sends an update by nsupdate, signed with that key, if one is named; what it says is wrong, nothing when all is well.
fn nsupdate(
    world: &World,
    dns: SocketAddr,
    key: &str,
    zone: &str,
    lines: &[&str],
    arguments: &[&str],
) -> String {
    let script = format!("server {} {}\nzone {zone}\n{}\nsend\n", dns.ip(), dns.port(), lines.join("\n"));
    let file = world.write("script", &script);
    let mut command = Command::new("nsupdate");
    command.args(["-t", "10", "-r", "0"]).args(arguments);
    if !key.is_empty() {
        command.args(["-y", &format!("hmac-sha256:{key}:{SECRET}")]);
    }
    let output = command.arg(file).output().expect("nsupdate, of bind9-dnsutils");
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(output.status.success(), said.is_empty(), "{}", String::from_utf8_lossy(&said));
    String::from_utf8_lossy(&said).trim().to_owned()
}

#[test]
fn rfc_2136_nsupdate_adds_replaces_and_deletes_records_of_the_registry() {
    let world = World::new();
    let (portico, dns) = serving(&world);
    let does = |lines: &[&str], arguments: &[&str]| {
        assert_eq!(nsupdate(&world, dns, "first.", "svc.internal", lines, arguments), "", "{lines:?}");
    };
    let ask =
        |name: &str, record_type: &str| dig(dns, &[&format!("{name}.svc.internal"), record_type]).answer();

    // What is answered with NOERROR is served.
    does(
        &[
            "add box.svc.internal 60 A 10.0.0.1",
            "add box.svc.internal 60 A 10.0.0.2",
            "add box.svc.internal 60 TXT \"a b\"",
        ],
        &[],
    );
    assert_eq!(ask("box", "A"), ["box.svc.internal. 60 IN A 10.0.0.1", "box.svc.internal. 60 IN A 10.0.0.2"]);
    assert_eq!(ask("box", "TXT"), ["box.svc.internal. 60 IN TXT \"a b\""]);
    does(
        &[
            "prereq yxrrset box.svc.internal A",
            "del box.svc.internal A",
            "add box.svc.internal 30 A 10.0.0.3",
        ],
        &["-v"],
    );
    assert_eq!(ask("box", "A"), ["box.svc.internal. 30 IN A 10.0.0.3"]);
    does(&["del box.svc.internal TXT \"a b\""], &[]);
    assert_eq!((ask("box", "TXT"), ask("box", "A").len()), (vec![], 1));
    let serial = || dig(dns, &["svc.internal", "SOA"]).answer()[0].clone();
    let before = serial();
    does(&["del box.svc.internal"], &[]);
    assert_eq!(dig(dns, &["box.svc.internal", "A"]).status(), "NXDOMAIN");
    assert_ne!(serial(), before);
    let history = portico.does(&["history"]);
    assert!(
        history.contains("dns:first.@127.0.0.1") && history.contains("record:box.svc.internal./A"),
        "{history}"
    );
}

#[test]
fn rfc_2136_prerequisites_that_do_not_hold_keep_all_as_it_was() {
    let world = World::new();
    let (_portico, dns) = serving(&world);
    let fails = |prerequisite: &str, expected: &str| {
        let lines = ["add new.svc.internal 60 A 10.0.0.1", prerequisite];
        let said = nsupdate(&world, dns, "first.", "svc.internal", &lines, &[]);
        assert_eq!(said, format!("update failed: {expected}"), "{prerequisite}");
        assert_eq!(dig(dns, &["new.svc.internal", "A"]).status(), "NXDOMAIN");
    };
    assert_eq!(
        nsupdate(&world, dns, "first.", "svc.internal", &["add box.svc.internal 60 A 10.0.0.1"], &[]),
        ""
    );

    fails("prereq nxdomain box.svc.internal", "YXDOMAIN");
    fails("prereq yxdomain no.svc.internal", "NXDOMAIN");
    fails("prereq nxrrset box.svc.internal A", "YXRRSET");
    fails("prereq yxrrset box.svc.internal TXT", "NXRRSET");
    fails("prereq yxrrset box.svc.internal A 10.0.0.2", "NXRRSET");
    fails("prereq yxdomain box.elsewhere.test", "NOTZONE");
    fails("add box.elsewhere.test 60 A 10.0.0.1", "NOTZONE");
}

#[test]
fn rfc_2136_nobody_changes_what_he_may_not() {
    let world = World::new();
    let (portico, dns) = serving(&world);
    let file = world.write("service.yaml", SERVICE).display().to_string();
    portico.does(&["apply", "-f", &file]);
    eventually("the service has its name", || dig(dns, &["web.svc.internal", "A"]).answer().len() == 1);
    let says = |key: &str, zone: &str, line: &str| nsupdate(&world, dns, key, zone, &[line], &[]);
    let refused = "update failed: REFUSED";

    assert_eq!(says("", "svc.internal", "add box.svc.internal 60 A 10.0.0.1"), refused, "unsigned");
    assert_eq!(says("other.", "svc.internal", "add box.svc.internal 60 A 10.0.0.1"), refused, "another key");
    let nobody = says("nobody.", "svc.internal", "add box.svc.internal 60 A 10.0.0.1");
    assert!(nobody.contains("NOTAUTH") && nobody.contains("BADKEY"), "{nobody}");
    assert_eq!(says("first.", "file.test", "add box.file.test 60 A 10.0.0.1"), refused, "a zone of a file");
    assert_eq!(
        says("first.", "elsewhere.test", "add box.elsewhere.test 60 A 10.0.0.1"),
        "update failed: NOTAUTH"
    );
    assert_eq!(
        says("first.", "svc.internal", "add web.svc.internal 60 A 10.0.0.1"),
        refused,
        "a service's name"
    );
    assert_eq!(says("first.", "svc.internal", "del web-1.web.svc.internal"), refused, "an instance's");
    assert_eq!(
        says("first.", "svc.internal", "del svc.internal NS"),
        "",
        "which is no change (RFC 2136 §3.4.2.3)"
    );
    assert_eq!(dig(dns, &["box.svc.internal", "A"]).status(), "NXDOMAIN");
    assert_eq!(dig(dns, &["web.svc.internal", "A"]).answer(), ["web.svc.internal. 5 IN A 10.0.0.7"]);
    assert_eq!(dig(dns, &["svc.internal", "NS"]).answer().len(), 1);
}

#[test]
fn a_zone_of_record_facts_is_changed_and_its_serial_grows() {
    let world = World::new();
    let (portico, dns) = serving(&world);
    let zone = "kind: record\nname: facts.test.\ntype: SOA\nttl: 60\ndata: [ns.facts.test. h.facts.test. 1 2 3 4 5]\n---\n\
                kind: record\nname: facts.test.\ntype: NS\nttl: 60\ndata: [ns.facts.test.]\n";
    let file = world.write("zone.yaml", zone).display().to_string();
    portico.does(&["apply", "-f", &file]);
    let serial = || dig(dns, &["facts.test", "SOA"]).answer().first()?.split(' ').nth(6)?.parse::<u32>().ok();
    eventually("the zone is served", || serial().is_some());
    let before = serial();

    let lines =
        ["add a.facts.test 60 MX 10 b.facts.test.", "add b.facts.test 60 A 10.0.0.1", "del facts.test SOA"];
    assert_eq!(nsupdate(&world, dns, "first.", "facts.test", &lines, &[]), "");

    assert_eq!(dig(dns, &["a.facts.test", "MX"]).answer(), ["a.facts.test. 60 IN MX 10 b.facts.test."]);
    assert!(serial() > before, "{:?} after {before:?}", serial());
}

#[test]
fn rfc_2136_a_key_for_a_zone_changes_nothing_of_the_zones_below_it_and_nothing_that_would_not_be_served() {
    let world = World::new();
    let (portico, dns) = serving(&world);
    let zone = |apex: &str| {
        format!(
            "kind: record\nname: {apex}.\ntype: SOA\nttl: 60\ndata: [ns.{apex}. h.{apex}. 1 2 3 4 5]\n---\n\
             kind: record\nname: {apex}.\ntype: NS\nttl: 60\ndata: [ns.{apex}.]\n"
        )
    };
    let zones = [zone("internal"), zone("a.internal"), SERVICE.to_owned()].join("---\n");
    let file = world.write("zones.yaml", &zones).display().to_string();
    portico.does(&["apply", "-f", &file]);
    let is_served = |name: &str, record_type: &str| !dig(dns, &[name, record_type]).answer().is_empty();
    eventually("all is served", || is_served("a.internal", "SOA") && is_served("web.svc.internal", "A"));
    let says = |zone: &str, line: &str| nsupdate(&world, dns, "first.", zone, &[line], &[]);
    let (notzone, refused) = ("update failed: NOTZONE", "update failed: REFUSED");

    assert_eq!(says("internal", "add www.a.internal 60 A 10.0.0.1"), notzone);
    assert_eq!(says("internal", "del a.internal SOA"), notzone);
    assert_eq!(says("internal", "add box.svc.internal 60 A 10.0.0.1"), notzone);
    assert_eq!(
        says("internal", &format!("add a.internal 60 DS 1 8 2 {}", "00".repeat(32))),
        "",
        "which is the parent's"
    );
    assert_eq!(
        says("svc.internal", "add web.svc.internal 60 NS ns.elsewhere.test."),
        refused,
        "hides a service"
    );

    assert!(is_served("a.internal", "SOA") && is_served("web.svc.internal", "A"));
    assert_eq!(dig(dns, &["www.a.internal", "A"]).status(), "NXDOMAIN");
    assert!(is_served("a.internal", "DS"));
}

#[test]
fn rfc_2136_an_address_that_no_host_has_is_given_a_name_in_its_reverse_zone() {
    let world = World::new();
    let key = format!("key first. {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n");
    let keys = world.write("portico.key", &key).display().to_string();
    let portico = world
        .portico_command(&["--dns", "127.0.0.1:0"])
        .env("PORTICO_DNS__REVERSE", "10.0.0.0/8")
        .env("PORTICO_DNS__KEY_FILE", &keys)
        .env("PORTICO_DNS__UPDATE_ALLOW", "key:first.")
        .start();
    let dns = portico.dns();
    let add = ["add 9.9.9.10.in-addr.arpa 60 PTR printer.example.com."];

    let said = nsupdate(&world, dns, "first.", "10.in-addr.arpa", &add, &[]);

    assert_eq!(said, "");
    assert_eq!(
        dig(dns, &["-x", "10.9.9.9"]).answer(),
        ["9.9.9.10.in-addr.arpa. 60 IN PTR printer.example.com."]
    );
    let delete = ["del 9.9.9.10.in-addr.arpa PTR"];
    assert_eq!(nsupdate(&world, dns, "first.", "10.in-addr.arpa", &delete, &[]), "");
    assert_eq!(dig(dns, &["-x", "10.9.9.9"]).status(), "NXDOMAIN");
}
