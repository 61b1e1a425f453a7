//! What an operator is shown of containers: what would be done, how it stands, what is counted; also of an engine that hangs.

use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};

use engine::Engine;

use crate::world::{Fleet, eventually, get};

fn web(image: &str, rest: &str) -> String {
    format!(
        "---\nkind: service\nname: web\nimage: {image}\nports: [{{name: http, port: 8080}}]\n\
         heartbeat: {{kind: http, port: http, path: /, interval_ms: 500}}\n{rest}\n"
    )
}

/// What an apply of these facts would do: the rows of instances, each as its words.
fn plan(fleet: &Fleet, yaml: &str) -> String {
    let path = fleet.world.write("tried.yaml", yaml);
    let said = fleet.portico.does(&["apply", "-f", path.to_str().unwrap(), "--dry-run"]);
    let rows = said.lines().take_while(|line| !line.starts_with("FACT"));
    rows.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn an_apply_that_is_tried_says_what_starts_leaves_and_moves_and_why() {
    let fleet = Fleet::new();
    let second = Engine::start().unwrap();
    for engine in [&*fleet.engine, &second] {
        engine.web("tried-web:1", "1").unwrap();
        engine.web("tried-web:2", "2").unwrap();
    }

    let new = plan(&fleet, &web("tried-web:1", "instances: 2"));
    fleet.apply(&web("tried-web:1", "instances: 2"));
    fleet.settles("web", 2);
    let same = plan(&fleet, &web("tried-web:1", "instances: 2"));
    let more = plan(&fleet, &web("tried-web:1", "instances: 3"));
    let fewer = plan(&fleet, &web("tried-web:1", "instances: 1"));
    let stopped = plan(&fleet, &web("tried-web:1", "instances: 2\nactive: false"));
    let other = plan(&fleet, &web("tried-web:2", "instances: 2"));
    fleet.portico.does(&["host", "cordon", "one"]);
    let full = plan(&fleet, &web("tried-web:1", "instances: 3"));
    let (url, own) = (second.url(), "127.0.0.1");
    fleet.portico.does(&["host", "add", "two", "--engine", &url, "--address", own, "--label", "disk=fast"]);
    eventually("the second engine answers", || {
        fleet
            .portico
            .does(&["host", "ls"])
            .lines()
            .any(|line| line.starts_with("two") && line.contains("answers ("))
    });
    let two = plan(&fleet, &web("tried-web:1", "instances: 3"));
    let required = "instances: 2\nplacement: {required: {disk: fast}}";
    let moved = plan(&fleet, &web("tried-web:1", required));

    let head = "INSTANCE PLAN HOST WHY\n";
    assert_eq!(new, format!("{head}web/1 starts one none of it runs\nweb/2 starts one none of it runs\n"));
    assert!(same.starts_with("nothing would start or leave\n"), "{same}");
    assert_eq!(more, format!("{head}web/3 starts one 2 of 3 run\n"));
    assert_eq!(fewer, format!("{head}web/2 leaves one there are more instances than wanted\n"));
    assert!(stopped.contains("web/1 leaves one its service is stopped\n"), "{stopped}");
    assert!(other.contains("starts one another version is wanted\n"), "{other}");
    assert!(other.contains("web/1 leaves one another version takes its place\n"), "{other}");
    assert!(full.contains("web 1 fit nowhere - one: cordoned\n"), "{full}");
    assert_eq!(two, format!("{head}web/3 starts two 2 of 3 run\n"));
    assert!(moved.contains("starts two takes the place of one on one\n"), "{moved}");
    assert!(moved.contains("leaves one its host: lacks label disk=fast\n"), "{moved}");
    assert_eq!(fleet.containers(&fleet.engine), ["web-1", "web-2"], "nothing was done");
}

#[test]
fn what_a_controller_does_is_counted_and_what_is_degraded_is_said() {
    let fleet = Fleet::new();
    fleet.engine.web("counted-web:1", "1").unwrap();
    let metric = |name: &str| fleet.portico.metric(&format!("portico_control_{name}"));

    fleet.apply(&web("counted-web:1", "instances: 2"));
    fleet.settles("web", 2);
    let healthy = fleet.portico.cli(&["status"]);
    fleet.portico.does(&["scale", "web", "1"]);
    fleet.settles("web", 1);
    fleet.portico.does(&["deploy", "web", "--image", "127.0.0.1:1/nowhere:1"]);
    eventually("it failed", || fleet.deployment("web").0 == "failed");
    let degraded = fleet.portico.cli(&["status"]);
    let all = get(fleet.portico.admin(), "127.0.0.1", "/metrics").body;

    assert!(!healthy.stdout.contains("service  "), "{}", healthy.stdout);
    assert!(
        degraded.stdout.contains("web: failed: ") && degraded.stdout.contains("127.0.0.1:1/nowhere:1"),
        "{degraded:?}"
    );
    assert_eq!(
        (healthy.code, degraded.code),
        (Some(0), Some(0)),
        "it is told, and `portico deploy --wait` judges"
    );
    for (name, value) in [
        ("leading", 1.0),
        ("host_state{host=\"one\",state=\"up\"}", 1.0),
        ("host_state{host=\"one\",state=\"lost\"}", 0.0),
        ("host_silent_seconds{host=\"one\"}", 0.0),
        ("healthy_instances{service=\"web\"}", 1.0),
        ("instances{service=\"web\",stage=\"running\"}", 1.0),
        ("start_duration_seconds_count", 2.0),
        ("rollouts_total{outcome=\"done\"}", 1.0),
        ("rollouts_total{outcome=\"failed\"}", 1.0),
        ("progressing_services", 0.0),
        ("pulling_images", 0.0),
    ] {
        assert!((metric(name) - value).abs() < 0.1, "{name} is not {value}: {all}");
    }
    assert!(metric("engine_calls_total{host=\"one\",call=\"start\",outcome=\"done\"}") >= 2.0);
    assert!(metric("engine_calls_total{host=\"one\",call=\"pull\",outcome=\"refused\"}") >= 1.0);
    assert!(metric("pull_duration_seconds_count") >= 1.0);
    assert!(metric("turn_duration_seconds_count") >= 5.0);
    assert!(metric("stop_duration_seconds_count") >= 1.0);
    for line in all.lines().filter_map(|line| line.strip_prefix("# TYPE portico_control_")) {
        let name = line.split(' ').next().unwrap();
        assert!(all.contains(&format!("# HELP portico_control_{name} ")), "{name} says what it is");
    }
}

/// An engine that takes every connection, reads, and never answers.
fn hung(path: &std::path::Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let read = |mut stream: UnixStream| std::io::copy(&mut stream.by_ref(), &mut std::io::sink());
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || read(stream));
        }
    });
}

#[test]
fn an_engine_that_hangs_is_named_and_holds_up_no_other_host() {
    let fleet = Fleet::with(
        Engine::shared().unwrap(),
        &[("PORTICO_CONTROL__CALL_TIMEOUT", "1s"), ("PORTICO_CONTROL__HOST_GRACE", "2s")],
    );
    fleet.engine.web("beside-web:1", "1").unwrap();
    hung(&fleet.world.path("hung.sock"));
    let url = format!("unix://{}", fleet.world.path("hung.sock").display());
    fleet.portico.does(&["host", "add", "two", "--engine", &url, "--address", "127.0.0.1"]);

    fleet.apply(&web("beside-web:1", "instances: 2"));
    fleet.settles("web", 2);
    eventually("it is said", || fleet.portico.does(&["status"]).contains("no answer in time"));
    fleet.portico.does(&["scale", "web", "3"]);
    fleet.settles("web", 3);
    let state = "portico_control_host_state{host=\"two\",state=\"lost\"}";
    eventually("it is lost", || fleet.portico.metric(state) > 0.5);
    let why = fleet.portico.does(&["explain", "placement", "web"]);
    let images = fleet.portico.cli(&["image", "ls", "--host", "one"]);

    assert_eq!(fleet.containers(&fleet.engine), ["web-1", "web-2", "web-3"]);
    let row = why.lines().find(|line| line.starts_with("two")).unwrap_or_default();
    assert!(row.contains("lost") || row.contains("does not answer"), "{why}");
    assert_eq!(images.code, Some(0), "{images:?}");
    let calls = "portico_control_engine_calls_total{host=\"two\",call=\"about\",outcome=\"unreachable\"}";
    assert!(fleet.portico.metric(calls) >= 1.0);
}
