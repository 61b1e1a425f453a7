//! Hosts that are found, started and stopped, through the binary, with real engines.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use engine::Engine;
use serde_json::Value;

use crate::world::{Fleet, eventually, get, until};

/// What the configured action does: it says what it is asked to do, and waits until that is done.
const ACTION: &str = r#"#!/bin/sh
echo "$PORTICO_ACTION $PORTICO_HOST $PORTICO_CLOUD_MACHINE_TYPE" >>"$1/asked"
read -r answer <"$1/answer"
[ "$answer" = done ] || { echo "$answer" >&2; exit 1; }
"#;

/// A machine that an action switches on and off: an engine, and whoever does what is asked.
struct Machine {
    engine: Arc<Engine>,
    folder: tempfile::TempDir,
}

impl Machine {
    /// One that does not run, and has an image.
    fn new(image: &str) -> Self {
        let engine = Arc::new(Engine::start().unwrap());
        engine.web(image, "page").unwrap();
        engine.stop().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("action"), ACTION).unwrap();
        fs::set_permissions(folder.path().join("action"), fs::Permissions::from_mode(0o755)).unwrap();
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("answer")).status().unwrap();
        assert!(made.success());
        Self { engine, folder }
    }

    /// As `control.actions` names it.
    fn action(&self) -> String {
        let folder = self.folder.path().display();
        format!("power={folder}/action {folder}")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it was asked to do, ever.
    fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.path("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    /// Waits until it is asked for the `nth` time, does that, and says so.
    fn obeys(&self, nth: usize) -> String {
        let asked = until(&format!("it is asked {nth} times"), || self.asked().into_iter().nth(nth - 1));
        let (engine, answer, word) = (Arc::clone(&self.engine), self.path("answer"), asked.clone());
        let done: JoinHandle<()> = std::thread::spawn(move || {
            match word.starts_with("start ") {
                true => engine.start_again().unwrap(),
                false => engine.stop().unwrap(),
            }
            say(&answer, "done");
        });
        done.join().unwrap();
        asked
    }
}

/// Says something to an action that waits for it.
fn say(answer: &Path, words: &str) {
    let mut answer = fs::OpenOptions::new().write(true).open(answer).unwrap();
    writeln!(answer, "{words}").unwrap();
}

fn web(image: &str, instances: u32) -> String {
    format!(
        "---\nkind: service\nname: web\nimage: {image}\nports: [{{name: http, port: 8080}}]\n\
         instances: {instances}\nplacement: {{per_host: one}}\n\
         heartbeat: {{kind: http, port: http, path: /, interval_ms: 500}}\n\
         ---\nkind: frontend\nhost: web.example.com\nservice: {{name: web}}\n"
    )
}

/// How a host stands, as the controller says: its state, how often it failed, why.
fn power(fleet: &Fleet, host: &str) -> (String, u64, String) {
    let power = fleet.asks(&format!("/v1/standings/{host}"))["standing"]["power"].clone();
    let text = |field: &str| power[field].as_str().unwrap_or_default().to_owned();
    (text("state"), power["failures"].as_u64().unwrap_or(0), text("reason"))
}

fn stands(fleet: &Fleet, host: &str, state: &str) {
    eventually(&format!("{host} is {state}: {:?}", power(fleet, host)), || power(fleet, host).0 == state);
}

fn hosts(fleet: &Fleet) -> Vec<String> {
    let instances = fleet.instances("web");
    let mut hosts: Vec<String> =
        instances.iter().map(|instance| instance["host"].as_str().unwrap_or_default().to_owned()).collect();
    hosts.sort();
    hosts
}

/// A spare host that is started and stopped by the action `power`.
fn spare(fleet: &Fleet, machine: &Machine) {
    let url = machine.engine.url();
    let mut add = vec!["host", "add", "spare", "--engine", &url, "--address", "127.0.0.1", "--priority", "1"];
    add.extend(["--cpu", "1", "--memory", "1GiB", "--start", "power", "--stop", "power"]);
    add.extend(["--cloud", "machine-type=small"]);
    fleet.portico.does(&add);
}

#[test]
fn a_host_is_started_when_a_placement_needs_it_and_stopped_when_it_was_idle() {
    let machine = Machine::new("spare-web:1");
    let action = machine.action();
    let fleet = Fleet::with(
        Engine::shared().unwrap(),
        &[
            ("PORTICO_CONTROL__ACTIONS", &action),
            ("PORTICO_CONTROL__HOST_GRACE", "2s"),
            ("PORTICO_CONTROL__HOST_IDLE", "3s"),
        ],
    );
    fleet.engine.web("spare-web:1", "page").unwrap();
    spare(&fleet, &machine);
    fleet.apply(&web("spare-web:1", 1));
    fleet.settles("web", 1);
    stands(&fleet, "spare", "stopped");
    assert!(machine.asked().is_empty(), "there is room elsewhere");

    fleet.portico.does(&["scale", "web", "2"]);
    assert_eq!(machine.obeys(1), "start spare small");
    fleet.settles("web", 2);
    assert_eq!(hosts(&fleet), ["one", "spare"]);
    assert!(fleet.portico.does(&["host", "show", "spare"]).contains("power"), "it is told");
    fleet.portico.does(&["scale", "web", "1"]);
    let told = machine.obeys(2);
    stands(&fleet, "spare", "stopped");

    assert_eq!((told.as_str(), hosts(&fleet)), ("stop spare small", vec!["one".to_owned()]));
    assert_eq!(machine.asked().len(), 2, "each once");
    let ledger = fleet.asks("/v1/history?key=standing:spare&limit=100");
    let states = ledger["records"].as_array().unwrap().iter().rev();
    let mut states: Vec<&str> =
        states.map(|record| record["after"]["power"]["state"].as_str().unwrap_or_default()).collect();
    states.dedup();
    assert_eq!(states, ["stopped", "starting", "running", "stopping", "stopped"]);
    assert_eq!(get(fleet.portico.http(), "web.example.com", "/").body.trim(), "page");
}

#[test]
fn a_controller_that_is_killed_while_a_host_starts_starts_it_once_and_a_start_that_fails_says_why() {
    let machine = Machine::new("once-web:1");
    let action = machine.action();
    let variables = [("PORTICO_CONTROL__ACTIONS", &*action), ("PORTICO_CONTROL__HOST_GRACE", "2s")];
    let mut fleet = Fleet::with(Engine::shared().unwrap(), &variables);
    fleet.engine.web("once-web:1", "page").unwrap();
    spare(&fleet, &machine);
    fleet.portico.does(&[
        "host",
        "add",
        "other",
        "--engine",
        "unix:///nowhere.sock",
        "--address",
        "127.0.0.1",
        "--cpu",
        "1",
        "--memory",
        "1GiB",
        "--start",
        "missing",
    ]);
    stands(&fleet, "spare", "stopped");
    stands(&fleet, "other", "stopped");
    fleet.apply(&web("once-web:1", 2));
    until("it is asked", || machine.asked().pop());
    say(&machine.path("answer"), "no quota");
    until("that it failed is told", || {
        let (_, failures, reason) = power(&fleet, "spare");
        (failures == 1 && reason.contains("no quota")).then_some(())
    });
    let why = fleet.portico.does(&["explain", "placement", "web"]);
    assert!(why.contains("`missing` is not defined; define it in `control.actions`"), "{why}");
    until("it is asked again", || machine.asked().into_iter().nth(1));

    fleet.restart("KILL", &variables);
    machine.obeys(2);
    fleet.settles("web", 2);

    assert_eq!(hosts(&fleet), ["one", "spare"]);
    assert_eq!(machine.asked(), ["start spare small", "start spare small"]);
}

#[test]
fn a_host_that_leaves_its_address_open_is_found_and_what_runs_there_follows_when_it_moves() {
    let mut fleet =
        Fleet::with(Arc::new(Engine::start().unwrap()), &[("PORTICO_CONTROL__ADDRESSES", "127.0.0.1")]);
    fleet.engine.web("found-web:1", "page").unwrap();
    fleet.portico.does(&["host", "rm", "one"]);
    let url = fleet.engine.url();
    fleet.portico.does(&["host", "add", "found", "--engine", &url, "--address", "auto"]);
    let nowhere = ["host", "add", "lost", "--engine", "tcp://127.0.0.1:1", "--address", "auto"];
    fleet.portico.does(&nowhere);
    fleet.apply(&web("found-web:1", 1));
    fleet.settles("web", 1);
    let at =
        |fleet: &Fleet| fleet.instances("web")[0]["addresses"][0].as_str().unwrap_or_default().to_owned();
    let container = fleet.containers(&fleet.engine);
    assert_eq!(at(&fleet), "127.0.0.1");
    let listed = fleet.portico.does(&["host", "ls"]);
    assert!(listed.contains("auto: 127.0.0.1") && listed.contains("others cannot reach"), "{listed}");

    fleet.restart("TERM", &[("PORTICO_CONTROL__ADDRESSES", "127.0.0.2")]);
    eventually("it has moved", || at(&fleet) == "127.0.0.2");
    fleet.settles("web", 1);

    assert_eq!(fleet.containers(&fleet.engine), container, "it runs on");
    assert_eq!(get(fleet.portico.http(), "web.example.com", "/").body.trim(), "page");
    let value: Value = fleet.asks("/v1/standings/found");
    assert_eq!(value["standing"]["found"][0], "127.0.0.2");
}
