//! What goes wrong with containers and engines, and what portico makes of it.

use engine::Engine;

use crate::headline::Direct;
use crate::world::{Ask, Fleet, Judge, Load, Reply, eventually, get, until};

/// Any healthy page will do.
struct Pages;

impl Ask for Pages {
    fn ask(&self, _: usize) -> (String, Judge) {
        ("web.example.com".to_owned(), Box::new(|reply: &Reply| reply.status == 200))
    }
}

fn web(name: &str, image: &str, rest: &str) -> String {
    format!(
        "---\nkind: service\nname: {name}\nimage: {image}\nports: [{{name: http, port: 8080}}]\n\
         heartbeat: {{kind: http, port: http, path: /, interval_ms: 500}}\n{rest}\n\
         ---\nkind: frontend\nhost: {name}.example.com\nservice: {{name: {name}}}\n"
    )
}

#[test]
fn a_killed_container_and_a_lost_engine_fail_no_request_through_the_proxy() {
    let variables = [("PORTICO_CONTROL__HOST_GRACE", "2s"), ("PORTICO_DNS__LISTEN", "127.0.0.1:0")];
    let fleet = Fleet::with(Engine::shared().unwrap(), &variables);
    let second = Engine::start().unwrap();
    for engine in [&*fleet.engine, &second] {
        engine.web("lost-web:1", "page").unwrap();
    }
    fleet.host("two", &second);
    fleet.apply(&web("web", "lost-web:1", "instances: 4"));
    fleet.settles("web", 4);
    assert_eq!(fleet.containers(&second).len(), 2, "they are spread");
    let load = Load::start(fleet.portico.http(), 2, Pages);
    let direct = Direct::start(fleet.portico.dns());

    let first = fleet.containers(&fleet.engine).remove(0);
    let path = format!("/containers/{}/kill", fleet.container(&first));
    fleet.engine.ask("POST", &path, "", b"").unwrap();
    eventually("it is seen", || fleet.instances("web").iter().any(|it| it["state"] == "unhealthy"));
    fleet.settles("web", 4);
    second.kill().unwrap();
    eventually("its instances are elsewhere", || fleet.containers(&fleet.engine).len() == 4);
    fleet.settles("web", 4);
    second.start_again().unwrap();
    eventually("what is left there is taken away", || fleet.containers(&second).is_empty());

    // Who goes there directly has nobody who tries again: what it saw is told, and none is promised.
    let (direct, of_direct) = direct.end();
    eprintln!(
        "{} requests, {} failed; {direct} direct ones, {} failed",
        load.requests(),
        load.failures().len(),
        of_direct.len()
    );
    assert!(load.failures().is_empty(), "{:?}", load.failures());
    assert!(load.requests() > 1000, "{}", load.requests());
    fleet.settles("web", 4);
}

#[test]
fn an_engine_that_is_restarted_has_its_containers_again() {
    let fleet = Fleet::with(std::sync::Arc::new(Engine::start().unwrap()), &[]);
    fleet.engine.web("again-web:1", "page").unwrap();
    fleet.apply(&web("web", "again-web:1", "instances: 2"));
    fleet.settles("web", 2);

    fleet.engine.stop().unwrap();
    fleet.engine.start_again().unwrap();

    eventually("it is seen", || fleet.instances("web").iter().any(|it| !it["state"].is_null()));
    fleet.settles("web", 2);
    assert_eq!(get(fleet.portico.http(), "web.example.com", "/").body.trim(), "page");
}

#[test]
fn what_cannot_run_says_why_with_the_remedy_and_what_can_runs() {
    let fleet = Fleet::new();
    fleet.engine.web("fine-web:1", "page").unwrap();
    let glutton = r#"CMD ["sh", "-c", "x=a; while :; do x=$x$x; done"]"#;
    fleet.engine.image("glutton:1", &[], glutton).unwrap();

    fleet.apply(&web("fine", "fine-web:1", ""));
    fleet.apply("---\nkind: service\nname: nowhere\nimage: no-such-image:1\n");
    fleet.apply("---\nkind: service\nname: glutton\nimage: glutton:1\nresources: {memory_mib: 32}\n");
    fleet.apply(
        "---\nkind: service\nname: rooted\nimage: fine-web:1\nvolumes: [{source: /etc, target: /host}]\n",
    );
    fleet.apply("---\nkind: service\nname: hooked\nimage: fine-web:1\nhooks: {before_start: [nobody]}\n");
    fleet.apply("---\nkind: service\nname: far\nimage: fine-web:1\nplacement: {required: {zone: moon}}\n");
    let says = |service: &str, parts: &[&str]| {
        until(&format!("{service} says {parts:?}"), || {
            let (_, reason) = fleet.deployment(service);
            parts.iter().all(|part| reason.contains(part)).then_some(())
        });
    };

    says("nowhere", &["no-such-image:1"]);
    says("glutton", &["more memory than it may", "memory_mib"]);
    says("rooted", &["`/etc` of the host is not allowed", "control.host_paths"]);
    says("hooked", &["`nobody` is not defined", "control.hooks"]);
    says("far", &["fits nowhere", "lacks label zone=moon"]);
    fleet.settles("fine", 1);
}

#[test]
fn a_service_waits_for_those_it_depends_on() {
    let fleet = Fleet::new();
    fleet.engine.web("order-web:1", "page").unwrap();
    let ready = r#"CMD ["sh", "-c", "sleep 3; exec httpd -f -p 8080 -h /www"]"#;
    fleet.engine.image("order-db:1", &[("www/index.html", "db")], ready).unwrap();

    fleet.apply(&web("web", "order-web:1", "depends_on: {db: healthy}"));
    until("it says for whom it waits", || {
        fleet.deployment("web").1.contains("waits for db, and there is no such service").then_some(())
    });
    fleet.apply(&web("db", "order-db:1", ""));
    until("it waits still", || fleet.deployment("web").1.ends_with("waits for db").then_some(()));
    assert!(fleet.containers(&fleet.engine).iter().all(|name| !name.starts_with("web")));

    fleet.settles("db", 1);
    fleet.settles("web", 1);
}

#[test]
fn a_container_that_nobody_here_launched_joins_by_its_labels_and_leaves_with_its_end() {
    let variables = [("PORTICO_CONTROL__LABEL_FRONTENDS", "*.labels.example.com")];
    let fleet = Fleet::with(Engine::shared().unwrap(), &variables);
    fleet.engine.web("joins-web:1", "adopted").unwrap();
    fleet.apply(
        "---\nkind: service\nname: joins\nports: [{name: http, port: 8080}]\n\
         ---\nkind: frontend\nhost: joins.example.com\nservice: {name: joins}\n",
    );
    let name = fleet.container("guest");
    let fleet_name = name.strip_suffix("-guest").unwrap();
    let body = format!(
        r#"{{"Image":"joins-web:1","Labels":{{"portico.service":"joins","portico.port":"8080","portico.controller":"{fleet_name}",
            "portico.frontend":"joins.labels.example.com, taken.example.com"}},
        "ExposedPorts":{{"8080/tcp":{{}},"9090/tcp":{{}},"8080/udp":{{}}}},
        "HostConfig":{{"PortBindings":{{"8080/tcp":[{{"HostPort":""}}],"9090/tcp":[{{"HostPort":""}}],"8080/udp":[{{"HostPort":""}}]}}}}}}"#
    );

    let path = format!("/containers/create?name={name}");
    let made = fleet.engine.ask("POST", &path, "application/json", body.as_bytes()).unwrap();
    assert_eq!(made.status, 201, "{}", made.text);
    fleet.engine.ask("POST", &format!("/containers/{name}/start"), "", b"").unwrap();
    for host in ["joins.example.com", "joins.labels.example.com"] {
        eventually("it is asked", || get(fleet.portico.http(), host, "/").body.trim() == "adopted");
    }
    let shown = fleet.instances("joins")[0]["run"]["reason"].to_string();
    assert!(shown.contains("`taken.example.com`: containers may not ask for it"), "{shown}");
    assert_eq!(fleet.instances("joins")[0]["run"]["stage"], "adopted");
    fleet.engine.ask("POST", &format!("/containers/{name}/kill"), "", b"").unwrap();

    eventually("it is gone", || fleet.instances("joins").is_empty());
    let frontends = fleet.portico.does(&["frontend", "ls"]);
    assert!(
        !frontends.contains("labels.example.com") && frontends.contains("joins.example.com"),
        "{frontends}"
    );
    assert!(fleet.containers(&fleet.engine).contains(&"guest".to_owned()), "it is not ours to take away");
}

#[test]
fn a_compose_file_runs() {
    let fleet = Fleet::new();
    fleet.engine.web("compose-web:1", "composed").unwrap();
    let path = fleet.world.write(
        "compose.yaml",
        "services:\n  web:\n    image: compose-web:1\n    expose: ['8080']\n    deploy: {replicas: 2}\n    \
         labels: {portico.frontend: composed.example.com}\n    depends_on: [cache]\n  \
         cache:\n    image: compose-web:1\n    healthcheck: {test: [CMD, wget, -q, -O, '-', 'http://127.0.0.1:8080/'], interval: 1s}\n",
    );

    fleet.portico.does(&["apply", "--compose", path.to_str().unwrap()]);

    fleet.settles("cache", 1);
    fleet.settles("web", 2);
    eventually("it answers", || {
        get(fleet.portico.http(), "composed.example.com", "/").body.trim() == "composed"
    });
}

#[test]
fn hooks_of_the_local_configuration_run_before_a_start_and_after_an_end_and_one_that_fails_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (script, log) = (folder.path().join("hook"), folder.path().join("log"));
    let text = format!(
        "#!/bin/sh\necho $PORTICO_SERVICE $PORTICO_INSTANCE $PORTICO_HOST $PORTICO_IMAGE >> {0}\n\
         if [ \"$PORTICO_SERVICE\" = refused ]; then echo not today >&2; exit 3; fi\n",
        log.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let hook = format!("tell={}", script.display());
    let fleet = Fleet::with(Engine::shared().unwrap(), &[("PORTICO_CONTROL__HOOKS", &hook)]);
    fleet.engine.web("hook-web:1", "page").unwrap();
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();

    fleet.apply(&web("hooked", "hook-web:1", "hooks: {before_start: [tell], after_stop: [tell]}"));
    fleet.settles("hooked", 1);
    assert_eq!(lines(), "hooked 1 one hook-web:1\n");
    fleet.portico.does(&["stop", "hooked"]);
    eventually("it has ended", || lines() == "hooked 1 one hook-web:1\n".repeat(2));
    fleet.apply(&web("refused", "hook-web:1", "hooks: {before_start: [tell]}"));

    until("it says why", || {
        fleet.deployment("refused").1.contains("hook `tell` failed (exit status: 3): not today").then_some(())
    });
    assert!(fleet.containers(&fleet.engine).iter().all(|name| !name.starts_with("refused")));
}
