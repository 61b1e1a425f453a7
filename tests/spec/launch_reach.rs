//! Engines of other machines: over TCP with TLS, and behind an `sshd`; what stands in the way is told with each host.

use std::sync::Arc;

use engine::{Authority, Engine, Sshd};

use crate::world::{Fleet, eventually, get};

fn web(image: &str) -> String {
    format!(
        "---\nkind: service\nname: web\nimage: {image}\nports: [{{name: http, port: 8080}}]\n\
         heartbeat: {{kind: http, port: http, path: /, interval_ms: 500}}\n\
         ---\nkind: frontend\nhost: web.example.com\nservice: {{name: web}}\n"
    )
}

/// A fleet whose engine is reached by this way alone.
fn fleet(engine: Arc<Engine>, url: &str, variables: &[(&str, &str)]) -> Fleet {
    let fleet = Fleet::with(engine, variables);
    fleet.portico.does(&["host", "rm", "one"]);
    add(&fleet, "far", url);
    fleet
}

fn add(fleet: &Fleet, name: &str, url: &str) {
    fleet.portico.does(&["host", "add", name, "--engine", url, "--address", "127.0.0.1"]);
}

/// Waits until a host is told with all of these.
fn tells(fleet: &Fleet, host: &str, parts: &[&str]) {
    eventually(&format!("{host} is told with {parts:?}"), || {
        let told = fleet.portico.does(&["host", "ls"]);
        let row = told.lines().find(|line| line.starts_with(&format!("{host} ")));
        row.is_some_and(|row| parts.iter().all(|part| row.contains(part)))
    });
}

#[test]
fn a_service_runs_on_an_engine_that_wants_tls_and_hosts_that_are_not_reached_say_why() {
    let authority = Authority::new().unwrap();
    let server = authority.sign("server", "IP:127.0.0.1").unwrap();
    let client = authority.sign("client", "IP:127.0.0.1").unwrap();
    let (engine, port) = Engine::start_tls(&authority, &server).unwrap();
    engine.web("tls-web:1", "over TLS").unwrap();
    let text = |path: &std::path::Path| path.display().to_string();
    let (ca, certificate, key) = (text(&authority.file()), text(&client.certificate), text(&client.key));
    let variables = [
        ("PORTICO_CONTROL__TLS_CA", &*ca),
        ("PORTICO_CONTROL__TLS_CERT", &*certificate),
        ("PORTICO_CONTROL__TLS_KEY", &*key),
    ];
    let fleet = fleet(Arc::new(engine), &format!("tcp://127.0.0.1:{port}"), &variables);

    fleet.apply(&web("tls-web:1"));
    fleet.settles("web", 1);
    add(&fleet, "misnamed", &format!("tcp://localhost:{port}"));
    tells(&fleet, "misnamed", &["not for `localhost`", "subjectAltName"]);
    std::fs::remove_file(&client.key).unwrap();
    tells(&fleet, "far", &["silent", &key, "needs a PEM file"]);

    assert_eq!(get(fleet.portico.http(), "web.example.com", "/").body.trim(), "over TLS");
    assert_eq!(fleet.containers(&fleet.engine), ["web-1"]);
}

#[test]
fn an_engine_over_tcp_is_not_spoken_to_in_plain_unless_that_is_allowed_by_name() {
    let variables = [("PORTICO_CONTROL__PLAIN_ENGINES", "tcp://127.0.0.1:1")];
    let fleet = fleet(Engine::shared().unwrap(), "tcp://127.0.0.1:2", &variables);

    add(&fleet, "allowed", "tcp://127.0.0.1:1");

    tells(&fleet, "far", &["tcp://127.0.0.1:2 is not spoken to without TLS", "control.plain_engines"]);
    tells(&fleet, "allowed", &["refused"]);
}

#[test]
fn a_service_runs_on_an_engine_behind_an_sshd_and_goes_on_when_that_is_gone() {
    let engine = Engine::shared().unwrap();
    engine.web("ssh-web:1", "behind a shell").unwrap();
    let mut sshd = Sshd::start(&engine).unwrap();
    let config = sshd.config().unwrap().display().to_string();
    let variables = [("PORTICO_CONTROL__SSH_CONFIG", &*config), ("PORTICO_CONTROL__HOST_GRACE", "5m")];
    let fleet = fleet(engine, &sshd.url(), &variables);

    fleet.apply(&web("ssh-web:1"));
    fleet.settles("web", 1);
    let before = get(fleet.portico.http(), "web.example.com", "/").body;
    sshd.end();
    tells(&fleet, "far", &["silent", "Connection refused"]);

    let after = get(fleet.portico.http(), "web.example.com", "/").body;
    assert_eq!((before.trim(), after.trim()), ("behind a shell", "behind a shell"));
}
