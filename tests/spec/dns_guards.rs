//! DNS: what EDNS says, cookies, limits, who may ask, how old names may be. Asked by dig, and by a flood of our own.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::hipache::is_root;
use crate::world::{Dug, Portico, World, dig, eventually};

const ZONE: &str = "\
$TTL 60
@    SOA ns hostmaster 7 1h 10m 1d 30
     NS  ns
ns   A   192.0.2.53
www  A   192.0.2.1
*.w  A   192.0.2.2
";

/// portico with that zone and these settings, and where it speaks DNS.
fn serving(world: &World, settings: &[(&str, &str)]) -> (Portico, SocketAddr) {
    let big: String = (0..40).map(|n| format!("big A 192.0.3.{n}\n")).collect();
    let zone = format!("a.test={}", world.write("a.zone", &format!("{ZONE}{big}")).display());
    let mut command = world.portico_command(&["--dns", "127.0.0.1:0", "--zone-file", &zone]);
    for (name, value) in settings {
        command = command.env(&format!("PORTICO_DNS__{name}"), value);
    }
    let portico = command.start();
    let dns = portico.dns();
    (portico, dns)
}

/// The cookie that an answer told, if dig takes it for one of its own.
fn cookie(dug: &Dug) -> String {
    let line = dug.text().lines().find(|line| line.starts_with("; COOKIE: ")).unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!((words.len(), words.last()), (4, Some(&"(good)")), "{}", dug.text());
    words[2].to_owned()
}

/// A question for an A record, with a cookie where one is given.
fn question(name: &str, cookie: Option<&str>) -> Vec<u8> {
    let mut message = vec![7, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(cookie.is_some())];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    if let Some(cookie) = cookie {
        let octets = (0..cookie.len()).step_by(2).map(|at| u8::from_str_radix(&cookie[at..at + 2], 16));
        let octets: Vec<u8> = octets.map(Result::unwrap).collect();
        let length = u8::try_from(octets.len()).unwrap();
        message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4 + length, 0, 10, 0, length]);
        message.extend(octets);
    }
    message
}

/// What came of a flood.
#[derive(Debug, Default)]
struct Flooded {
    whole: usize,
    cut: usize,
    dropped: usize,
    took: Duration,
}

/// How many questions of a flood are sent at once; a flood has a multiple of it.
const WAVE: usize = 100;

/// Sends so many questions from `from`, and waits until each of them was answered or counted as dropped.
fn flood(portico: &Portico, from: &str, count: usize, question: impl Fn(usize) -> Vec<u8>) -> Flooded {
    let dropped = || portico.metric("portico_dns_rate_limited_total{action=\"dropped\"}") as usize;
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.connect(portico.dns()).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (before, start) = (dropped(), Instant::now());
    let mut flooded = Flooded::default();
    let mut answer = [0; 2048];
    // In waves: the system keeps a few hundred for a thread that has no processor yet.
    for sent in (WAVE..=count).step_by(WAVE) {
        for n in sent - WAVE..sent {
            socket.send(&question(n)).unwrap();
        }
        eventually("each question is answered or dropped", || {
            while let Ok(length) = socket.recv(&mut answer) {
                let is_cut = answer[2] & 2 != 0;
                assert!(length > 12 && answer[3] & 0xf == 0, "{:02x?}", &answer[..length]);
                *if is_cut { &mut flooded.cut } else { &mut flooded.whole } += 1;
            }
            flooded.dropped = dropped() - before;
            flooded.whole + flooded.cut + flooded.dropped == sent
        });
    }
    flooded.took = start.elapsed();
    flooded
}

#[test]
fn rfc_7873_a_cookie_that_was_told_is_taken_and_any_other_is_replaced() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[]);
    let ask = |arguments: &[&str]| dig(dns, &[&["www.a.test", "A"][..], arguments].concat());

    let first = cookie(&ask(&["+cookie=0102030405060708"]));

    assert!(first.len() == 48 && first.starts_with("010203040506070801000000"), "{first}");
    let again = ask(&[&format!("+cookie={first}")]);
    assert_eq!((again.status(), cookie(&again)), ("NOERROR", first.clone()), "kept, while it is young");
    let wrong = ask(&[&format!("+cookie={}0000", &first[..44])]);
    assert_eq!((wrong.status(), wrong.answer().len()), ("NOERROR", 1), "a bad one is none");
    assert_eq!(cookie(&wrong).len(), 48);
    assert_eq!(cookie(&ask(&["+cookie=0102030405060708", "+tcp"])).len(), 48);
    assert!(!ask(&["+nocookie"]).text().contains("COOKIE"), "who sends none is told none");
    // RFC 7873 §5.2.2: a cookie has 8 octets, or 16 to 40.
    assert_eq!(ask(&["+nocookie", "+ednsopt=10:01020304"]).status(), "FORMERR");
    // RFC 7873 §5.4: a cookie, and no question.
    let alone = dig(dns, &["+header-only", "+cookie=0102030405060708"]);
    assert_eq!((alone.status(), cookie(&alone).len()), ("NOERROR", 48), "{}", alone.text());
}

#[test]
fn rfc_7873_where_cookies_are_required_udp_has_no_answer_without() {
    let world = World::new();
    let (portico, dns) = serving(&world, &[("COOKIES", "required")]);
    let ask = |arguments: &[&str]| dig(dns, &[&["www.a.test", "A"][..], arguments].concat());

    let told = ask(&["+cookie", "+nobadcookie"]);
    let none = ask(&["+nocookie", "+ignore"]);

    assert_eq!((told.status(), told.answer().len()), ("BADCOOKIE", 0), "{}", told.text());
    assert_eq!((none.flags(), none.answer().len()), ("qr tc rd", 0), "{}", none.text());
    // dig comes again with what it was told, and by TCP where it is told to.
    assert_eq!(ask(&["+cookie"]).answer().len(), 1);
    let tcp = ask(&["+nocookie"]);
    assert!(tcp.answer().len() == 1 && tcp.text().contains("(TCP)"), "{}", tcp.text());
    assert!(portico.metric("portico_dns_answers_total{code=\"BADCOOKIE\"}") >= 2.0);
}

#[test]
fn rfc_9018_servers_with_the_same_secret_take_each_others_cookies_and_secrets_roll_over() {
    const OLD: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const NEW: &str = "445536bcd2513298075a5d379663c962";
    let worlds = [World::new(), World::new(), World::new()];
    let secrets = [OLD, &format!("{NEW},{OLD}"), NEW];
    let [(one, old), (two, both), (_three, new)] = std::array::from_fn(|n| {
        serving(&worlds[n], &[("COOKIE_SECRET", secrets[n]), ("COOKIES", "required")])
    });
    let ask =
        |dns, cookie: &str| dig(dns, &["www.a.test", "A", "+nobadcookie", &format!("+cookie={cookie}")]);

    let of_old = cookie(&ask(old, "0102030405060708"));
    let at_both = ask(both, &of_old);

    assert_eq!((ask(old, &of_old).status(), at_both.status()), ("NOERROR", "NOERROR"));
    assert_eq!(ask(new, &of_old).status(), "BADCOOKIE");
    assert_eq!(ask(new, &cookie(&at_both)).status(), "NOERROR", "what is told is made with the new one");
    for log in [one.log(), two.log()] {
        assert!(!log.contains(&OLD[..16]), "a secret is not logged");
    }
}

#[test]
fn rfc_5001_who_answers_is_told_to_who_asks_and_only_where_it_is_set() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[("NSID", "ams-2")]);
    let other = World::new();
    let (_silent, silent) = serving(&other, &[]);

    let ask = |dns, option| dig(dns, &["www.a.test", "A", option]).text().to_owned();

    assert!(ask(dns, "+nsid").contains("(\"ams-2\")"), "{}", ask(dns, "+nsid"));
    assert!(!ask(dns, "+nonsid").contains("NSID") && !ask(silent, "+nsid").contains("NSID"));
}

#[test]
fn rfc_7828_how_long_a_connection_may_be_idle_is_told_over_tcp() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[("TCP_IDLE", "7s")]);

    let ask = |transport| dig(dns, &["www.a.test", "A", "+keepalive", transport]).text().to_owned();

    assert!(ask("+tcp").contains("TCP KEEPALIVE: 7.0 secs"), "{}", ask("+tcp"));
    assert!(!ask("+notcp").contains("KEEPALIVE:"), "{}", ask("+notcp"));
}

#[test]
fn rfc_8914_the_reason_stands_beside_the_code_and_who_may_not_ask_is_refused() {
    let world = World::new();
    let settings = [("ALLOW", "127.0.0.0/8"), ("DENY", "127.0.1.0/24")];
    let (portico, dns) = serving(&world, &settings);
    let check = |arguments: &[&str], status: &str, reason: &str| {
        let dug = dig(dns, arguments);
        assert_eq!(dug.status(), status, "{arguments:?}");
        assert_eq!(dug.text().contains("EDE: "), !reason.is_empty(), "{}", dug.text());
        assert!(dug.text().contains(reason), "{}", dug.text());
    };

    check(&["www.a.test", "A"], "NOERROR", "");
    check(&["no.a.test", "A"], "NXDOMAIN", "");
    check(&["www.elsewhere.test", "A"], "REFUSED", "EDE: 20 (Not Authoritative)");
    check(&["www.elsewhere.test", "A", "+noedns"], "REFUSED", "");
    check(&["-b", "127.0.1.9", "www.a.test", "A", "+notcp"], "REFUSED", "EDE: 18 (Prohibited)");
    let (at, port) = (format!("@{}", dns.ip()), dns.port().to_string());
    let by_tcp = ["-r", &at, "-p", &port, "-b", "127.0.1.9", "+tcp", "+tries=1", "www.a.test"];
    let denied = Command::new("dig").args(by_tcp).output().expect("dig, of bind9-dnsutils");
    assert!(!denied.status.success(), "a connection is closed at once");
    assert!(portico.metric("portico_dns_limits_total{limit=\"deny\"}") >= 1.0);
}

#[test]
fn a_network_gets_as_much_as_is_set_and_others_are_answered() {
    let world = World::new();
    let settings = [("RATE_LIMIT", "5"), ("RATE_LIMIT_ALLOW", "127.0.2.0/24")];
    let (portico, dns) = serving(&world, &settings);
    let known = cookie(&dig(dns, &["ns.a.test", "A", "+cookie"]));
    let www = |_| question("www.a.test", None);

    let flooded = flood(&portico, "127.0.0.1", 300, www);
    let other = flood(&portico, "127.0.1.1", WAVE, www);
    let exempt = flood(&portico, "127.0.2.1", 300, www);
    let shown = flood(&portico, "127.0.0.1", 300, |_| question("www.a.test", Some(&known)));

    // Of a second at once, and what comes up while it goes on.
    let most = 5 * (2 + flooded.took.as_secs() as usize);
    assert!((5..=most).contains(&flooded.whole), "{flooded:?}");
    assert!(flooded.cut > 75 && flooded.dropped > 75, "one of two is cut, by chance: {flooded:?}");
    assert!(other.whole >= 5, "another network: {other:?}");
    assert_eq!((exempt.whole, shown.whole), (300, 300), "{exempt:?} {shown:?}");
    assert!(portico.metric("portico_dns_rate_limited_total{action=\"slipped\"}") >= flooded.cut as f64);
    assert_eq!(dig(dns, &["www.a.test", "A", "+tcp"]).answer().len(), 1, "connections are not limited");
}

#[test]
fn names_that_are_not_there_that_wildcards_make_and_that_are_refused_are_counted_together() {
    let world = World::new();
    let (portico, _) = serving(&world, &[("RATE_LIMIT", "5"), ("RATE_LIMIT_SLIP", "1")]);

    for (address, below) in [("127.0.0.1", "a.test"), ("127.0.1.1", "w.a.test"), ("127.0.2.1", "elsewhere")] {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.connect(portico.dns()).unwrap();
        let start = Instant::now();
        for n in 0..100 {
            socket.send(&question(&format!("x{n}.{below}"), None)).unwrap();
        }
        let mut cut = 0;
        let mut answer = [0; 512];
        for _ in 0..100 {
            socket.recv(&mut answer).unwrap();
            cut += usize::from(answer[2] & 2 != 0);
        }

        let most = 5 * (2 + start.elapsed().as_secs() as usize);
        assert!((100 - most..=95).contains(&cut), "{cut} of 100 below {below} are cut");
    }
}

#[test]
fn sighup_takes_guards_over() {
    let world = World::new();
    let zone = world.write("a.zone", ZONE);
    let settings = |more: &str| {
        let text = format!(
            "version = 1\n[dns]\nlisten = \"127.0.0.1:0\"\nzone_files = [\"a.test={}\"]\n{more}\n",
            zone.display()
        );
        world.write("portico.toml", &text).display().to_string()
    };
    let portico = world.portico(&["--config", &settings(""), "--dns", "127.0.0.1:0"]);
    let ask = |options: &[&str]| dig(portico.dns(), &[&["www.a.test", "A"][..], options].concat());
    let told = cookie(&ask(&["+cookie=0102030405060708"]));

    settings("deny = [\"127.0.1.0/24\"]\ncookies = \"required\"");
    portico.signal("HUP");

    eventually("it is refused", || ask(&["-b", "127.0.1.1"]).status() == "REFUSED");
    let shown = ask(&[&format!("+cookie={told}"), "+nobadcookie"]);
    assert_eq!(shown.status(), "NOERROR", "cookies that were told before hold on");
}

/// A service and an instance of it.
const SHOP: &str = "\
kind: service
name: web
---
kind: instance
service: web
name: web-1
addresses: [10.0.0.7]
";

#[test]
fn names_of_a_registry_that_is_lost_for_too_long_are_told_no_more() {
    let world = World::new();
    let redis = world.redis();
    let zone = format!("a.test={}", world.write("a.zone", ZONE).display());
    let url = redis.url();
    let arguments = ["--registry", &url, "--dns", "127.0.0.1:0", "--zone-file", &zone];
    let portico = world.portico_command(&arguments).env("PORTICO_DNS__MAX_AGE", "1s").start();
    let file = world.write("shop.yaml", SHOP).display().to_string();
    portico.does(&["apply", "-f", &file]);
    let web = || dig(portico.dns(), &["web.svc.internal", "A"]);
    eventually("the service has its name", || web().answer().len() == 1);

    redis.signal("STOP");

    eventually("it is told no more", || web().status() == "SERVFAIL");
    assert!(web().text().contains("EDE: 24 (Invalid Data)"), "{}", web().text());
    assert_eq!(dig(portico.dns(), &["no.svc.internal", "A"]).status(), "SERVFAIL", "nor denied");
    assert_eq!(dig(portico.dns(), &["www.a.test", "A"]).answer().len(), 1, "a zone file has no age");
    assert_eq!(portico.metric("portico_dns_zones_too_old"), 1.0);
    redis.signal("CONT");
    eventually("it is told again", || web().answer().len() == 1);
    assert_eq!(portico.metric("portico_dns_zones_too_old"), 0.0);
}

#[test]
fn names_are_as_old_as_the_copy_of_the_registry_that_a_start_finds() {
    let world = World::new();
    let redis = world.redis();
    let url = redis.url();
    let start = |max_age| {
        let arguments = ["--registry", &url, "--dns", "127.0.0.1:0"];
        world.portico_command(&arguments).env("PORTICO_DNS__MAX_AGE", max_age).start()
    };
    let mut first = start("1s");
    let file = world.write("shop.yaml", SHOP).display().to_string();
    first.does(&["apply", "-f", &file]);
    first.signal("TERM");
    first.ended();
    redis.signal("STOP");

    for (max_age, status) in [("1s", "SERVFAIL"), ("1h", "NOERROR")] {
        let mut portico = start(max_age);

        eventually("its age is known", || dig(portico.dns(), &["web.svc.internal", "A"]).status() == status);
        portico.signal("TERM");
        portico.ended();
    }
}

#[test]
fn rfc_8906_8_each_question_of_its_list_has_the_answer_that_it_names() {
    let world = World::new();
    let (_portico, dns) = serving(&world, &[("NSID", "x")]);
    let ask = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let name = if arguments.contains(&"+bufsize=512") { "big.a.test" } else { "a.test" };
        dig(dns, &[&[name, "+norec"][..], &arguments].concat())
    };
    let check = |arguments: &str, status: &str, answers: usize, flags: &str, edns: bool| {
        let dug = ask(arguments);
        assert_eq!(
            (dug.status(), dug.answer().len(), dug.flags()),
            (status, answers, flags),
            "{arguments}: {}",
            dug.text()
        );
        assert_eq!(dug.text().contains("EDNS: version: 0"), edns, "{arguments}: {}", dug.text());
        assert!(!dug.text().contains("MBZ"), "{arguments}: unknown flags are not echoed: {}", dug.text());
        dug
    };

    // §8.1.1 is the server there, §8.1.2 an unknown type.
    check("SOA +noedns +noad", "NOERROR", 1, "qr aa", false);
    check("TYPE1000 +noedns +noad", "NOERROR", 0, "qr aa", false);
    // §8.1.3: CD, AD, the last reserved bit, RD.
    check("SOA +noedns +noad +cd", "NOERROR", 1, "qr aa cd", false);
    check("SOA +noedns +ad", "NOERROR", 1, "qr aa", false);
    check("SOA +noedns +noad +zflag", "NOERROR", 1, "qr aa", false);
    check("SOA +noedns +noad +rec", "NOERROR", 1, "qr aa rd", false);
    // §8.1.4, §8.1.5: an unknown opcode, TCP.
    check("+noedns +noad +opcode=15 +header-only", "NOTIMP", 0, "qr", false);
    check("SOA +noedns +noad +tcp", "NOERROR", 1, "qr aa", false);
    // §8.2.1 to §8.2.4: EDNS, its version 1, an unknown option, an unknown flag.
    check("SOA +edns=0 +nocookie +noad", "NOERROR", 1, "qr aa", true);
    check("SOA +edns=1 +noednsneg +nocookie +noad", "BADVERS", 0, "qr", true);
    check("SOA +edns=0 +nocookie +noad +ednsopt=100", "NOERROR", 1, "qr aa", true);
    check("SOA +edns=0 +nocookie +noad +ednsflags=0x40", "NOERROR", 1, "qr aa", true);
    // §8.2.5, §8.2.6: version 1 with each of them.
    check("SOA +edns=1 +noednsneg +nocookie +noad +ednsflags=0x40", "BADVERS", 0, "qr", true);
    let both = check("SOA +edns=1 +noednsneg +nocookie +noad +ednsopt=100", "BADVERS", 0, "qr", true);
    assert!(!both.text().contains("OPT=100"), "{}", both.text());
    // §8.2.7: an answer that is cut keeps its EDNS. §8.2.8, §8.2.9: DO, with version 1 too.
    check("A +edns=0 +nocookie +noad +bufsize=512 +ignore +dnssec", "NOERROR", 0, "qr aa tc", true);
    let dnssec = check("SOA +edns=0 +nocookie +noad +dnssec", "NOERROR", 1, "qr aa", true);
    assert!(dnssec.text().contains("flags: do"), "{}", dnssec.text());
    check("SOA +edns=1 +noednsneg +nocookie +noad +dnssec", "BADVERS", 0, "qr", true);
    // §8.2.10: several options that are defined; what is not known of them is not there.
    let several =
        check("SOA +edns=0 +noad +cookie +nsid +expire +subnet=0.0.0.0/0", "NOERROR", 1, "qr aa", true);
    assert!(several.text().contains("(good)") && several.text().contains("NSID"), "{}", several.text());
    // EDNS over TCP, and what negotiates comes to the version that is spoken.
    check("SOA +edns=0 +nocookie +noad +tcp", "NOERROR", 1, "qr aa", true);
    check("SOA +edns=1 +ednsneg +nocookie +noad", "NOERROR", 1, "qr aa", true);
}

#[test]
fn several_addresses_are_served_port_53_among_them() {
    let world = World::new();
    let zone = format!("a.test={}", world.write("a.zone", ZONE).display());
    // Port 53 takes the right to it, which tests that are not root's do not have.
    let first = if is_root() { "127.53.53.53:53" } else { "127.53.53.53:0" };

    let portico =
        world.portico(&["--dns", first, "--dns", "127.0.0.1:0", "--dns", "[::1]:0", "--zone-file", &zone]);

    let listeners = portico.dns_listeners();
    assert_eq!(listeners.len(), 3);
    assert!(!is_root() || listeners[0].port() == 53, "{listeners:?}");
    for address in listeners {
        for transport in ["+notcp", "+tcp"] {
            assert_eq!(dig(address, &["www.a.test", "A", transport]).answer().len(), 1, "{address}");
        }
    }
}
