//! One revision at both doors: what a write made is asked for, waited for and answered by every node's HTTP and DNS.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{Connection, Portico, World, eventually, get, serial};

/// No node of a busy machine stands still for so long.
const LONG: [&str; 3] = ["5m", "2s", "5s"];
/// Where the end of a lease is waited for: a lease, and the `timeout` and `reconcile` that it allows.
const SHORT: [&str; 3] = ["2s", "1s", "1s"];

/// The settings that the nodes of these tests have in common.
fn node(world: &World, name: &str, registry: &str, [lease, timeout, reconcile]: [&str; 3]) -> Portico {
    let command = world.portico_command(&["--registry", registry, "--dns", "127.0.0.1:0"]);
    let command = command.env("PORTICO_REGISTRY__NODE", name).env("PORTICO_REGISTRY__LEASE", lease);
    let command = command.env("PORTICO_REGISTRY__TIMEOUT", timeout);
    let command = command.env("PORTICO_REGISTRY__RECONCILE", reconcile);
    command.env("PORTICO_HTTP__DEBUG_HEADERS", "true").env("PORTICO_ACCESS_LOG__PATH", "off").start()
}

/// Two nodes on one Redis, each of which knows the other.
fn two_nodes(worlds: &[World; 2], registry: &str, lease: [&str; 3]) -> [Portico; 2] {
    let nodes = [node(&worlds[0], "a", registry, lease), node(&worlds[1], "b", registry, lease)];
    for portico in &nodes {
        eventually("each knows the other", || {
            let known = status(portico);
            known["others"] == "heard" && known["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2)
        });
    }
    nodes
}

fn status(portico: &Portico) -> Value {
    serde_json::from_str(&get(portico.admin(), "127.0.0.1", "/v1/status").body).unwrap()
}

/// What `/v1/status` of one node says of another.
fn known(portico: &Portico, name: &str) -> Option<Value> {
    let status = status(portico);
    let nodes = status["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["node"] == name).cloned()
}

/// The API on a connection that is kept.
struct Api {
    connection: Connection,
}

impl Api {
    fn of(portico: &Portico) -> Self {
        Self { connection: Connection::open(portico.admin()) }
    }

    /// A write, and its answer once it is served everywhere, or after `wait`.
    fn write(&mut self, method: &str, path: &str, body: &str, wait: &str) -> Value {
        let length = body.len();
        self.connection.send(format!(
            "{method} {path}?wait={wait} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ));
        let reply = self.connection.read().expect("an answer");
        assert!(reply.status < 300, "{method} {path}: {reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }
}

/// A write of a kind that chance picks; true where it changes names of the zone.
fn random_write(
    api: &mut Api,
    chance: &mut fastrand::Rng,
    instances: &mut Vec<String>,
    i: usize,
) -> (u64, bool) {
    let (n, host) = (chance.u8(..), i % 200);
    let (method, path, body, names) = match chance.u8(0..10) {
        0..4 => {
            let body = format!(r#"{{"endpoints":["http://127.0.0.1:{}"]}}"#, 1000 + i);
            ("PUT", format!("/v1/frontends/www{host}.example"), body, false)
        }
        4 => {
            ("PUT", format!("/v1/services/web{}", n % 16), format!(r#"{{"metadata":{{"n":"{i}"}}}}"#), false)
        }
        5 if !instances.is_empty() => {
            let gone = instances.swap_remove(chance.usize(..instances.len()));
            ("DELETE", gone, String::new(), true)
        }
        _ => {
            let path = format!("/v1/services/web{}/instances/i{}", n % 16, n / 16);
            if !instances.contains(&path) {
                instances.push(path.clone());
            }
            let body = format!(r#"{{"addresses":["10.{}.{}.7"]}}"#, i / 200, i % 200);
            ("PUT", path, body, true)
        }
    };
    let answer = api.write(method, &path, &body, "8s");
    assert_eq!(answer["wait"]["served"], true, "{method} {path}: {answer}");
    (answer["revision"].as_u64().unwrap(), names)
}

/// After each of so many writes, at nodes in turn, every door of every node answers at that revision or a later one.
fn every_door_follows(nodes: &[Portico], writes: usize) {
    let mut apis: Vec<Api> = nodes.iter().map(Api::of).collect();
    let mut doors: Vec<Connection> = nodes.iter().map(|node| Connection::open(node.http())).collect();
    let (mut chance, mut instances, mut of_names) = (fastrand::Rng::with_seed(7), Vec::new(), 0);
    for i in 0..writes {
        let api = &mut apis[i % nodes.len()];
        let (revision, names) = random_write(api, &mut chance, &mut instances, i);
        of_names = if names { revision } else { of_names };
        for (node, door) in nodes.iter().zip(&mut doors) {
            door.send("GET / HTTP/1.1\r\nHost: nobody.example\r\nX-Debug: 1\r\n\r\n");
            let reply = door.read().expect("an answer");
            let served: u64 = reply.header("portico-revision").expect("the revision").parse().unwrap();
            assert!(served >= revision, "write {i}: HTTP is at {served}, not at {revision}");
            let served = u64::from(serial(node.dns(), "svc.internal"));
            assert!(served >= of_names, "write {i}: DNS is at {served}, not at {of_names}");
            if reply.header("connection") == Some("close") {
                *door = Connection::open(node.http());
            }
        }
    }
    assert!(of_names > 0);
}

#[test]
fn after_each_of_1000_writes_both_doors_answer_at_its_revision_once_its_wait_returned() {
    let world = World::new();
    let portico = node(&world, "a", &format!("embedded:{}", world.path("registry.redb").display()), LONG);

    every_door_follows(&[portico], 1000);
}

#[test]
fn after_each_of_1000_writes_to_redis_both_doors_of_two_nodes_answer_at_its_revision() {
    let (world, worlds) = (World::new(), [World::new(), World::new()]);
    let redis = world.redis();
    let nodes = two_nodes(&worlds, &redis.url(), LONG);

    every_door_follows(&nodes, 1000);
}

#[test]
fn a_node_that_stands_still_is_a_laggard_then_lost_and_then_back() {
    let (world, worlds) = (World::new(), [World::new(), World::new()]);
    let redis = world.redis();
    let [a, b] = two_nodes(&worlds, &redis.url(), SHORT);
    let before = known(&a, "b").unwrap();
    b.signal("STOP");

    let lagging = Api::of(&a).write("PUT", "/v1/services/web", "{}", "500ms");
    let lost = a.does(&["wait", "--timeout", "9s"]);

    let laggards = lagging["wait"]["laggards"].to_string();
    assert_eq!(lagging["wait"]["served"], false, "{lagging}");
    let revision = &before["proxy"];
    for door in ["proxy", "dns"] {
        let laggard = format!(r#"{{"door":"{door}","node":"b","serving":{revision}}}"#);
        assert!(laggards.contains(&laggard), "{laggard} in {laggards}");
    }
    assert!(lost.contains("is served at all 2 doors: b is lost (not heard of for "), "{lost}");
    let said = a.does(&["status"]);
    assert!(said.lines().any(|line| line.starts_with("node") && line.contains("b: proxy")), "{said}");
    assert!(said.contains(", lost: not heard of for "), "{said}");

    b.signal("CONT");
    eventually("it is back", || known(&a, "b").is_some_and(|node| node["lost"] == false));
    assert!(a.does(&["wait"]).contains("is served at all 4 doors"));
}

#[test]
fn a_node_that_stands_still_while_redis_restarts_empty_is_not_forgotten() {
    let (world, worlds) = (World::new(), [World::new(), World::new()]);
    let redis = world.redis();
    let [a, b] = two_nodes(&worlds, &redis.url(), LONG);
    b.signal("STOP");

    let redis = redis.restart();
    eventually("a is back and has looked", || {
        status(&a)["others"] == "heard" && redis.command(&["EXISTS", "portico:node:a"]) == "1"
    });
    let written = Api::of(&a).write("PUT", "/v1/services/web", "{}", "2s");
    let waited = a.cli(&["wait", "--timeout", "100ms"]);

    assert_eq!(written["wait"]["served"], false, "{written}");
    assert_eq!(waited.code, Some(1), "{}", waited.stdout);
    assert!(waited.stdout.contains("the proxy of b serves "), "{}", waited.stdout);
    b.signal("CONT");
    assert!(a.does(&["wait", "--timeout", "20s"]).contains("is served at all 4 doors"));
}

/// The next request that an origin is asked, and its connection.
fn asked(origin: &TcpListener) -> TcpStream {
    let (mut stream, _) = origin.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut head, mut octet) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut octet).unwrap();
        head.push(octet[0]);
    }
    stream
}

#[test]
fn every_node_knows_what_another_one_still_has_in_flight_at_an_endpoint_that_left() {
    // given: by one node, a slow request and a WebSocket are at an endpoint
    let (world, worlds) = (World::new(), [World::new(), World::new()]);
    let redis = world.redis();
    let [a, b] = two_nodes(&worlds, &redis.url(), LONG);
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", origin.local_addr().unwrap());
    let mut api = Api::of(&a);
    let mut goes_to = |url: &str| {
        let body = format!(r#"{{"endpoints":["{url}"]}}"#);
        api.write("PUT", "/v1/frontends/www.example", &body, "8s")["revision"].as_u64()
    };
    goes_to(&url);
    let (mut slow, mut chat) = (Connection::open(a.http()), Connection::open(a.http()));
    slow.get("www.example", "/slow");
    let mut answer = asked(&origin);
    chat.send("GET /chat HTTP/1.1\r\nHost: www.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    let mut tunnel = asked(&origin);
    let switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    tunnel.write_all(switched.as_bytes()).unwrap();
    assert_eq!(chat.read().unwrap().status, 101);

    // when
    let removed = goes_to("http://127.0.0.1:1");

    // then: while the request has no answer it may be sent elsewhere by the older table; the endpoint is free once both have ended
    let comes_to = |is_new: bool, expected: &str| {
        let expected: Value = serde_json::from_str(expected).unwrap();
        eventually(&format!("{is_new} {expected}"), || {
            let of_a = known(&b, "a").unwrap();
            (of_a["oldest"].as_u64() >= removed, &of_a["leaving"]) == (is_new, &expected)
        })
    };
    let leaving = |in_flight: u8, tunnels: u8| {
        format!(r#"[{{"endpoint":"{url}","in_flight":{in_flight},"tunnels":{tunnels}}}]"#)
    };
    comes_to(false, &leaving(1, 1));
    let said = b.does(&["status"]);
    assert!(said.contains(&format!("a waits for {url} (1 request, 1 tunnel)")), "{said}");
    answer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no").unwrap();
    comes_to(true, &leaving(1, 1));
    answer.write_all(b"k").unwrap();
    assert_eq!(slow.read().unwrap().body, "ok");
    comes_to(true, &leaving(0, 1));
    drop((tunnel, chat));
    comes_to(true, "[]");
    assert_eq!(known(&b, "b").unwrap()["leaving"], Value::Array(Vec::new()));
}

#[test]
fn two_processes_of_one_name_say_so() {
    let (world, worlds) = (World::new(), [World::new(), World::new()]);
    let redis = world.redis();

    let nodes = worlds.each_ref().map(|world| node(world, "a", &redis.url(), LONG));

    for node in &nodes {
        eventually("it is said", || node.log().contains("another process has this node's name"));
    }
}

#[test]
fn a_node_that_took_its_leave_is_not_waited_for_and_not_named() {
    let (world, worlds) = (World::new(), [World::new(), World::new()]);
    let redis = world.redis();
    let [a, mut b] = two_nodes(&worlds, &redis.url(), LONG);

    b.signal("TERM");
    b.ended();

    assert!(redis.command(&["GET", "portico:node:b"]).contains("\"gone\":true"));
    let began = Instant::now();
    let written = Api::of(&a).write("PUT", "/v1/services/web", "{}", "8s");
    let wait = &written["wait"];
    assert_eq!((&wait["served"], &wait["doors"]), (&true.into(), &2.into()), "{written}");
    assert!(began.elapsed() < Duration::from_secs(2), "it held the write for {:?}", began.elapsed());
    assert_eq!(known(&a, "b"), None);
}

#[test]
fn while_redis_is_away_no_nodes_lease_ends_and_a_wait_says_why_it_fails() {
    let (world, worlds) = (World::new(), [World::new(), World::new()]);
    let redis = world.redis();
    let [a, _b] = two_nodes(&worlds, &redis.url(), SHORT);

    redis.signal("STOP");
    let stopped = Instant::now();
    eventually("the registry is lost", || status(&a)["others"] == "away");
    eventually("twice the lease is over", || stopped.elapsed() > Duration::from_secs(4));
    let waited = a.cli(&["wait", "--timeout", "100ms"]);

    assert_eq!(waited.code, Some(1), "{}", waited.stdout);
    assert!(waited.stdout.contains("the registry cannot be reached"), "{}", waited.stdout);
    assert_eq!(known(&a, "b").map(|node| node["lost"].clone()), Some(false.into()));

    redis.signal("CONT");
    eventually("others are heard of", || status(&a)["others"] == "heard");
    assert!(a.does(&["wait"]).contains("is served at all 4 doors"));
}

#[test]
fn a_node_of_a_read_only_redis_knows_itself_alone_and_says_so() {
    let world = World::new();
    let redis = world.redis();
    let replica = crate::world::Redis::start_replica(&world.path("replica"), &redis);
    let portico = node(&world, "a", &replica.url(), LONG);

    eventually("it knows that nothing is known", || status(&portico)["others"] == "unknown");

    let waited = portico.cli(&["wait", "--timeout", "100ms"]);
    assert_eq!(waited.code, Some(1), "{}", waited.stdout);
    assert!(waited.stdout.contains("read-only here: other nodes cannot be known"), "{}", waited.stdout);
}

#[test]
fn commands_that_write_wait_when_they_are_asked_to() {
    let world = World::new();
    let portico = world.portico(&["--dns", "127.0.0.1:0"]);
    let file = world.write("web.yaml", "kind: service\nname: web\n").display().to_string();

    let applied = portico.does(&["apply", "-f", &file, "--wait"]);
    let added = portico.does(&["frontend", "add", "--wait=2s", "www.example.com", "http://127.0.0.1:1"]);
    let removed = portico.does(&["frontend", "rm", "www.example.com", "--wait", "--json"]);
    let late = portico.cli(&["wait", "--revision", "9", "--dns", "--timeout", "50ms"]);

    assert!(applied.ends_with("revision 1 is served at all 2 doors\n"), "{applied}");
    assert!(added.ends_with("revision 2 is served at all 2 doors\n"), "{added}");
    let removed: Value = serde_json::from_str(&removed).unwrap();
    assert_eq!((&removed["revision"], &removed["wait"]["served"]), (&3.into(), &true.into()));
    assert_eq!(late.code, Some(1));
    assert!(
        late.stdout.contains("after 0.0 s: DNS of ") && late.stdout.contains(" serves 3"),
        "{}",
        late.stdout
    );
}
