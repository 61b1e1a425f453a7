//! DNS for containers and machines: names of other zones, forwarded to resolvers that know, asked for by dig and by the C library.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::world::{NameServer, Portico, Says, World, dig, eventually};

/// What the rest of the world knows.
const WORLD: &str = r#"$TTL 5m
@      SOA   ns hostmaster ( 42 1h 10m 1d 30 )
       NS    ns
ns     A     192.0.2.53
www    A     192.0.2.80
       AAAA  2001:db8::80
alias  CNAME www
db     A     192.0.2.54
       A     192.0.2.55
"#;

/// What we know ourselves.
const OURS: &str = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 10.0.0.53\ndb CNAME db.example.com.\nno CNAME no.example.com.\n";

/// A portico that holds this zone, and is asked as if it were the rest of the world.
fn authority(world: &World, origin: &str, text: &str) -> Portico {
    let path = world.write("authority.zone", text);
    let zone = format!("{origin}={}", path.display());
    world.portico_command(&["--dns", "127.0.0.1:0", "--zone-file", &zone]).start()
}

/// A portico that forwards to these, for 127.0.0.1 alone, and holds `ours.test`.
fn forwarding(world: &World, upstreams: &[SocketAddr]) -> Portico {
    let path = world.write("ours.zone", OURS);
    let zone = format!("ours.test={}", path.display());
    let upstreams: Vec<_> = upstreams.iter().map(ToString::to_string).collect();
    let command = world.portico_command(&["--dns", "0.0.0.0:0", "--zone-file", &zone]);
    let command = command.env("PORTICO_DNS__FORWARD", &upstreams.join(","));
    command.env("PORTICO_DNS__FORWARD_ALLOW", "127.0.0.1").start()
}

fn at(portico: &Portico) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], portico.dns().port()))
}

/// How many messages it was sent.
fn asked(portico: &Portico) -> f64 {
    portico.metric("portico_dns_messages_total{transport=\"udp\"}")
}

#[test]
fn by_default_nothing_is_forwarded() {
    let world = World::new();
    let portico = world.portico(&["--dns", "127.0.0.1:0"]);

    let dug = dig(portico.dns(), &["www.example.com", "A"]);

    assert_eq!((dug.status(), dug.flags()), ("REFUSED", "qr rd"), "{}", dug.text());
}

#[test]
fn rfc_1034_4_3_1_recursion_is_for_those_who_may_and_want_it() {
    let (elsewhere, world) = (World::new(), World::new());
    let upstream = authority(&elsewhere, "example.com", WORLD);
    let portico = forwarding(&world, &[upstream.dns()]);
    let ask = |arguments: &[&str]| dig(at(&portico), &[&["WWW.example.com"], arguments].concat());

    for transport in ["+notcp", "+tcp"] {
        let dug = ask(&["A", transport]);
        assert_eq!((dug.status(), dug.flags()), ("NOERROR", "qr rd ra"), "{}", dug.text());
        let name = dug.answer()[0].split(' ').next().unwrap().to_owned();
        assert_eq!(name, "WWW.example.com.", "spelled as it was asked");
        assert!(dug.answer()[0].ends_with("IN A 192.0.2.80"), "{}", dug.text());
    }
    assert_eq!(ask(&["AAAA", "+noedns"]).answer().len(), 1);
    let alias = dig(at(&portico), &["alias.example.com", "A"]);
    assert_eq!(alias.answer().len(), 2, "{}", alias.text());
    let unwanted = ask(&["A", "+norecurse"]);
    assert_eq!((unwanted.status(), unwanted.flags()), ("REFUSED", "qr ra"), "{}", unwanted.text());
    let stranger = ask(&["A", "-b", "127.0.0.2"]);
    assert_eq!((stranger.status(), stranger.flags()), ("REFUSED", "qr rd"), "{}", stranger.text());
    assert!(portico.metric("portico_dns_forward_refused_total") >= 1.0);
}

#[test]
fn our_own_names_and_those_of_nobody_are_never_sent_away() {
    let world = World::new();
    let upstream = NameServer::start();
    let portico = forwarding(&world, &[upstream.address()]);
    let ask = |name: &str, record_type: &str| dig(at(&portico), &[name, record_type]);

    let ours = ask("ns.ours.test", "A");
    assert_eq!((ours.status(), ours.flags()), ("NOERROR", "qr aa rd ra"), "{}", ours.text());
    let names = ["none.ours.test", "web.svc.internal", "printer.local", "x.invalid", "4.3.2.10.in-addr.arpa"];
    for name in names {
        assert_eq!(ask(name, "A").status(), "NXDOMAIN", "{name}");
        assert_eq!(upstream.asked(name), 0, "{name}");
    }
    assert_eq!(ask("localhost", "A").answer(), ["localhost. 10800 IN A 127.0.0.1"]);
    assert_eq!(upstream.asked("localhost"), 0);
}

#[test]
fn before_the_registry_was_read_nothing_is_forwarded() {
    let world = World::new();
    let upstream = NameServer::start();
    upstream.at("www.example.com", "192.0.2.80", 60);
    // Nobody listens there.
    let arguments = ["--registry", "redis://127.0.0.1:1", "--dns", "127.0.0.1:0"];
    let command = world.portico_command(&arguments);
    let portico = command.env("PORTICO_DNS__FORWARD", &upstream.address().to_string()).start();

    for name in ["web.svc.internal", "www.example.com"] {
        assert_eq!(dig(portico.dns(), &[name, "A"]).status(), "SERVFAIL", "{name}");
        assert_eq!(upstream.asked(name), 0, "{name}");
    }
}

#[test]
fn rfc_1035_4_1_1_an_alias_that_leaves_our_zones_is_followed_for_those_who_may() {
    let (elsewhere, world) = (World::new(), World::new());
    let upstream = authority(&elsewhere, "example.com", WORLD);
    let portico = forwarding(&world, &[upstream.dns()]);

    let dug = dig(at(&portico), &["db.ours.test", "A"]);
    assert_eq!((dug.status(), dug.flags()), ("NOERROR", "qr aa rd ra"), "{}", dug.text());
    let expected = [
        "db.example.com. 300 IN A 192.0.2.54",
        "db.example.com. 300 IN A 192.0.2.55",
        "db.ours.test. 60 IN CNAME db.example.com.",
    ];
    assert_eq!(dug.answer(), expected);

    let gone = dig(at(&portico), &["no.ours.test", "A"]);
    assert_eq!((gone.status(), gone.answer().len()), ("NXDOMAIN", 1), "{}", gone.text());
    let stranger = dig(at(&portico), &["db.ours.test", "A", "-b", "127.0.0.2"]);
    assert_eq!(stranger.answer(), ["db.ours.test. 60 IN CNAME db.example.com."]);
    assert_eq!(stranger.flags(), "qr aa rd");
}

#[test]
fn rfc_2308_5_what_is_not_there_is_remembered_for_as_long_as_its_zone_says() {
    let (elsewhere, world) = (World::new(), World::new());
    let upstream = authority(&elsewhere, "example.com", WORLD);
    let portico = forwarding(&world, &[upstream.dns()]);
    let ask = |name: &str, record_type: &str| dig(at(&portico), &[name, record_type]);
    let ttl = |name: &str, record_type: &str| -> u32 {
        let records = ask(name, record_type).section("AUTHORITY");
        records[0].split(' ').nth(1).unwrap().parse().unwrap()
    };
    let checks = [("no.example.com", "A", "NXDOMAIN"), ("www.example.com", "TXT", "NOERROR")];
    for (name, record_type, status) in checks {
        let dug = ask(name, record_type);
        assert_eq!((dug.status(), dug.answer().len()), (status, 0), "{}", dug.text());
        assert!(ttl(name, record_type) <= 30, "MINIMUM");
    }
    let before = asked(&upstream);

    for (name, record_type, status) in checks {
        eventually("its time passes", || ttl(name, record_type) < 30);
        assert_eq!(ask(name, record_type).status(), status);
    }

    assert!((asked(&upstream) - before).abs() < 0.5, "nobody was asked again");
    assert!(portico.metric("portico_dns_forwarded_total{outcome=\"cache\"}") >= 4.0);
    assert!((portico.metric("portico_dns_cached_answers") - 2.0).abs() < 0.5);
}

#[test]
fn rfc_7766_5_what_is_too_large_for_udp_comes_over_tcp_from_the_upstream_and_to_the_client() {
    let (elsewhere, world) = (World::new(), World::new());
    let long: String = (0..40).map(|n| format!("large TXT {n}{}\n", "x".repeat(100))).collect();
    let upstream = authority(&elsewhere, "example.com", &format!("{WORLD}{long}"));
    let portico = forwarding(&world, &[upstream.dns()]);

    let cut = dig(at(&portico), &["large.example.com", "TXT", "+ignore"]);
    let whole = dig(at(&portico), &["large.example.com", "TXT"]);

    assert_eq!((cut.flags(), cut.answer().len()), ("qr tc rd ra", 0), "{}", cut.text());
    assert_eq!((whole.status(), whole.answer().len()), ("NOERROR", 40));
    assert!(whole.text().contains("(TCP)"), "{}", whole.text());
    assert!(portico.metric("portico_dns_upstream_questions_total{transport=\"tcp\"}") >= 1.0);
}

#[test]
fn an_upstream_that_is_gone_silent_or_at_a_loss_is_passed_over() {
    let world = World::new();
    let [silent, lost, works] = [(); 3].map(|()| NameServer::start());
    let names: Vec<String> = (0..6).map(|n| format!("n{n}.example.com")).collect();
    for name in &names {
        silent.now(name, Says::Silence);
        lost.now(name, Says::Failure);
        works.at(name, "192.0.2.80", 60);
    }
    // Nobody listens at the first.
    let gone = SocketAddr::from(([127, 0, 0, 1], 1));
    let portico = forwarding(&world, &[gone, silent.address(), lost.address(), works.address()]);

    for name in &names {
        let dug = dig(at(&portico), &[name, "A"]);
        assert_eq!((dug.status(), dug.answer().len()), ("NOERROR", 1), "{}", dug.text());
    }

    assert!(portico.metric("portico_dns_upstream_faults_total{fault=\"failed\"}") >= 1.0);
    let asked: usize = names.iter().map(|name| silent.asked(name)).sum();
    assert!(asked < names.len(), "once it was late it is asked less: {asked}");
}

#[test]
fn where_no_upstream_answers_it_is_said_once_and_once_more_when_one_does() {
    let world = World::new();
    let upstream = NameServer::start();
    let names: Vec<String> = (0..4).map(|n| format!("n{n}.example.com")).collect();
    names.iter().for_each(|name| upstream.now(name, Says::Silence));
    let portico = forwarding(&world, &[upstream.address()]);
    let [first, rest @ ..] = &names[..] else { panic!("some") };

    thread::scope(|scope| {
        for name in rest {
            let at = at(&portico);
            scope.spawn(move || assert_eq!(dig(at, &[name, "A"]).status(), "SERVFAIL"));
        }
    });
    assert_eq!(dig(at(&portico), &[&rest[0], "A", "+norecurse"]).status(), "REFUSED");
    assert_eq!(portico.log().matches("no upstream of DNS answers").count(), 1, "{}", portico.log());
    upstream.at(first, "192.0.2.80", 60);

    assert_eq!(dig(at(&portico), &[first, "A"]).status(), "NOERROR");
    eventually("it is said", || portico.log().contains("upstreams of DNS answer again"));
    assert!(upstream.asked(&rest[0]) > 1, "a question that was lost is asked again");
}

#[test]
fn questions_alike_are_asked_upstream_once() {
    let world = World::new();
    let upstream = NameServer::start();
    upstream.now("www.example.com", Says::Silence);
    let portico = forwarding(&world, &[upstream.address()]);
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let at = at(&portico);
            thread::spawn(move || dig(at, &["www.example.com", "A"]).answer())
        })
        .collect();
    let joined = "portico_dns_forwarded_total{outcome=\"joined\"}";
    eventually("all wait for one", || portico.metric(joined) >= 19.0);

    upstream.at("www.example.com", "192.0.2.80", 60);

    for client in clients {
        assert_eq!(client.join().unwrap(), ["www.example.com. 60 IN A 192.0.2.80"]);
    }
    let sent = upstream.asked("www.example.com");
    assert!(sent <= 4, "{sent}: one question, asked again for lack of an answer");
}

/// A name server that is beside itself: before each answer it sends what somebody who guesses would.
fn guessed_at(ended: Arc<AtomicBool>) -> (SocketAddr, thread::JoinHandle<()>) {
    let (socket, stranger) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = socket.local_addr().unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let serving = thread::spawn(move || {
        let mut octets = [0; 1500];
        while !ended.load(Ordering::SeqCst) {
            let Ok((length, peer)) = socket.recv_from(&mut octets) else { continue };
            let question = &octets[12..length - 11];
            let answer = |id: [u8; 2], question: &[u8], last: u8| {
                let head = [&id[..], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]].concat();
                [&head, question, &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, last]].concat()
            };
            let id = [octets[0], octets[1]];
            let mut other = question.to_vec();
            other[1] ^= 1;
            socket.send_to(&answer([id[0], id[1] ^ 1], question, 66), peer).unwrap();
            socket.send_to(&answer(id, &other, 66), peer).unwrap();
            socket.send_to(&answer(id, question, 66)[..40], peer).unwrap();
            stranger.send_to(&answer(id, question, 66), peer).unwrap();
            socket.send_to(&answer(id, question, 80), peer).unwrap();
        }
    });
    (address, serving)
}

#[test]
fn rfc_5452_9_1_answers_to_nothing_that_was_asked_are_ignored() {
    let world = World::new();
    let ended = Arc::<AtomicBool>::default();
    let (upstream, serving) = guessed_at(Arc::clone(&ended));
    let portico = forwarding(&world, &[upstream]);

    for name in ["a.example.com", "b.example.com", "a.example.com"] {
        let dug = dig(at(&portico), &[name, "A"]);
        assert!(
            dug.answer().len() == 1 && dug.answer()[0].ends_with("IN A 192.0.2.80"),
            "{name}: {}",
            dug.text()
        );
    }

    assert!(portico.metric("portico_dns_upstream_faults_total{fault=\"unfit\"}") >= 6.0);
    ended.store(true, Ordering::SeqCst);
    serving.join().unwrap();
}

#[test]
fn questions_never_come_back() {
    let world = World::new();

    let command = world.portico_command(&["--dns", "127.0.0.9:53053"]);
    let finished = command.env("PORTICO_DNS__FORWARD", "127.0.0.9:53053").finish();

    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let message = "`dns.forward` names 127.0.0.9:53053, where this process listens itself";
    assert!(finished.stderr.contains(message), "{}", finished.stderr);
}

#[test]
fn the_c_library_of_a_container_resolves_by_it() {
    let (elsewhere, world) = (World::new(), World::new());
    let zone = elsewhere.write("authority.zone", WORLD);
    let zone = format!("example.com={}", zone.display());
    let upstream = elsewhere.portico_command(&["--dns", "127.0.0.1:0", "--zone-file", &zone]);
    let upstream = upstream.alone("127.0.0.1", elsewhere.folder()).start();
    let ours = world.write("ours.zone", OURS);
    let ours = format!("ours.test={}", ours.display());
    let portico = world.portico_command(&["--dns", "127.0.0.1:53", "--zone-file", &ours]);
    let forward = upstream.dns().to_string();
    let portico = portico.env("PORTICO_DNS__FORWARD", &forward).beside(&upstream).start();
    let resolve = |name: &str| -> Vec<String> {
        let inside = ["--net", "--mount", "--target", &portico.pid().to_string()];
        let output = Command::new("nsenter").args(inside).args(["getent", "ahosts", name]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let streams = text.lines().filter(|line| line.contains("STREAM"));
        streams.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };

    let mut both = resolve("www.example.com");
    both.sort();
    assert_eq!(both, ["192.0.2.80", "2001:db8::80"]);
    let mut followed = resolve("db.ours.test");
    followed.sort();
    assert_eq!(followed, ["192.0.2.54", "192.0.2.55"]);
    assert_eq!(resolve("ns.ours.test"), ["10.0.0.53"]);
    assert!(resolve("no.example.com").is_empty() && resolve("no.ours.test").is_empty());
}
