//! Record sets as facts: by the command line, from files, through the API, and asked by dig.

use std::net::SocketAddr;

use crate::world::{Portico, World, dig, eventually, get, send};

/// The registries that portico keeps, each with a portico on it that speaks DNS.
pub(crate) fn everywhere(check: impl Fn(&World, &Portico, SocketAddr)) {
    let world = World::new();
    let redis = world.redis();
    let on_redis = redis.url();
    for registry in [&[][..], &["--registry", &on_redis]] {
        let portico = world.portico(&[&["--dns", "127.0.0.1:0"], registry].concat());
        eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
        check(&world, &portico, portico.dns());
    }
}

/// A zone of facts, with one of most things.
const ZONE: &str = "\
kind: record
name: example.test
type: SOA
data: [ns1.example.test. hostmaster.example.test. 1 1h 10m 1w 1m]
---
{kind: record, name: example.test., type: NS, ttl: 3600, data: [ns1.example.test.]}
---
{kind: record, name: ns1.example.test., type: A, data: [192.0.2.53]}
---
{kind: record, name: '*.wild.example.test.', type: TXT, ttl: 60, data: ['\"a wildcard\"']}
---
{kind: record, name: child.example.test., type: NS, data: [ns.child.example.test.]}
---
{kind: record, name: ns.child.example.test., type: A, data: [192.0.2.54]}
---
{kind: record, name: old.example.test., type: DNAME, data: [wild.example.test.]}
---
{kind: record, name: www.example.test., type: HTTPS, data: ['1 . alpn=h2,h3 port=443']}
---
{kind: record, name: odd.example.test., type: TYPE65280, data: ['\\# 3 0a0b0c']}
";

#[test]
fn a_record_set_is_made_added_to_replaced_and_removed_by_the_command_line_and_served_at_once() {
    everywhere(|_, portico, dns| {
        let name = "_acme-challenge.web.svc.internal";
        let becomes = |data: &[&str]| {
            let expected: Vec<_> = data.iter().map(|data| format!("{name}. {data}")).collect();
            eventually("dig sees it", || dig(dns, &[name, "TXT"]).answer() == expected);
        };

        let made = portico.does(&["record", "add", name, "TXT", "\"a b\""]);
        becomes(&["30 IN TXT \"a b\""]);
        let added = portico.does(&["record", "add", name, "txt", "c", "--ttl", "60"]);
        becomes(&["60 IN TXT \"a b\"", "60 IN TXT \"c\""]);
        portico.does(&["record", "add", name, "TXT", "d", "--replace"]);
        becomes(&["30 IN TXT \"d\""]);

        assert!(made.starts_with(&format!("{name}. TXT -> \"a b\" (revision 1")), "{made}");
        assert!(added.contains("TXT -> \"c\", \"a b\"") && added.contains("(revision 2"), "{added}");
        let listed = portico.does(&["record", "ls"]);
        assert!(listed.contains(&format!("{name}.  TXT   -    \"d\"   3")), "{listed}");
        let shown = portico.does(&["record", "show", name, "TXT"]);
        assert!(shown.contains("data      \"d\"\n") && shown.contains("revision  3"), "{shown}");
        let stale = portico.cli(&["record", "rm", name, "TXT", "--if-revision", "2"]);
        assert!(stale.stderr.contains(&format!("portico record show {name} TXT")), "{}", stale.stderr);
        let removed = portico.does(&["record", "rm", name, "TXT"]);
        assert!(removed.starts_with(&format!("{name} TXT removed (revision 4")), "{removed}");
        eventually("it is gone", || dig(dns, &[name, "TXT"]).status() == "NXDOMAIN");
        let history = portico.does(&["history", "--fact", &format!("record:{name}./TXT")]);
        assert!(history.contains("-> \"a b\""), "{history}");
        assert_eq!(portico.cli(&["record", "show", name, "TXT"]).code, Some(1));
    });
}

#[test]
fn a_zone_of_facts_is_applied_and_answers_as_a_zone_file_does() {
    everywhere(|world, portico, dns| {
        let file = world.write("zone.yaml", ZONE).display().to_string();
        let ask = |name: &str, record_type: &str| dig(dns, &[&format!("{name}example.test"), record_type]);
        assert_eq!(ask("", "SOA").status(), "REFUSED", "nobody's zone");

        let applied = portico.does(&["apply", "-f", &file]);

        assert!(applied.contains("applied: 9 added"), "{applied}");
        eventually("the zone is there", || ask("", "SOA").status() == "NOERROR");
        let soa = "example.test. 30 IN SOA ns1.example.test. hostmaster.example.test. 9 3600 600 604800 60";
        assert_eq!(ask("", "SOA").answer(), [soa], "the serial is the revision");
        assert_eq!(ask("ns1.", "A").answer(), ["ns1.example.test. 30 IN A 192.0.2.53"]);
        assert_eq!(ask("x.y.wild.", "TXT").answer(), ["x.y.wild.example.test. 60 IN TXT \"a wildcard\""]);
        let led = ask("a.old.", "TXT").answer();
        assert!(led.contains(&"a.old.example.test. 30 IN CNAME a.wild.example.test.".to_owned()), "{led:?}");
        assert!(led.contains(&"a.wild.example.test. 60 IN TXT \"a wildcard\"".to_owned()), "{led:?}");
        let referral = ask("x.child.", "A");
        assert_eq!(referral.section("AUTHORITY"), ["child.example.test. 30 IN NS ns.child.example.test."]);
        assert_eq!(referral.section("ADDITIONAL"), ["ns.child.example.test. 30 IN A 192.0.2.54"]);
        let https = "www.example.test. 30 IN HTTPS 1 . alpn=\"h2,h3\" port=443";
        assert_eq!(ask("www.", "HTTPS").answer(), [https]);
        assert_eq!(ask("odd.", "TYPE65280").answer(), ["odd.example.test. 30 IN TYPE65280 \\# 3 0A0B0C"]);
        assert_eq!(ask("no.", "A").status(), "NXDOMAIN");
        assert_eq!(portico.cli(&["verify"]).code, Some(0));
        assert_eq!(portico.metric("portico_facts_by_kind{kind=\"record\"}"), 9.0);
        let exported = world.path("facts.json").display().to_string();
        portico.does(&["export", &exported]);

        let deleted = portico.does(&["delete", "-f", &file]);
        assert!(deleted.contains("9 removed"), "{deleted}");
        eventually("the zone is gone", || ask("", "SOA").status() == "REFUSED");
        portico.does(&["import", &exported]);
        eventually("the zone is back", || ask("ns1.", "A").answer().len() == 1);
        portico.does(&["rollback", "18", "--only", "records"]);
        eventually("the zone is gone again", || ask("", "SOA").status() == "REFUSED");
    });
}

#[test]
fn bad_data_is_refused_with_its_place_and_what_to_write() {
    everywhere(|world, portico, _| {
        let refused = |arguments: &[&str]| {
            let finished = portico.cli(arguments);
            assert_eq!(finished.code, Some(1), "{}", finished.stdout);
            finished.stderr
        };
        let file = world.write("bad.yaml", "kind: record\nname: a.test\ntype: MX\ndata: [10 a., 10 mail]\n");

        let relative = refused(&["apply", "-f", &file.display().to_string()]);
        let address = refused(&["record", "add", "a.test", "A", "192.0.2.1", "192.0.2.256"]);
        let many = refused(&["record", "add", "a.test", "CNAME", "b.", "c."]);
        let unknown = refused(&["record", "add", "a.test", "MAIL", "x"]);

        let place = "bad.yaml, document 1: data[1]";
        assert!(relative.contains(place), "{relative}");
        assert!(
            relative.contains("`mail` is relative, and there is no origin; end it with a dot"),
            "{relative}"
        );
        assert!(
            address.contains("data[1]") && address.contains("`192.0.2.256` is no IPv4 address"),
            "{address}"
        );
        assert!(many.contains("one record of this type at a name (RFC 2181 §10.1"), "{many}");
        assert!(unknown.contains("no such record type"), "{unknown}");
        assert!(portico.does(&["record", "ls"]).starts_with("no records (revision 0)"));
    });
}

#[test]
fn a_record_set_is_written_through_the_api_at_the_revision_that_is_expected() {
    everywhere(|_, portico, _| {
        let path = "/v1/records/0%2F25.2.0.192.in-addr.arpa./ptr";
        let put = |condition: &str, body: &str| {
            let length = body.len();
            let fields = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n{condition}");
            let head = format!("PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n");
            send(portico.admin(), format!("{head}{body}")).expect("an answer")
        };

        let made = put("If-None-Match: *\r\n", r#"{"data":["A.example."]}"#);
        let again = put("If-None-Match: *\r\n", r#"{"data":["A.example."]}"#);
        let other = put("If-Match: \"1\"\r\n", r#"{"type":"A","data":["10.0.0.1"]}"#);

        assert_eq!((made.status, again.status), (201, 412), "{} {}", made.body, again.body);
        assert!(other.status == 400 && other.body.contains("in-addr.arpa./PTR"), "{}", other.body);
        let shown = get(portico.admin(), "127.0.0.1", path);
        let expected = r#"{"record":{"name":"0/25.2.0.192.in-addr.arpa.","type":"PTR","data":["A.example."]},"revision":1}"#;
        assert_eq!(shown.body.trim(), expected);
        let page = get(portico.admin(), "127.0.0.1", "/v1/records?limit=1");
        assert!(page.body.contains(r#"{"revision":1,"records":["#), "{}", page.body);
    });
}

#[test]
fn a_record_set_that_is_not_served_is_named_by_verify_and_all_others_serve() {
    let world = World::new();
    let zone = world.write("file.zone", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\n");
    let zone = format!("file.test={}", zone.display());
    let portico = world.portico(&["--dns", "127.0.0.1:0", "--zone-file", &zone]);
    let dns = portico.dns();
    let facts = "\
---
{kind: service, name: node}
---
{kind: instance, service: web, name: web-1, addresses: [10.0.0.7]}
---
{kind: record, name: web.svc.internal, type: A, data: [192.0.2.1]}
---
{kind: record, name: web.svc.internal, type: TXT, data: [fine]}
---
{kind: record, name: svc.internal, type: NS, data: [ns.example.]}
---
{kind: record, name: x.file.test, type: A, data: [192.0.2.1]}
---
{kind: record, name: x.elsewhere.test, type: A, data: [192.0.2.1]}
---
{kind: record, name: bare.test, type: SOA, data: [a. b. 1 1 1 1 1]}
";
    let file = world.write("facts.yaml", facts).display().to_string();

    portico.does(&["apply", "-f", &file]);
    let verified = portico.cli(&["verify"]);

    assert_eq!(verified.code, Some(1));
    for (key, reason) in [
        ("service:node", "svc.internal. has that name for itself, so this service has no names in DNS"),
        ("record:web.svc.internal./A", "from other facts, which are served in its place"),
        ("record:svc.internal./NS", "from other facts, which are served in its place"),
        ("record:x.file.test./A", "its name belongs to file.test., which is read from a zone file"),
        ("record:x.elsewhere.test./A", "no zone holds its name"),
        ("record:bare.test./SOA", "its zone bare.test. is not served: it has no NS record set at its apex"),
    ] {
        let titled = verified.stdout.split(&format!("not in DNS: {key}\n")).nth(1);
        let told = titled.unwrap_or_else(|| panic!("no {key} in {}", verified.stdout));
        assert!(told.lines().next().is_some_and(|line| line.contains(reason)), "{key}: {told}");
    }
    eventually("the others are served", || dig(dns, &["web.svc.internal", "TXT"]).answer().len() == 1);
    assert_eq!(dig(dns, &["web.svc.internal", "A"]).answer(), ["web.svc.internal. 5 IN A 10.0.0.7"]);
    let bare = dig(dns, &["bare.test", "SOA"]);
    assert_eq!(bare.status(), "SERVFAIL", "it is ours, and nobody else is to be asked");

    // The remedy works as printed.
    assert!(verified.stdout.contains("portico record add bare.test. NS SERVER."), "{}", verified.stdout);
    let began = portico.does(&["record", "add", "bare.test.", "NS", "ns.bare.test."]);
    let nowhere = portico.does(&["record", "add", "y.elsewhere.test", "A", "192.0.2.1"]);
    assert!(
        !began.contains("note") && nowhere.contains("\nnote: no zone holds that name"),
        "{began}{nowhere}"
    );
    portico.does(&["record", "rm", "y.elsewhere.test", "A"]);
    eventually("the zone is served", || dig(dns, &["bare.test", "SOA"]).status() == "NOERROR");
}

#[test]
fn the_serial_of_a_zone_of_facts_never_goes_back_over_a_restart() {
    let world = World::new();
    let arguments = ["--dns", "127.0.0.1:0"];
    let serial = |dns: SocketAddr| -> u32 {
        let answer = dig(dns, &["example.test", "SOA"]).answer();
        answer.first().and_then(|soa| soa.split(' ').nth(6)?.parse().ok()).unwrap_or(0)
    };
    let file = world.write("zone.yaml", ZONE).display().to_string();
    let first = world.portico(&arguments);
    first.does(&["apply", "-f", &file]);
    first.does(&["record", "add", "a.example.test", "A", "192.0.2.1"]);
    first.does(&["record", "rm", "a.example.test", "A"]);
    eventually("the last change is served", || serial(first.dns()) == 11);

    drop(first);
    let second = world.portico(&arguments);

    eventually("the zone is there, as late as it was", || serial(second.dns()) >= 11);
    second.does(&["record", "add", "b.example.test", "A", "192.0.2.1"]);
    eventually("it goes on from there", || serial(second.dns()) == 12);
}
