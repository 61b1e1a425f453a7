//! Rows for each wish and each reason: hosts, services and instances as words, and what is decided as words.

use model::launch::Fill;
use model::{HostName, InstanceName, Metadata, ServiceName};

use super::*;

fn service(text: &str) -> ServiceName {
    ServiceName::parse(text).expect("a service")
}

fn label(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').expect("key=value");
    (key.into(), value.into())
}

/// `a zone=eu tier=1 cpu=4 mem=8 cordoned`
fn machine(text: &str) -> (HostName, Machine) {
    let mut words = text.split_whitespace();
    let name = HostName::parse(words.next().expect("a name")).expect("a host");
    let mut machine = Machine::default();
    let mut labels = Vec::new();
    for word in words {
        match word.split_once('=') {
            None if word == "cordoned" => machine.state = State::Cordoned,
            None if word == "lost" => machine.state = State::Lost,
            Some(("tier", number)) => machine.tier = number.parse().expect("a tier"),
            Some(("cpu", number)) => machine.capacity.cpu = Some(number.parse().expect("cpu")),
            Some(("mem", number)) => machine.capacity.memory = Some(number.parse().expect("memory")),
            _ => labels.push(label(word)),
        }
    }
    machine.labels = Metadata::new(labels).expect("labels");
    (name, machine)
}

/// `web 2..4 each cpu=1 mem=2 pack need:zone=eu like:disk=ssd beside:db apart:cache`, or `web every`
fn wanted(text: &str) -> (ServiceName, Wanted) {
    let mut words = text.split_whitespace();
    let name = service(words.next().expect("a name"));
    let mut wanted = Wanted::default();
    let mut required = Vec::new();
    for word in words {
        let numbers = word.split_once("..").unwrap_or((word, word));
        match (word.split_once([':', '=']), wanted.copies) {
            (None, _) if word == "pack" => wanted.wishes.fill = Fill::Pack,
            (None, _) if word == "every" => wanted.copies = Copies::EveryHost,
            (None, Copies::Counted(count)) if word == "each" => wanted.copies = Copies::OnePerHost(count),
            (None, _) => {
                let (least, most) = (numbers.0.parse().expect("least"), numbers.1.parse().expect("most"));
                wanted.copies = Copies::Counted(Count::new(least, most).expect("a count"));
            }
            (Some(("cpu", number)), _) => wanted.resources.cpu = number.parse().expect("cpu"),
            (Some(("mem", number)), _) => wanted.resources.memory = number.parse().expect("memory"),
            (Some(("need", text)), _) => required.push(label(text)),
            (Some(("like", text)), _) => {
                let (key, value) = label(text);
                wanted.wishes.preferred.push(Preference { key, value, weight: 1 });
            }
            (Some(("beside", other)), _) => _ = wanted.wishes.beside.insert(service(other)),
            (Some(("apart", other)), _) => _ = wanted.wishes.not_beside.insert(service(other)),
            (Some(other), _) => panic!("{other:?}"),
        }
    }
    wanted.wishes.required = Metadata::new(required).expect("labels");
    (name, wanted)
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty())
}

fn fleet(machines: &str, services: &str, placed: &str) -> Fleet {
    let wanted: BTreeMap<_, _> = parts(services).map(wanted).collect();
    let place = |text: &str| {
        let (name, host) = text.split_once('@').expect("service/instance@host");
        let (of, instance) = name.split_once('/').expect("service/instance");
        Placed {
            service: service(of),
            instance: InstanceName::parse(instance).expect("an instance"),
            host: HostName::parse(host).expect("a host"),
            resources: wanted.get(&service(of)).map(|wanted| wanted.resources).unwrap_or_default(),
        }
    };
    let placed = placed.split_whitespace().map(place).collect();
    Fleet { machines: parts(machines).map(machine).collect(), wanted, placed, ..Fleet::default() }
}

fn told(placed: &Placed) -> String {
    format!("{}/{}@{}", placed.service, placed.instance, placed.host)
}

/// What changes: `+` starts, `-` leaves, `!` fits nowhere.
fn check(machines: &str, services: &str, placed: &str, expected: &[&str]) {
    let decided = schedule(&fleet(machines, services, placed));
    let mut said: Vec<String> = decided.start.iter().map(|placed| format!("+{}", told(placed))).collect();
    said.extend(decided.leave.iter().map(|(placed, why)| format!("-{}: {why}", told(placed))));
    for (service, unplaced) in &decided.unplaced {
        let hosts: Vec<_> = unplaced.hosts.iter().map(|(host, why)| format!("; {host} {why}")).collect();
        said.push(format!("!{service} {}{}", unplaced.missing, hosts.concat()));
    }
    assert_eq!(said, expected, "{machines} | {services} | {placed}");
}

#[test]
fn spread_takes_the_host_with_the_fewest_of_it_then_the_emptiest() {
    check("a; b; c", "web 3", "", &["+web/1@a", "+web/2@b", "+web/3@c"]);
    check("a; b", "web 3", "web/1@a", &["+web/2@b", "+web/3@a"]);
    check("a cpu=4; b cpu=8", "db 1 cpu=2; web 1 cpu=1", "db/1@a", &["+web/1@b"]);
    check("a; b", "web 1", "db/1@a", &["+web/1@b"]);
}

#[test]
fn pack_fills_the_fullest_that_has_room() {
    check("a cpu=4; b cpu=4", "web 3 cpu=2 pack", "", &["+web/1@a", "+web/2@a", "+web/3@b"]);
    check("a cpu=4; b cpu=4", "db 1 cpu=1; web 1 cpu=2 pack", "db/1@b", &["+web/1@b"]);
    check("a cpu=4; b cpu=4", "db 1 cpu=3; web 1 cpu=2 pack", "db/1@b", &["+web/1@a"]);
}

#[test]
fn nothing_goes_where_there_is_no_room() {
    check(
        "a cpu=1000; b mem=268435456",
        "web 2 cpu=600 mem=536870912",
        "",
        &[
            "+web/1@a",
            "!web 1; a has 400m of CPU free, needs 600m; b has 256 MiB of memory free, needs 512 MiB",
        ],
    );
    // What is over it already stays.
    check("a cpu=1", "web 2 cpu=1", "web/1@a web/2@a", &[]);
}

#[test]
fn a_required_label_is_a_must_and_a_preferred_one_is_not() {
    let hosts = "a; b zone=us; c Zone=eu cpu=1";
    check(
        hosts,
        "web 2 cpu=1 need:zone=eu",
        "",
        &[
            "+web/1@c",
            "!web 1; a lacks label zone=eu; b lacks label zone=eu (has zone=us); c has 0m of CPU free, needs 1m",
        ],
    );
    check(hosts, "web 2 cpu=1 like:zone=eu", "", &["+web/1@c", "+web/2@a"]);
    check(
        hosts,
        "web 1 need:zone=eu",
        "web/1@b",
        &["+web/2@c", "-web/1@b: its host: lacks label zone=eu (has zone=us)"],
    );
    check(hosts, "web 1 like:zone=eu", "web/1@b", &[]);
}

#[test]
fn one_per_host_is_one_per_host() {
    let full = "runs an instance of it already (one per host)";
    check("a; b", "web 3 each", "", &["+web/1@a", "+web/2@b", &format!("!web 1; a {full}; b {full}")]);
    check(
        "a; b",
        "web 2 apart:web",
        "web/1@a web/2@a",
        &["+web/3@b", &format!("-web/2@a: its host: {full}")],
    );
}

#[test]
fn every_host_has_one_where_it_fits() {
    check("a; b tier=1; c zone=us; d cordoned; e cpu=1", "log every cpu=2 need:zone=us", "", &["+log/1@c"]);
    check(
        "a; b tier=1; d cordoned; e cpu=1",
        "log every cpu=2",
        "log/1@b",
        &[
            "+log/2@a",
            "!log 1; a runs an instance of it already (one per host); b runs an instance of it already (one per host); d cordoned; \
             e has 1m of CPU free, needs 2m",
        ],
    );
}

#[test]
fn services_are_beside_and_apart_as_they_wish() {
    check("a; b", "app 1 beside:db; db 1", "db/1@b", &["+app/1@b"]);
    check("a", "app 1 beside:db", "", &["!app 1; a does not run db, which it must be beside"]);
    check("a", "app 1 apart:db; db 1", "", &["+db/1@a", "!app 1; a runs db, which it must not be beside"]);
    check("a; b", "app 1 apart:db; db 1", "app/1@a", &["+db/1@b"]);
    check("a", "app 1 apart:db; db 1", "app/1@a", &["!db 1; a runs app, which must not be beside it"]);
    check(
        "a; b",
        "app 1 apart:db; db 1",
        "app/1@a db/1@a",
        &["+app/2@b", "-app/1@a: its host: runs db, which it must not be beside"],
    );
    // In a circle the first by name is placed without its wish.
    check("a; b", "app 1 beside:db; db 1 beside:app", "", &["+app/1@a", "+db/1@a"]);
    // One that is not in the circle waits for it.
    check("a", "app 1 beside:log; log 1 beside:web; web 0 beside:log", "", &["+log/1@a", "+app/1@a"]);
    // To be together goes before to be apart.
    check("a; b", "app 1 beside:db; db 1 apart:x; x 1 apart:app", "", &["+db/1@a", "+app/1@a", "+x/1@b"]);
}

#[test]
fn a_tier_is_filled_before_the_next() {
    let hosts = "a tier=1 cpu=2; b tier=0 cpu=2";
    check(hosts, "web 3 cpu=1", "", &["+web/1@b", "+web/2@b", "+web/3@a"]);
    // What overflowed does not come back by itself.
    check(hosts, "web 1 cpu=1", "web/1@a", &[]);
}

#[test]
fn a_cordoned_host_keeps_what_it_has_and_a_lost_one_does_not() {
    check("a cordoned; b", "web 2", "web/1@a", &["+web/2@b"]);
    check("a lost; b", "web 1", "web/1@a", &["+web/2@b", "-web/1@a: its host: lost"]);
    check("b", "web 1", "web/1@a", &["+web/2@b", "-web/1@a: its host is not there"]);
    check("a lost; b cordoned", "web 1", "", &["!web 1; a lost; b cordoned"]);
}

#[test]
fn a_count_is_filled_to_the_least_and_cut_to_the_most() {
    check("a", "web 2..4", "web/1@a web/2@a web/3@a", &[]);
    let surplus = "there are more instances than wanted";
    let [a2, b1, c1] = ["a2@a", "b1@b", "c1@c"].map(|place| format!("-web/{place}: {surplus}"));
    check("a; b", "web 2", "web/a1@a web/a2@a web/b1@b", &[&a2]);
    check("a; b", "web 2 pack", "web/a1@a web/a2@a web/b1@b", &[&b1]);
    check("a; b; c tier=1", "web 3", "web/a1@a web/a2@a web/b1@b web/c1@c", &[&c1]);
    check("a; b cordoned", "web 2", "web/a1@a web/a2@a web/b1@b", &[&b1]);
    check("a; b", "web 1..9", "web/1@a web/1@b", &["-web/1@b: another instance has its name"]);
}

#[test]
fn services_share_hosts_in_the_order_of_their_names_and_what_is_not_asked_about_stays() {
    let none = "has 0m of CPU free, needs 1m";
    check("a cpu=1", "b 1 cpu=1; a 1 cpu=1", "", &["+a/1@a", &format!("!b 1; a {none}")]);
    let decided = schedule(&fleet("a", "", "old/1@a"));
    assert_eq!(decided.stay.iter().map(told).collect::<Vec<_>>(), ["old/1@a"]);
}

#[test]
fn each_host_is_explained() {
    let fleet =
        fleet("a cpu=4; b cpu=4; c tier=1; d cordoned; e tier=2", "before 1 cpu=1; web 2 cpu=1", "web/1@a");
    let explained = explain(&fleet, &service("web")).expect("it is wanted");
    let told: Vec<String> = explained
        .iter()
        .map(|(host, explained)| match &explained.next {
            Ok(rank) => format!("{host} {} #{rank}", explained.stay),
            Err(why) => format!("{host} {} {why}", explained.stay),
        })
        .collect();
    let tier = "hosts of tier 0 have room";
    let [c, e] = [format!("c 0 tier 1: {tier}"), format!("e 0 tier 2: {tier}")];
    assert_eq!(told, ["a 1 #2", "b 0 #1", &c, "d 0 cordoned", &e]);
    assert_eq!(explain(&fleet, &service("other")), None);
}

#[test]
fn a_thousand_hosts_take_ten_thousand_instances() {
    let names = (0..1000).map(|n| format!("h{n} cpu=10")).collect::<Vec<_>>().join(";");
    let services = (0..100).map(|n| format!("s{n} 100 cpu=1")).collect::<Vec<_>>().join(";");
    let mut fleet = fleet(&names, &services, "");
    let decided = schedule(&fleet);
    assert_eq!((decided.start.len(), decided.unplaced.len()), (10_000, 0));
    fleet.placed = decided.start.into_iter().collect();
    let again = schedule(&fleet);
    assert_eq!((again.stay.len(), again.start.len(), again.leave.len()), (10_000, 0, 0));
}
