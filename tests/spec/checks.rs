//! Habits of planb: hosts on one port, keys that are left alone.

use crate::world::{Origin, World, eventually, get};

#[test]
fn a_host_on_a_port_is_tried_before_the_host_as_in_planb() {
    let world = World::new();
    let redis = world.redis();
    let (all, one) = (Origin::saying("all ports"), Origin::saying("one port"));
    redis.command(&["RPUSH", "frontend:www.example.com", "web", &all.url()]);
    redis.command(&["RPUSH", "frontend:www.example.com:8080", "web", &one.url()]);
    let portico = world.portico(&["--registry", &redis.url()]);

    eventually("it is routed", || get(portico.http(), "www.example.com:8080", "/").body == "one port");
    for host in ["www.example.com", "www.example.com:80", "WWW.example.com.:8081"] {
        assert_eq!(get(portico.http(), host, "/").body, "all ports", "{host}");
    }
    let explained = portico.does(&["explain", "http://www.example.com:8080/"]);
    assert!(explained.contains("->  www.example.com:8080"), "{explained}");
    let explained = portico.does(&["explain", "http://www.example.com:81/"]);
    assert!(explained.contains("www.example.com:81  no such frontend"), "{explained}");

    portico.does(&["frontend", "rm", "www.example.com:8080"]);

    assert_eq!(redis.command(&["EXISTS", "frontend:www.example.com:8080"]), "0");
    assert_eq!(get(portico.http(), "www.example.com:8080", "/").body, "all ports");
}

#[test]
fn certificates_that_planb_keeps_in_redis_are_left_alone() {
    let world = World::new();
    let redis = world.redis();
    let origin = Origin::saying("here");
    redis.command(&["RPUSH", "frontend:www.example.com", "web", &origin.url()]);
    redis.command(&["HSET", "tls:www.example.com", "certificate", "PEM", "key", "PEM"]);
    let portico = world.portico(&["--registry", &redis.url()]);
    eventually("it is routed", || get(portico.http(), "www.example.com", "/").body == "here");

    let verified = portico.does(&["verify"]);
    portico.does(&["frontend", "rm", "www.example.com"]);

    assert!(!verified.contains("tls:"), "{verified}");
    assert_eq!(redis.command(&["HLEN", "tls:www.example.com"]), "2");
}
