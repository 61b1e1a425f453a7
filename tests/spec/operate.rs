//! What an operator asks about services that are launched, and does with them, where no engine answers.

use crate::world::{World, eventually, get};

const SHOP: &str = "\
kind: service
name: web
image: shop/web:1
ports: [{name: http, port: 8080}]
---
kind: service
name: cache
";

fn value(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn what_is_launched_by_nobody_is_waited_for_and_told_with_what_is_missing() {
    let world = World::new();
    let portico = world.portico(&[]);
    portico.does(&["apply", "-f", &world.write("shop.yaml", SHOP).display().to_string()]);

    let plain = portico.cli(&["deploy", "web", "--image", "shop/web:2", "--wait", "--timeout", "300ms"]);
    let json = portico.cli(&["scale", "web", "2", "--wait=300ms", "--json"]);
    let stopped = portico.cli(&["stop", "web", "--wait", "--timeout", "30s"]);

    assert_eq!(plain.code, Some(1), "{}", plain.stderr);
    let missing = "no node controls: nothing is launched or ended (no controller took it up yet)";
    let lines: Vec<&str> = plain.stdout.lines().collect();
    assert_eq!(lines[0], "web: image shop/web:1 -> shop/web:2 (revision 3)");
    assert_eq!(lines[1], format!("web waits: {missing}"));
    assert!(lines[2].starts_with("web is not done after 0.") && lines[2].ends_with(missing), "{lines:?}");
    let said = value(&json.stdout);
    assert_eq!((json.code, &said["settled"]), (Some(1), &false.into()), "{said}");
    assert_eq!(said["rollouts"][0]["wanted"], 2, "{said}");
    assert_eq!(said["said"], "instances 1 -> 2", "{said}");
    assert_eq!(stopped.code, Some(0), "{}{}", stopped.stdout, stopped.stderr);
    assert!(stopped.stdout.contains("web: nothing runs (after "), "{}", stopped.stdout);
}

#[test]
fn what_is_launched_by_what_it_extends_is_waited_for_when_it_is_applied() {
    let world = World::new();
    let portico = world.portico(&[]);
    let base = "kind: service\nname: base\nimage: shop/web:1\nactive: false\n";
    portico.does(&["apply", "-f", &world.write("base.yaml", base).display().to_string()]);
    let derived = "kind: service\nname: shop\nextends: base\ninstances: 1\n";
    let derived = world.write("derived.yaml", derived).display().to_string();

    let applied = portico.cli(&["apply", "-f", &derived, "--wait=300ms", "--json"]);

    let said = value(&applied.stdout);
    assert_eq!((applied.code, &said["settled"]), (Some(1), &false.into()), "{said}");
    assert_eq!((&said["rollouts"][0]["service"], &said["wait"]["served"]), (&"shop".into(), &true.into()));
    assert_eq!(applied.stdout.matches("\"wait\":").count(), 1, "{said}");
}

#[test]
fn why_nothing_starts_on_a_host_whose_engine_does_not_answer_is_told_everywhere() {
    let world = World::new();
    let portico = world.portico(&[]);
    portico.does(&["apply", "-f", &world.write("shop.yaml", SHOP).display().to_string()]);
    portico.does(&["host", "add", "bare", "--address", "10.0.0.2"]);
    portico.does(&["host", "add", "node-1", "--engine", "tcp://127.0.0.1:1", "--address", "10.0.0.1"]);

    eventually("this node controls, and heard nothing", || {
        let status = value(&portico.does(&["status", "--json"]));
        status["control"]["this"] == true && status["control"]["engines"][0]["error"] != ""
    });
    let explained = portico.does(&["explain", "placement", "web"]);
    let placement = value(&portico.does(&["explain", "placement", "web", "--json"]));
    let status = portico.does(&["status"]);
    let hosts = portico.does(&["host", "ls"]);
    let plan =
        portico.does(&["apply", "--dry-run", "-f", &world.write("shop.yaml", SHOP).display().to_string()]);

    assert!(explained.starts_with("web wants 1 instance, 0 stay (revision "), "{explained}");
    assert_eq!(placement["hosts"][0]["why"], "has no engine", "{placement}");
    let why = placement["hosts"][1]["why"].as_str().unwrap();
    assert!(why.starts_with("its engine does not answer"), "{why}");
    assert!(status.contains("(this one)") && status.contains("fits nowhere"), "{status}");
    assert!(hosts.contains("HEARD"), "{hosts}");
    assert!(plan.contains("1 fit nowhere") && plan.contains("node-1: its engine does not answer"), "{plan}");
}

#[test]
fn what_cannot_be_asked_or_done_is_told_with_the_remedy() {
    let world = World::new();
    let portico = world.portico(&[]);
    portico.does(&["apply", "-f", &world.write("shop.yaml", SHOP).display().to_string()]);

    let url = format!("http://{}", portico.admin());
    for (command, parts) in [
        (&["rollback", "wbe"][..], &["there is no service wbe", "did you mean web?"][..]),
        (&["rollback", "web"], &["there is nothing to take web back to", "portico deploy web --image IMAGE"]),
        (&["rollback", "web", "--dry-run"], &["there is nothing to take web back to"]),
        (&["logs", "wbe"], &["there is no service wbe", "did you mean web?"]),
        (&["logs", "web/9"], &["there is no instance web/9"]),
        (&["exec", "wbe", "--server", &url, "--", "ls"], &["there is no service wbe", "did you mean web?"]),
        (
            &["exec", "web", "--server", &url, "--", "ls"],
            &["no instance of service web runs", "portico instance ls web"],
        ),
        (&["exec", "web/9", "--server", &url, "--", "ls"], &["there is no instance web/9"]),
        (&["explain", "placement", "wbe"], &["there is no service wbe", "did you mean web?"]),
        (&["explain", "placement", "cache"], &["service cache says of no image"]),
    ] {
        let finished = portico.cli(command);
        assert_eq!(finished.code, Some(1), "{command:?}: {}{}", finished.stdout, finished.stderr);
        for part in parts {
            assert!(finished.stderr.contains(part), "{command:?}: {part}: {}", finished.stderr);
        }
    }
    assert_eq!(portico.cli(&["rollback", "web", "--in-parts"]).code, Some(2));
    assert_eq!(portico.cli(&["exec", "-t", "web", "--", "sh"]).code, Some(2));
}

#[test]
fn a_node_that_may_not_control_says_who_is_to_be_asked() {
    let world = World::new();
    let portico = world.portico_command(&[]).env("PORTICO_CONTROL__ENABLED", "false").start();
    eventually("portico serves", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    portico.does(&["apply", "-f", &world.write("shop.yaml", SHOP).display().to_string()]);

    for command in [&["explain", "placement", "web"][..], &["logs", "web"]] {
        let finished = portico.cli(command);
        assert_eq!(finished.code, Some(1), "{command:?}: {}", finished.stdout);
        assert!(finished.stderr.contains("it does not control; no node controls"), "{}", finished.stderr);
    }
}
