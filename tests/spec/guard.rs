//! What no writer of the registry can make portico reach.

use crate::world::{Origin, World, get, send};

#[test]
fn no_frontend_leads_to_the_operators_door_to_ourselves_or_to_the_machines_credentials() {
    let world = World::new();
    let portico = world.portico(&[]);
    let (admin, http) = (format!("http://{}", portico.admin()), format!("http://{}", portico.http()));
    let mapped = admin.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    for (host, url, reason) in [
        ("door.test", admin.as_str(), "a listener of portico itself"),
        ("mapped.test", mapped.as_str(), "a listener of portico itself"),
        ("self.test", http.as_str(), "a listener of portico itself"),
        ("cloud.test", "http://169.254.169.254", "a metadata service"),
        ("zero.test", "http://0.0.0.0:8081", "an unspecified address"),
    ] {
        portico.does(&["frontend", "add", host, url]);

        let reply = get(portico.http(), host, "/healthz");

        assert_eq!((reply.status, reply.body.as_str()), (502, "backend is invalid"), "{host}");
        let explained = portico.does(&["explain", host]);
        assert!(explained.contains(&format!("out: refused: {reason}")), "{explained}");
        let verified = portico.cli(&["verify"]);
        assert_eq!(verified.code, Some(1));
        assert!(verified.stdout.contains(reason), "{}", verified.stdout);
    }
    let metrics = get(portico.admin(), "127.0.0.1", "/metrics").body;
    assert!(metrics.lines().any(|line| line.contains("\"forbidden\"") && line.ends_with(" 5")), "{metrics}");
}

#[test]
fn an_address_has_one_spelling() {
    let world = World::new();
    let portico = world.portico(&[]);
    for host in ["0x7f.1", "2130706433", "127.1", "0177.0.0.1"] {
        let added = portico.cli(&["frontend", "add", "www.example.com", &format!("http://{host}:8081")]);

        assert_ne!(added.code, Some(0), "{host}");
        assert!(added.stderr.contains("four decimal numbers"), "{host}: {}", added.stderr);
    }
}

#[test]
fn a_request_that_was_here_before_is_answered_508() {
    let world = World::new();
    let portico = world.portico(&[]);
    let origin = Origin::saying("once");
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    assert_eq!(get(portico.http(), "www.example.com", "/").body, "once");
    let head = origin.heads().remove(0);

    let reply = send(portico.http(), &head).unwrap();

    assert_eq!((reply.status, origin.requests()), (508, 1), "{head}");
}
