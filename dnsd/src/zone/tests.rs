//! What zones answer, row by row, and that it is what a plain reading of the rules gives.

use std::sync::Arc;

use model::{DomainName, RecordData, RecordSet, RecordType, Revision};
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn zone(text: &str) -> Arc<Zone> {
    Arc::new(file::read(text, None).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn served(zones: &[&str]) -> ZoneSet {
    ZoneSet::new(Revision::default(), true, zones.iter().map(|text| zone(text)))
}

fn question(text: &str, record_type: RecordType) -> Question {
    Question { name: name(text), record_type }
}

/// An answer on a line: outcome, AA, and each section's sets with their TTLs and how many records they have.
fn told(answer: &Answer<'_>) -> String {
    let section = |entries: &Entries<'_>| {
        let sets = entries.iter().map(|entry| {
            let set = &entry.set;
            format!("{}/{}/{}/{}", entry.owner, set.record_type(), set.ttl(), set.data().len())
        });
        sets.collect::<Vec<_>>().join(" ")
    };
    let aa = if answer.authoritative { " aa" } else { "" };
    let sections = [&answer.answers, &answer.authority, &answer.additional].map(section);
    format!("{:?}{aa} | {}", answer.outcome, sections.join(" | ")).trim_end().to_owned()
}

const EXAMPLE: &str = r"
$ORIGIN example.
$TTL 3600
@ SOA ns hostmaster 1 2 3 4 60
@ NS ns
@ NS ns.other.
@ MX 10 mail
@ TXT a
ns A 10.0.0.1
ns AAAA 2001:db8::1
mail A 10.0.0.2
mail A 10.0.0.3
*.wild TXT w
*.wild MX 10 mail
sub.wild A 10.0.0.4
a.b.ent A 10.0.0.5
x.*.odd A 10.0.0.6
www CNAME mail
chain CNAME chain2
chain2 CNAME www
away CNAME www.elsewhere.
gone CNAME nothing
loop CNAME loop2
loop2 CNAME loop
*.alias CNAME mail
child NS ns.child
child NS ns.other.
child DS 1 8 2 00
ns.child A 10.0.0.7
moved DNAME target
x.target A 10.0.0.8
_http._tcp SRV 1 1 80 mail
_http._tcp SRV 1 1 80 ns
_http._tcp SRV 1 1 80 x.elsewhere.
_http._tcp SRV 2 1 80 .
";

#[test]
fn a_name_is_there_where_a_zone_begins_at_it_or_below() {
    let apex =
        |apex: &str| format!("$ORIGIN {apex}.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 10.0.0.1\n");
    let zones =
        served(&[&format!("{}*.w A 10.0.0.2\n", apex("z")), &apex("a.b.z"), &apex("c.z"), &apex("d.x.w.z")]);
    let check = |name: &str, record_type, expected: &str| {
        assert_eq!(told(&answer(&zones, &question(name, record_type))), expected, "{name} {record_type}");
    };

    check("b.z", RecordType::A, "Fine aa |  | z./SOA/5/1 |");
    check("c.z", RecordType::DS, "Fine aa |  | z./SOA/5/1 |");
    check("a.b.z", RecordType::DS, "Fine aa |  | z./SOA/5/1 |");
    check("x.w.z", RecordType::A, "Fine aa |  | z./SOA/5/1 |");
    check("y.w.z", RecordType::A, "Fine aa | y.w.z./A/60/1 |  |");
    check("no.z", RecordType::A, "NoName aa |  | z./SOA/5/1 |");
    check("no.c.z", RecordType::A, "NoName aa |  | c.z./SOA/5/1 |");
}

#[test]
fn what_is_still_to_come_is_not_denied() {
    let text = "$ORIGIN internal.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 10.0.0.1\nto CNAME web.svc\naway CNAME a.test.\n";
    let zones = ZoneSet::new(Revision::default(), false, [zone(text)]).awaiting([name("svc.internal")]);
    let check = |name: &str, expected: &str| {
        assert_eq!(told(&answer(&zones, &question(name, RecordType::A))), expected, "{name}");
    };

    check("ns.internal", "Fine aa | ns.internal./A/60/1 |  |");
    check("away.internal", "Fine aa | away.internal./CNAME/60/1 |  |");
    for name in ["web.svc.internal", "svc.internal", "no.internal", "to.internal", "elsewhere"] {
        check(name, "NotYet |  |  |");
    }
}

#[test]
fn questions_have_the_answers_of_the_rules() {
    let zones = served(&[EXAMPLE]);
    let check = |name: &str, record_type, expected: &str| {
        assert_eq!(told(&answer(&zones, &question(name, record_type))), expected, "{name} {record_type}");
    };
    let soa = "example./SOA/60/1";
    check("mail.example", RecordType::A, "Fine aa | mail.example./A/3600/2 |  |");
    check("mail.example", RecordType::AAAA, &format!("Fine aa |  | {soa} |"));
    check("nothing.example", RecordType::A, &format!("NoName aa |  | {soa} |"));
    check("elsewhere", RecordType::A, "NotOurs |  |  |");
    check(".", RecordType::A, "NotOurs |  |  |");
    check("example", RecordType::SOA, "Fine aa | example./SOA/3600/1 |  |");
    check(
        "example",
        RecordType::NS,
        "Fine aa | example./NS/3600/2 |  | ns.example./A/3600/1 ns.example./AAAA/3600/1",
    );
    check("example", RecordType::MX, "Fine aa | example./MX/3600/1 |  | mail.example./A/3600/2");
    check(
        "_http._tcp.example",
        RecordType::SRV,
        "Fine aa | _http._tcp.example./SRV/3600/4 |  | ns.example./A/3600/1 ns.example./AAAA/3600/1 mail.example./A/3600/2",
    );
    // RFC 8482: one small answer; a name that is not there is still not there.
    check("mail.example", RecordType::ANY, "Fine aa | mail.example./HINFO/3600/1 |  |");
    check("www.example", RecordType::ANY, "Fine aa | www.example./CNAME/3600/1 |  |");
    check("b.ent.example", RecordType::ANY, &format!("Fine aa |  | {soa} |"));
    check("nothing.example", RecordType::ANY, &format!("NoName aa |  | {soa} |"));
    // A DS record at the apex would be the parent's.
    check("example", RecordType::DS, &format!("Fine aa |  | {soa} |"));
}

#[test]
fn wildcards_and_empty_names_are_those_of_rfc_4592() {
    let zones = served(&[EXAMPLE]);
    let check = |name: &str, record_type, expected: &str| {
        assert_eq!(told(&answer(&zones, &question(name, record_type))), expected, "{name} {record_type}");
    };
    let soa = "example./SOA/60/1";
    check("x.wild.example", RecordType::TXT, "Fine aa | x.wild.example./TXT/3600/1 |  |");
    check("y.x.wild.example", RecordType::TXT, "Fine aa | y.x.wild.example./TXT/3600/1 |  |");
    check("*.wild.example", RecordType::TXT, "Fine aa | *.wild.example./TXT/3600/1 |  |");
    check("x.wild.example", RecordType::A, &format!("Fine aa |  | {soa} |"));
    check(
        "x.wild.example",
        RecordType::MX,
        "Fine aa | x.wild.example./MX/3600/1 |  | mail.example./A/3600/2",
    );
    check("wild.example", RecordType::TXT, &format!("Fine aa |  | {soa} |"));
    check("sub.wild.example", RecordType::TXT, &format!("Fine aa |  | {soa} |"));
    check("x.sub.wild.example", RecordType::TXT, &format!("NoName aa |  | {soa} |"));
    check("x.*.wild.example", RecordType::TXT, &format!("NoName aa |  | {soa} |"));
    check("ent.example", RecordType::A, &format!("Fine aa |  | {soa} |"));
    check("b.ent.example", RecordType::A, &format!("Fine aa |  | {soa} |"));
    check("c.ent.example", RecordType::A, &format!("NoName aa |  | {soa} |"));
    check("anything.odd.example", RecordType::A, &format!("Fine aa |  | {soa} |"));
    check(
        "x.alias.example",
        RecordType::A,
        "Fine aa | x.alias.example./CNAME/3600/1 mail.example./A/3600/2 |  |",
    );
}

#[test]
fn aliases_are_followed_within_our_zones() {
    let other =
        "$ORIGIN far.\n@ 5 SOA ns h 1 2 3 4 5\n@ 5 NS ns\nwww 5 CNAME mail.example.\nhere 5 A 10.0.0.9\n";
    let long: String = (0..12).map(|step| format!("c{step} CNAME c{}\n", step + 1)).collect();
    let zones = served(&[&format!("{EXAMPLE}{long}c12 A 10.0.0.9\nfar CNAME www.far.\n"), other]);
    let check = |name: &str, record_type, expected: &str| {
        assert_eq!(told(&answer(&zones, &question(name, record_type))), expected, "{name} {record_type}");
    };
    let soa = "example./SOA/60/1";
    check(
        "chain.example",
        RecordType::A,
        "Fine aa | chain.example./CNAME/3600/1 chain2.example./CNAME/3600/1 www.example./CNAME/3600/1 mail.example./A/3600/2 |  |",
    );
    check("www.example", RecordType::CNAME, "Fine aa | www.example./CNAME/3600/1 |  |");
    check("www.example", RecordType::TXT, &format!("Fine aa | www.example./CNAME/3600/1 | {soa} |"));
    check("away.example", RecordType::A, "Fine aa | away.example./CNAME/3600/1 |  |");
    check("gone.example", RecordType::A, &format!("NoName aa | gone.example./CNAME/3600/1 | {soa} |"));
    check(
        "loop.example",
        RecordType::A,
        "Fine aa | loop.example./CNAME/3600/1 loop2.example./CNAME/3600/1 |  |",
    );
    check(
        "far.example",
        RecordType::A,
        "Fine aa | far.example./CNAME/3600/1 www.far./CNAME/5/1 mail.example./A/3600/2 |  |",
    );
    let chain = answer(&zones, &question("c0.example", RecordType::A));
    assert_eq!((chain.answers.len(), chain.outcome), (MAX_ALIASES + 1, Outcome::Fine));
    let end = answer(&zones, &question("c4.example", RecordType::A));
    assert_eq!(
        end.answers.last().map(|last| last.set.record_type()),
        Some(RecordType::A),
        "eight aliases and an address"
    );
}

#[test]
fn what_is_delegated_is_left_to_whom_it_is_delegated_to() {
    let zones = served(&[EXAMPLE]);
    let check = |name: &str, record_type, expected: &str| {
        assert_eq!(told(&answer(&zones, &question(name, record_type))), expected, "{name} {record_type}");
    };
    let referral = "child.example./NS/3600/2 | ns.child.example./A/3600/1";
    check("child.example", RecordType::A, &format!("Fine |  | {referral}"));
    check("child.example", RecordType::NS, &format!("Fine |  | {referral}"));
    check("x.y.child.example", RecordType::A, &format!("Fine |  | {referral}"));
    check("ns.child.example", RecordType::A, &format!("Fine |  | {referral}"));
    check("child.example", RecordType::DS, "Fine aa | child.example./DS/3600/1 |  |");
    check("x.child.example", RecordType::DS, &format!("Fine |  | {referral}"));
    let answered = answer(&zones, &question("x.child.example", RecordType::A));
    assert!(answered.additional[0].needed, "nobody finds a server below the cut without its address");

    let both =
        served(&[EXAMPLE, "$ORIGIN child.example.\n@ 5 SOA ns h 1 2 3 4 5\n@ 5 NS ns\nx 5 A 10.0.0.9\n"]);
    let check = |name: &str, record_type, expected: &str| {
        assert_eq!(told(&answer(&both, &question(name, record_type))), expected, "{name} {record_type}");
    };
    check("x.child.example", RecordType::A, "Fine aa | x.child.example./A/5/1 |  |");
    check("child.example", RecordType::DS, "Fine aa | child.example./DS/3600/1 |  |");
}

#[test]
fn a_dname_leads_what_is_below_it_elsewhere() {
    let label = "l".repeat(63);
    let long = format!("long DNAME {label}.{label}.{label}\n");
    let zones = served(&[&format!("{EXAMPLE}{long}")]);
    let check = |name: &str, record_type, expected: &str| {
        assert_eq!(told(&answer(&zones, &question(name, record_type))), expected, "{name} {record_type}");
    };
    let soa = "example./SOA/60/1";
    check(
        "X.moved.example",
        RecordType::A,
        "Fine aa | moved.example./DNAME/3600/1 X.moved.example./CNAME/3600/1 X.target.example./A/3600/1 |  |",
    );
    check(
        "n.moved.example",
        RecordType::A,
        &format!("NoName aa | moved.example./DNAME/3600/1 n.moved.example./CNAME/3600/1 | {soa} |"),
    );
    check("moved.example", RecordType::DNAME, "Fine aa | moved.example./DNAME/3600/1 |  |");
    check("moved.example", RecordType::A, &format!("Fine aa |  | {soa} |"));
    check(&format!("{label}.long.example"), RecordType::A, "TooLong aa | long.example./DNAME/3600/1 |  |");
}

#[test]
fn before_all_zones_are_known_nothing_is_said_not_to_be_there() {
    let zones = ZoneSet::new(Revision::default(), false, [zone(EXAMPLE)]);
    assert_eq!(answer(&zones, &question("elsewhere", RecordType::A)).outcome, Outcome::NotYet);
    assert_eq!(answer(&zones, &question("mail.example", RecordType::A)).outcome, Outcome::Fine);
}

/// Names of few labels, so that they are above, below and beside each other.
fn names() -> impl Strategy<Value = DomainName> {
    let label = prop_oneof![Just("a"), Just("B"), Just("*"), Just("c"), Just(r"\000")];
    prop::collection::vec(label, 0..5).prop_map(|labels| {
        name(&labels.iter().fold("z.".to_owned(), |name, label| format!("{label}.{name}")))
    })
}

fn address() -> RecordData {
    RecordData::a(std::net::Ipv4Addr::LOCALHOST)
}

/// A zone of addresses at these names, and servers at others.
fn random_zone(hosts: &[DomainName], cuts: &[DomainName]) -> Zone {
    let apex = name("z");
    let soa = RecordData::new(RecordType::SOA, [&[0, 0][..], &[0; 20]].concat()).expect("a SOA");
    let server = RecordData::name(RecordType::NS, &name("ns.z")).expect("an NS");
    let set = |name: &DomainName, data: &RecordData| {
        RecordSet::new(name.clone(), data.record_type(), 5, vec![data.clone()]).expect("a set")
    };
    let mut names: Vec<_> = cuts.iter().filter(|cut| !cut.is_wildcard() && **cut != apex).cloned().collect();
    names.sort();
    names.dedup();
    let mut hosts = hosts.to_vec();
    hosts.sort();
    hosts.dedup();
    let sets = [set(&apex, &soa), set(&apex, &server)].into_iter();
    let sets = sets
        .chain(names.iter().map(|cut| set(cut, &server)))
        .chain(hosts.iter().map(|host| set(host, &address())));
    Zone::new(apex, sets.collect::<Vec<_>>()).expect("a zone")
}

/// RFC 1034 §4.3.2 and RFC 4592 §3.3.1 as they are written, without an index.
fn by_the_book(hosts: &[DomainName], cuts: &[DomainName], asked: &DomainName) -> Kind {
    let apex = name("z");
    let ancestors =
        |name: &DomainName| std::iter::successors(Some(name.clone()), DomainName::parent).collect::<Vec<_>>();
    let is_cut = |name: &DomainName| *name != apex && !name.is_wildcard() && cuts.contains(name);
    if ancestors(asked).iter().any(is_cut) {
        return Kind::Referral;
    }
    let stated = |name: &DomainName| *name == apex || hosts.contains(name) || is_cut(name);
    let exists = |name: &DomainName| {
        stated(name)
            || hosts
                .iter()
                .chain(cuts.iter().filter(|cut| is_cut(cut)))
                .any(|other| other.is_at_or_below(name))
    };
    if exists(asked) {
        return if hosts.contains(asked) { Kind::Answer } else { Kind::NoData };
    }
    let encloser = ancestors(asked).into_iter().find(exists).expect("the apex exists");
    let wildcard = encloser.child(b"*").expect("short");
    match exists(&wildcard) {
        true if hosts.contains(&wildcard) => Kind::Answer,
        true => Kind::NoData,
        false => Kind::NoName,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Answer,
    NoData,
    NoName,
    Referral,
}

fn kind(answer: &Answer<'_>) -> Kind {
    match (answer.outcome, answer.answers.is_empty(), answer.authoritative) {
        (Outcome::Fine, false, true) => Kind::Answer,
        (Outcome::Fine, true, true) => Kind::NoData,
        (Outcome::NoName, true, true) => Kind::NoName,
        (Outcome::Fine, true, false) => Kind::Referral,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn every_question_has_the_answer_of_the_book(
        hosts in prop::collection::vec(names(), 0..8),
        cuts in prop::collection::vec(names(), 0..2),
        asked in prop::collection::vec(names(), 1..8),
    ) {
        let zones = ZoneSet::new(Revision::default(), true, [Arc::new(random_zone(&hosts, &cuts))]);
        for asked in asked {
            let answered = answer(&zones, &Question { name: asked.clone(), record_type: RecordType::A });
            prop_assert_eq!(kind(&answered), by_the_book(&hosts, &cuts, &asked), "{} of {:?} {:?}", asked, hosts, cuts);
            let owner = answered.answers.first().map(|entry| &entry.owner);
            prop_assert!(owner.is_none_or(|owner| owner.same_spelling(&asked)));
        }
    }
}
