//! Routes kept in portico's own registry, written by the command line.

use std::collections::BTreeSet;

use crate::world::{Origin, World, eventually, get};

#[test]
fn a_frontend_that_is_added_is_served_and_one_that_is_removed_is_not() {
    let world = World::new();
    let portico = world.portico(&[]);
    let (one, two) = (Origin::saying("one"), world.nginx("two"));
    assert_eq!(get(portico.http(), "www.example.com", "/").status, 400);

    portico.does(&["frontend", "add", "www.example.com", &one.url(), &two.url()]);

    let bodies: BTreeSet<String> =
        (0..64).map(|_| get(portico.http(), "WWW.Example.com.:80", "/").body).collect();
    assert_eq!(bodies, BTreeSet::from(["one".to_owned(), "two".to_owned()]));

    portico.does(&["frontend", "rm", "www.example.com"]);

    assert_eq!(get(portico.http(), "www.example.com", "/").status, 400);
}

#[test]
fn the_most_specific_frontend_wins_and_explain_says_so() {
    let world = World::new();
    let portico = world.portico(&[]);
    let origins = ["exact", "api", "near", "far", "any"].map(Origin::saying);
    let frontends = ["a.b.example.com", "a.b.example.com/api", "*.b.example.com", "*.example.com", "*"];
    for (frontend, origin) in frontends.into_iter().zip(&origins) {
        portico.does(&["frontend", "add", frontend, &origin.url()]);
    }

    for (host, path, expected) in [
        ("a.b.example.com", "/", "exact"),
        ("a.b.example.com", "/api", "api"),
        ("a.b.example.com", "/api/x", "api"),
        ("a.b.example.com", "/apix", "exact"),
        ("c.b.example.com", "/", "near"),
        ("x.y.example.com", "/", "far"),
        ("other.org", "/", "any"),
    ] {
        let reply = get(portico.http(), host, path);
        assert_eq!((reply.status, reply.body.as_str()), (200, expected), "{host}{path}");
    }
    let explained = portico.does(&["explain", "http://c.b.example.com/x"]);
    assert!(explained.contains("*.b.example.com"), "{explained}");
}

#[test]
fn a_dead_endpoint_is_out_and_the_other_one_answers() {
    let world = World::new();
    let portico = world.portico(&[]);
    let alive = Origin::saying("alive");
    let dead = "http://127.0.0.1:1";
    portico.does(&["frontend", "add", "www.example.com", &alive.url(), dead]);

    for _ in 0..32 {
        assert_eq!(get(portico.http(), "www.example.com", "/").body, "alive");
    }

    eventually("explain names the dead one", || {
        let explained = portico.does(&["explain", "http://www.example.com/"]);
        explained.lines().any(|line| line.contains("127.0.0.1:1 ") && line.contains("connect"))
    });
}

#[test]
fn ping_answers_without_a_frontend() {
    let world = World::new();
    let portico = world.portico(&[]);

    let reply = get(portico.http(), "__ping__", "/");

    assert_eq!((reply.status, reply.body.as_str()), (200, "ok"));
}
