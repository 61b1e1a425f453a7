//! Listeners with policies of their own, and load balancers in front that say whose connections they pass on.

use std::net::SocketAddr;

use crate::world::{Connection, Haproxy, Origin, Portico, World, eventually, get, portico};

const V1: &str = "PROXY TCP4 203.0.113.5 192.0.2.1 56324 443\r\n";

/// portico with these `[[http.listen]]` sections, each at a port of its own; and where they are.
fn listening(world: &World, sections: &[&str]) -> (Portico, Vec<SocketAddr>) {
    let section = |keys: &&str| format!("[[http.listen]]\naddress = \"127.0.0.1:0\"\n{keys}\n");
    let file = world.write("portico.toml", &sections.iter().map(section).collect::<String>());
    let data = world.path("data").display().to_string();
    let file = file.to_str().unwrap();
    let arguments = ["run", "--config", file, "--admin", "127.0.0.1:0", "--workers", "1", "--data", &data];
    let portico = portico(&arguments).start();
    let listeners = portico.listeners();
    (portico, listeners)
}

/// The value of a field of the last head that an origin saw.
fn last(origin: &Origin, name: &str) -> String {
    let heads = origin.heads();
    let prefix = format!("{name}: ");
    let value = heads.last().and_then(|head| head.lines().find_map(|line| line.strip_prefix(&prefix)));
    value.unwrap_or_else(|| panic!("no {name} in {heads:?}")).to_owned()
}

fn metric(portico: &Portico, line: &str) -> u64 {
    let metrics = get(portico.admin(), "127.0.0.1", "/metrics").body;
    let value = metrics.lines().find_map(|known| known.strip_prefix(line)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {line} in {metrics}"))
}

#[test]
fn a_trusted_load_balancer_tells_whose_connection_it_passes_on() {
    let world = World::new();
    let origin = Origin::saying("fine");
    let (mut portico, listeners) = listening(&world, &["proxy_protocol = [\"127.0.0.0/8\"]"]);
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([203, 0, 113, 6, 192, 0, 2, 1, 0xdc, 0x04, 0x01, 0xbb]);

    for (header, client) in [(V1.as_bytes(), "203.0.113.5"), (&v2, "203.0.113.6")] {
        let mut connection = Connection::open(listeners[0]);
        let (first, second) = header.split_at(9);
        connection.send(first).send(second);
        for _ in 0..2 {
            let reply = connection.get("www.example.com", "/").read().unwrap();

            assert_eq!((reply.status, reply.body.as_str()), (200, "fine"));
            assert_eq!(last(&origin, "X-Forwarded-For"), client);
            assert_eq!(last(&origin, "X-Real-IP"), client);
            assert_eq!(last(&origin, "X-Forwarded-Port"), "443");
        }
        portico.says(&format!("::ffff:{client} - - "));
    }
}

#[test]
fn who_may_not_say_so_or_does_not_say_so_is_closed_and_counted() {
    let world = World::new();
    let policies = ["proxy_protocol = [\"127.0.0.0/8\"]", "proxy_protocol = [\"192.0.2.0/24\"]"];
    let (portico, listeners) = listening(&world, &policies);
    for (listener, octets, why) in [
        (1, V1, "proxy_untrusted"),
        (0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "proxy_missing"),
        (0, "PROXY TCP4 203.0.113.5\r\n", "proxy_malformed"),
    ] {
        let mut connection = Connection::open(listeners[listener]);

        connection.send(octets);

        assert!(connection.is_ended(), "{octets:?}");
        let line = format!("portico_connections_rejected_total{{why=\"{why}\"}} ");
        assert_eq!(metric(&portico, &line), 1, "{why}");
    }
}

#[test]
fn haproxy_in_front_passes_its_clients_on_in_both_versions() {
    let world = World::new();
    let origin = Origin::saying("fine");
    let (portico, listeners) = listening(&world, &["proxy_protocol = \"127.0.0.9\""]);
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    for option in ["send-proxy", "send-proxy-v2"] {
        let haproxy = Haproxy::start(&world.path(option), listeners[0], option);

        let reply = get(haproxy.address(), "www.example.com", "/");

        assert_eq!((reply.status, reply.body.as_str()), (200, "fine"), "{option}");
        assert_eq!(last(&origin, "X-Forwarded-For"), "127.0.0.1", "{option}");
        assert_eq!(last(&origin, "X-Forwarded-Port"), haproxy.address().port().to_string(), "{option}");
        let accepted = metric(&portico, "portico_connections_total ");
        eventually("it looks whether we live", || {
            metric(&portico, "portico_connections_total ") > accepted + 2
        });
        assert_eq!(get(haproxy.address(), "www.example.com", "/").status, 200, "{option}");
    }
    for why in ["proxy_untrusted", "proxy_missing", "proxy_malformed", "proxy_incomplete"] {
        assert_eq!(
            metric(&portico, &format!("portico_connections_rejected_total{{why=\"{why}\"}} ")),
            0,
            "{why}"
        );
    }
}

#[test]
fn each_listener_has_its_own_rules_and_a_reload_changes_them() {
    let world = World::new();
    let origin = Origin::saying("fine");
    let (portico, listeners) =
        listening(&world, &["", "scheme = \"https\"\ntrusted = \"127.0.0.1\"", "deny = \"127.0.0.1\""]);
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    let ask = |listener: usize| {
        let request = "GET / HTTP/1.1\r\nHost: www.example.com\r\nX-Forwarded-For: 203.0.113.5\r\nConnection: close\r\n\r\n";
        Connection::open(listeners[listener]).send(request).read().unwrap().status
    };

    assert_eq!(ask(0), 200);
    assert_eq!(
        (last(&origin, "X-Forwarded-For"), last(&origin, "X-Forwarded-Proto")),
        ("127.0.0.1".into(), "http".into())
    );
    assert_eq!(ask(1), 200);
    assert_eq!(last(&origin, "X-Forwarded-For"), "203.0.113.5, 127.0.0.1");
    assert_eq!(
        (last(&origin, "X-Forwarded-Proto"), last(&origin, "X-Forwarded-Port")),
        ("https".into(), "443".into())
    );
    assert_eq!(ask(2), 403);

    let section = "[[http.listen]]\naddress = \"127.0.0.1:0\"\n";
    world.write("portico.toml", &section.repeat(3));
    portico.signal("HUP");
    eventually("the rules are taken over", || ask(2) == 200);
    world.write("portico.toml", &section.repeat(2));
    portico.signal("HUP");
    eventually("a restart is asked for", || portico.log().contains("settings=http.listen"));
    assert_eq!(ask(2), 200);
}

#[test]
fn forwarded_is_read_of_whom_is_trusted_alone_and_sent_to_origins_from_the_reload_that_says_so() {
    let world = World::new();
    let origin = Origin::saying("fine");
    let (mut portico, listeners) = listening(&world, &["", "trusted = [\"127.0.0.1\", \"10.0.0.0/8\"]"]);
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    let came = "for=203.0.113.5;proto=https, for=10.0.0.2";
    let ask = |listener: usize| {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: www.example.com\r\nForwarded: {came}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(Connection::open(listeners[listener]).send(&request).read().unwrap().status, 200);
        origin.heads().last().unwrap().contains("\r\nForwarded: ")
    };
    let own = "for=127.0.0.1;host=www.example.com;proto=http";

    assert!(!ask(0), "it is not sent where nobody asked for it");
    assert_eq!(last(&origin, "X-Forwarded-For"), "127.0.0.1");
    assert!(ask(1));
    assert_eq!(last(&origin, "Forwarded"), format!("{came}, {own}"));
    assert_eq!(last(&origin, "X-Forwarded-For"), "203.0.113.5, 10.0.0.2, 127.0.0.1");
    assert_eq!(
        (last(&origin, "X-Real-IP"), last(&origin, "X-Forwarded-Proto")),
        ("203.0.113.5".into(), "https".into())
    );
    portico.says("::ffff:203.0.113.5 - - ");

    let listeners = "[[http.listen]]\naddress = \"127.0.0.1:0\"\n".repeat(2);
    world.write("portico.toml", &format!("[http]\nforwarded = true\n{listeners}"));
    portico.signal("HUP");
    eventually("it is sent", || ask(0));
    assert_eq!(last(&origin, "Forwarded"), own);
}

#[test]
fn check_shows_the_rules_of_each_listener_and_names_what_is_wrong_by_its_line() {
    let world = World::new();
    let text = "[[http.listen]]\naddress = \"127.0.0.1:7000\"\n[[http.listen]]\naddress = \"127.0.0.1:7001\"\n\
        proxy_protocol = \"10.0.0.0/8\"\nscheme = \"https\"\n";
    let file = world.write("portico.toml", text);
    let path = file.to_str().unwrap();

    let finished = portico(&["check", "--config", path]).finish();

    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let shown =
        "serves HTTP on 127.0.0.1:7000, 127.0.0.1:7001 (PROXY protocol from 10.0.0.0/8; stands for https), ";
    assert!(finished.stdout.contains(shown), "{}", finished.stdout);
    world.write("portico.toml", &text.replace("proxy_protocol", "proxy_protocl"));
    let finished = portico(&["check", "--config", path]).finish();
    let expected = format!(
        "portico: {path}:5: unknown key `http.listen.proxy_protocl`; did you mean `proxy_protocol`?\n"
    );
    assert_eq!((finished.code, finished.stderr), (Some(1), expected));
}
