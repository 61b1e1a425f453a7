//! Endpoints with names: asked for when their time to live is over, followed where they go, refused where none may be.

use crate::world::{Connection, NameServer, Origin, Portico, Says, World, eventually, get};

/// portico that asks this name server alone.
fn portico(world: &World, names: &NameServer) -> Portico {
    let resolvers = names.address().to_string();
    world.portico_command(&[]).env("PORTICO_UPSTREAM__RESOLVERS", &resolvers).start()
}

/// The URL of a name at an origin's port.
fn named(name: &str, origin: &Origin) -> String {
    format!("http://{name}:{}", origin.port())
}

#[test]
fn a_name_is_asked_for_again_when_its_ttl_is_over_and_not_before() {
    let world = World::new();
    let (names, origin) = (NameServer::start(), Origin::saying("here"));
    names.at("short.test", "127.0.0.1", 1);
    names.at("none.test", "127.0.0.1", 0);
    names.at("long.test", "127.0.0.1", 25);
    names.now("alias.test", Says::Alias("real.test", 1, "127.0.0.1".parse().unwrap(), 25));
    let portico = portico(&world, &names);
    let all = ["short.test", "none.test", "long.test", "alias.test"];
    for host in all {
        portico.does(&["frontend", "add", host, &named(host, &origin)]);
        assert_eq!(get(portico.http(), host, "/").body, "here");
    }

    eventually("short ones are asked for again", || {
        all.into_iter().all(|host| get(portico.http(), host, "/").body == "here")
            && names.asked("short.test") >= 4
            && names.asked("alias.test") >= 3
    });

    assert_eq!(names.asked("long.test"), 1);
    assert!(names.asked("none.test") <= names.asked("short.test") + 2, "a TTL of 0 floods nobody");
}

#[test]
fn a_name_that_moves_is_followed_also_by_connections_that_are_kept() {
    let world = World::new();
    let (names, old) = (NameServer::start(), Origin::saying("old"));
    let new = Origin::saying_at("new", ([127, 0, 0, 2], old.port()).into());
    names.at("app.test", "127.0.0.1", 1);
    let portico = portico(&world, &names);
    portico.does(&["frontend", "add", "www.example.com", &named("app.test", &old)]);
    let mut client = Connection::open(portico.http());
    let mut ask = || client.get("www.example.com", "/").read().unwrap().body;
    assert_eq!((ask(), ask()), ("old".into(), "old".into()));

    names.at("app.test", "127.0.0.2", 1);

    eventually("the new address is used", || ask() == "new");
    let (before, asked) = (old.requests(), names.asked("app.test"));
    eventually("it stays with it", || ask() == "new" && names.asked("app.test") >= asked + 2);
    assert_eq!((old.requests(), new.requests() > 2), (before, true));
}

#[test]
fn a_name_that_turns_to_a_refused_address_is_refused_on_every_new_connection() {
    let world = World::new();
    let (names, origin) = (NameServer::start(), Origin::saying("fine"));
    names.at("rebound.test", "127.0.0.1", 1);
    let portico = portico(&world, &names);
    names.at("door.test", "127.0.0.1", 1);
    portico.does(&["frontend", "add", "www.example.com", &named("rebound.test", &origin)]);
    portico.does(&["frontend", "add", "door.test", &format!("http://door.test:{}", portico.admin().port())]);
    assert_eq!(get(portico.http(), "www.example.com", "/").body, "fine");

    names.at("rebound.test", "169.254.169.254", 1);

    eventually("it is refused", || {
        let reply = get(portico.http(), "www.example.com", "/");
        (reply.status, reply.body.as_str()) == (502, "backend is invalid")
    });
    let explained = portico.does(&["explain", "www.example.com"]);
    assert!(explained.contains("refused: a metadata service"), "{explained}");
    let door = get(portico.http(), "door.test", "/healthz");
    assert_eq!((door.status, door.body.as_str()), (502, "backend is invalid"));
    let served = origin.requests();
    names.now(
        "rebound.test",
        Says::At(["169.254.169.254", "127.0.0.1"].map(|ip| ip.parse().unwrap()).into(), 1),
    );
    eventually("of several the one that may be is used", || {
        get(portico.http(), "www.example.com", "/").body == "fine"
    });
    assert!(origin.requests() > served);
}

#[test]
fn a_name_server_that_fails_takes_no_endpoint_away() {
    let world = World::new();
    let (names, origin) = (NameServer::start(), Origin::saying("old"));
    let moved = Origin::saying_at("new", ([127, 0, 0, 2], origin.port()).into());
    names.at("app.test", "127.0.0.1", 1);
    let portico = portico(&world, &names);
    portico.does(&["frontend", "add", "www.example.com", &named("app.test", &origin)]);
    let ask = || get(portico.http(), "www.example.com", "/").body;
    assert_eq!(ask(), "old");

    for failing in [Says::Failure, Says::NoName, Says::NoAddress, Says::Silence] {
        names.now("app.test", failing);
        let asked = names.asked("app.test");
        eventually("it was asked in vain", || {
            assert_eq!(ask(), "old");
            names.asked("app.test") > asked
        });
    }
    names.at("app.test", "127.0.0.2", 1);

    eventually("it is asked again and followed", || ask() == "new");
    assert!(moved.requests() > 0);
    let warned = portico.log().matches("cannot resolve the name of an endpoint").count();
    assert_eq!(warned, 1, "said once: {}", portico.log());
}
