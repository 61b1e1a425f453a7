//! Containers are launched on a real engine, kept true, and registered.

use engine::Engine;

use crate::world::{Fleet, eventually, get};

/// A service of web servers, of which each answers with its version.
fn web(image: &str, rest: &str) -> String {
    format!(
        "---\nkind: service\nname: web\nimage: {image}\nports: [{{name: http, port: 8080}}]\n\
         heartbeat: {{kind: http, port: http, path: /, interval_ms: 500}}\n{rest}\n\
         ---\nkind: frontend\nhost: web.example.com\nservice: {{name: web}}\n"
    )
}

fn images(engine: &Engine, names: &[&str]) {
    for name in names {
        engine.web(name, name.rsplit(':').next().unwrap()).unwrap();
    }
}

#[test]
fn a_service_with_an_image_runs_and_is_reached_and_what_is_not_wanted_any_more_goes() {
    let fleet = Fleet::new();
    images(&fleet.engine, &["launch-web:1"]);
    let asks = || get(fleet.portico.http(), "web.example.com", "/");

    fleet.apply(&web("launch-web:1", "instances: 2"));
    fleet.settles("web", 2);
    let first = asks();
    fleet.portico.does(&["scale", "web", "3"]);
    fleet.settles("web", 3);
    fleet.portico.does(&["scale", "web", "1"]);
    fleet.settles("web", 1);
    let last = asks();
    fleet.portico.does(&["service", "rm", "web"]);

    assert_eq!((first.status, first.body.trim()), (200, "1"));
    assert_eq!((last.status, last.body.trim()), (200, "1"));
    eventually("nothing is left", || fleet.containers(&fleet.engine).is_empty());
    eventually("no fact is left", || fleet.instances("web").is_empty());
}

#[test]
fn a_version_takes_the_place_of_another_and_one_that_fails_is_rolled_back_with_the_reason() {
    let fleet = Fleet::new();
    images(&fleet.engine, &["rolled-web:1", "rolled-web:2"]);
    fleet
        .engine
        .image("rolled-web:broken", &[], r#"CMD ["sh", "-c", "echo no database >&2; exit 7"]"#)
        .unwrap();
    let asks = || get(fleet.portico.http(), "web.example.com", "/").body.trim().to_owned();
    fleet.apply(&web("rolled-web:1", "instances: 2"));
    fleet.settles("web", 2);

    fleet.portico.does(&["deploy", "web", "--image", "rolled-web:2"]);
    eventually("the new version answers", || asks() == "2");
    fleet.settles("web", 2);
    let names: Vec<String> = fleet.containers(&fleet.engine);
    fleet.portico.does(&["deploy", "web", "--image", "rolled-web:broken"]);
    eventually("it failed", || fleet.deployment("web").0 == "failed");

    let (_, reason) = fleet.deployment("web");
    assert!(reason.contains("exited with code 7") && reason.contains("no database"), "{reason}");
    assert!(reason.contains("rolled back to rolled-web:2"), "{reason}");
    eventually("the stable ones alone are left", || fleet.containers(&fleet.engine) == names);
    assert_eq!(asks(), "2");
}

#[test]
fn portico_that_is_killed_and_started_again_changes_nothing_and_goes_on() {
    let mut fleet = Fleet::new();
    images(&fleet.engine, &["killed-web:1"]);
    fleet.apply(&web("killed-web:1", "instances: 2"));
    fleet.settles("web", 2);
    let before = fleet.instances("web");

    fleet.portico.does(&["scale", "web", "3"]);
    fleet.restart("KILL", &[]);
    fleet.settles("web", 3);

    let after = fleet.instances("web");
    assert!(before.iter().all(|instance| after.contains(instance)), "{before:?} {after:?}");
    assert_eq!(fleet.containers(&fleet.engine), ["web-1", "web-2", "web-3"]);
}

#[test]
fn an_instance_that_dies_leaves_at_once_and_is_started_again() {
    let fleet = Fleet::new();
    images(&fleet.engine, &["dying-web:1"]);
    fleet.apply(&web("dying-web:1", "instances: 2"));
    fleet.settles("web", 2);

    let path = format!("/containers/{}/kill", fleet.container("web-1"));
    fleet.engine.ask("POST", &path, "", b"").unwrap();
    eventually("it is seen", || fleet.instances("web").iter().any(|it| it["state"] == "unhealthy"));

    let dead = fleet.instances("web").into_iter().find(|it| it["state"] == "unhealthy");
    let reason = dead.map(|it| it["run"]["reason"].as_str().unwrap_or_default().to_owned());
    assert!(reason.is_none_or(|reason| reason.contains("exited with code 137")));
    fleet.settles("web", 2);
    assert_eq!(fleet.containers(&fleet.engine), ["web-1", "web-2"]);
}

#[test]
fn a_cordoned_host_keeps_what_it_has_and_a_drained_one_is_left_without_a_failed_request() {
    let fleet = Fleet::new();
    let second = Engine::start().unwrap();
    for engine in [&*fleet.engine, &second] {
        images(engine, &["moved-web:1"]);
    }
    fleet.apply(&web("moved-web:1", "instances: 2"));
    fleet.settles("web", 2);

    fleet.portico.does(&["host", "cordon", "one"]);
    fleet.host("two", &second);
    fleet.portico.does(&["scale", "web", "3"]);
    fleet.settles("web", 3);
    let refused = fleet.portico.cli(&["host", "rm", "one"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("portico host drain one"), "{}", refused.stderr);
    let (kept, new) = (fleet.containers(&fleet.engine), fleet.containers(&second));
    fleet.portico.does(&["host", "drain", "one"]);
    eventually("nothing is left on it", || fleet.containers(&fleet.engine).is_empty());

    assert_eq!((kept.len(), new.len()), (2, 1));
    fleet.settles("web", 3);
    assert_eq!(fleet.containers(&second).len(), 3);
}

#[test]
fn a_job_runs_once_to_its_end_and_what_waits_for_it_starts_then() {
    let fleet = Fleet::new();
    images(&fleet.engine, &["after-job:1"]);
    for (version, code) in [("1", 0), ("2", 0), ("3", 4)] {
        let command = format!(r#"CMD ["sh", "-c", "echo did {version}; exit {code}"]"#);
        fleet.engine.image(&format!("once-job:{version}"), &[], &command).unwrap();
    }
    let job = "---\nkind: service\nname: job\nimage: once-job:1\nrestart: never\n";
    let deploy = |image: &str| {
        fleet.portico.does(&["deploy", "job", "--image", image, "--wait", "--timeout", "1m"]);
    };

    fleet.apply(&format!("{}{job}", web("after-job:1", "depends_on: {job: healthy}")));
    fleet.settles("web", 1);
    let first = fleet.containers(&fleet.engine);
    deploy("once-job:2");
    eventually("the first one is taken away", || fleet.instances("job").len() == 1);
    let second = fleet.instances("job").remove(0);
    fleet.portico.does(&["deploy", "job", "--image", "once-job:3"]);
    eventually("the third one failed", || fleet.deployment("job").0 == "failed");
    eventually("the third one is taken away", || fleet.instances("job").len() == 1);

    assert_eq!(first, ["job-1", "web-1"]);
    assert_eq!(second["run"]["stage"], "ended");
    let reason = second["run"]["reason"].as_str().unwrap();
    assert!(reason.contains("saying: did 2; it ended as it should"), "{reason}");
    let (_, reason) = fleet.deployment("job");
    assert!(reason.contains("exited with code 4") && reason.contains("did 3"), "{reason}");
    assert_eq!(fleet.instances("job"), [second], "the second one is not run again");
}
