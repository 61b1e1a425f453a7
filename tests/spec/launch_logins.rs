//! Credentials for registries of images: by helpers, as tokens; what fails is told, and no secret is.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use engine::{Engine, PASSWORD, Registry, USER};
use serde_json::{Value, json};

use crate::world::{Fleet, World, helped};

/// A fleet whose portico has these credentials.
fn fleet(variables: &[(&'static str, String)]) -> Fleet {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    Fleet::with(Engine::shared().unwrap(), &variables)
}

fn answers(user: &str, secret: &str) -> String {
    format!("cat >/dev/null\necho '{}'", json!({ "ServerURL": "r", "Username": user, "Secret": secret }))
}

/// An image that is there and called as this registry's.
fn tagged(fleet: &Fleet, short: &str, registry: &Registry) -> String {
    let name = format!("{}/{short}:1", registry.name());
    fleet.engine.web(&name, "page").unwrap();
    name
}

#[test]
fn a_helper_of_one_registry_or_of_all_is_asked_for_credentials() {
    let registry = Registry::start().unwrap();
    let name = registry.name();
    let one = json!({ "credHelpers": { name.clone(): "test" }, "credsStore": "other" });
    let asked =
        format!("test \"$1\" = get\ntest \"$(cat)\" = '{name}' || exit 1\n{}", answers(USER, PASSWORD));
    let (_kept, variables) = helped(&one, &asked);
    let of_one = fleet(&variables);
    let (_kept, variables) = helped(&json!({ "credsStore": "test" }), &answers(USER, PASSWORD));
    let of_all = fleet(&variables);
    let image = tagged(&of_one, "helped-web", &registry);

    let by_one = of_one.portico.does(&["image", "push", &image, "--host", "one"]);
    let by_all = of_all.portico.does(&["image", "push", &image, "--host", "one"]);

    for said in [by_one, by_all] {
        assert!(said.contains(&format!("{image}: sent")), "{said}");
    }
}

#[test]
fn a_helper_that_fails_hangs_or_talks_is_named_and_nothing_that_it_says_is_told() {
    let registry = Registry::start().unwrap();
    let secret = "Tr0ub4dor";
    let push = |script: &str| {
        let (_kept, mut variables) = helped(&json!({ "credsStore": "test" }), script);
        let mut variables: Vec<_> =
            variables.iter_mut().map(|(name, value)| (*name, value.clone())).collect();
        variables.push(("PORTICO_CONTROL__CALL_TIMEOUT", "2s".to_owned()));
        variables.push(("PORTICO_LOG__LEVEL", "debug".to_owned()));
        let fleet = fleet(&variables);
        let image = tagged(&fleet, "unhelped-web", &registry);
        let said = fleet.portico.cli(&["image", "push", &image, "--host", "one"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        format!("{}{}\n{}", said.stdout, said.stderr, fleet.portico.log())
    };

    let fails = push(&format!("echo 'locked: {secret}'\nexit 3"));
    let hangs = push("exec sleep 1000");
    let talks = push(&format!("echo '\"{secret}\"'"));
    let has_none = push("echo 'credentials not found in native keychain'\nexit 1");
    let wrong = push(&answers(USER, secret));

    for (said, expected) in [
        (fails, "docker-credential-test failed (exit status: 3)"),
        (hangs, "docker-credential-test gave no answer in 2s"),
        (talks, "docker-credential-test: its answer: it is not understood"),
        (has_none, "docker login"),
        (wrong, "docker login"),
    ] {
        assert!(said.contains(expected) && !said.contains(secret), "{expected}: {said}");
    }
}

/// An engine that knows of nothing, takes every image, and tells what it was shown for it.
fn taker(world: &World) -> (String, mpsc::Receiver<String>) {
    let path = world.path("taker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (tell, told) = mpsc::sync_channel(16);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut octet = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut octet).is_ok_and(|read| read == 1) {
                head.push(octet[0]);
            }
            let head = String::from_utf8_lossy(&head).to_lowercase().contains("/push").then_some(head);
            let shown = head.map(|head| String::from_utf8_lossy(&head).into_owned()).and_then(|head| {
                head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("x-registry-auth").then(|| value.to_owned())
                })
            });
            if shown.is_some_and(|shown| tell.send(shown).is_err()) {
                return;
            }
            let body = r#"{"ApiVersion":"1.41"}"#;
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (format!("unix://{}", path.display()), told)
}

#[test]
fn a_token_is_shown_as_one_whether_it_is_kept_or_a_helper_has_it() {
    let world = World::new();
    let (url, told) = taker(&world);
    let entry = json!({ "auth": STANDARD.encode("jo:"), "identitytoken": "t0ken" });
    let kept = json!({ "auths": { "https://kept.example.com/v1/": entry }, "credHelpers": { "helped.example.com": "test" } });
    let (_kept, variables) = helped(&kept, &answers("<token>", "t1ken"));
    let fleet = fleet(&variables);
    fleet.portico.does(&["host", "add", "taker", "--engine", &url, "--address", "127.0.0.1"]);
    let push = |image: &str| {
        let _ = fleet.portico.cli(&["image", "push", image, "--host", "taker"]);
        let shown = told.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        serde_json::from_slice::<Value>(&URL_SAFE.decode(shown).unwrap()).unwrap()
    };

    let (kept, helped) = (push("kept.example.com/web:1"), push("helped.example.com/web:1"));

    for (shown, token) in [(kept, "t0ken"), (helped, "t1ken")] {
        let password = shown["password"].as_str().unwrap_or_default();
        assert!(shown["identitytoken"] == token && password.is_empty(), "{shown}");
    }
}
