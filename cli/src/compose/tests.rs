//! Rows: a field of a Compose file, and what becomes of it.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn environment(name: &str) -> Option<String> {
    match name {
        "TAG" => Some("2.1".to_owned()),
        "EMPTY" => Some(String::new()),
        "COUNT" => Some("4".to_owned()),
        _ => None,
    }
}

fn file(path: &Path) -> Result<Option<String>, String> {
    Ok(match path.to_str() {
        Some(".env") => Some("BESIDE=b\nTAG=never\n".to_owned()),
        Some("web.env") => Some("# of the shop\nA=1\nB=${BESIDE}\n".to_owned()),
        Some("bad.env") => Some("=1\n".to_owned()),
        Some("shut.env") => return Err("permission denied".to_owned()),
        _ => None,
    })
}

/// What is around the files of these tests.
pub(super) fn around() -> Around<'static> {
    Around::new(&environment, &file, Path::new("/srv/shop"))
}

/// The fields of a service `web` of an image, and what stands beside the services.
fn converted(fields: &str, beside: &str) -> Result<Facts, Wrong> {
    let usual = if says_restart(fields) { "" } else { "    restart: always\n" };
    let fields: String = fields.lines().map(|line| format!("    {line}\n")).collect();
    let web = format!("  web:\n    image: shop/web:1\n{fields}{usual}");
    let text = format!("services:\n{web}  db:\n    image: db:1\n    restart: always\n{beside}");
    facts(&text, &mut around())
}

fn says_restart(fields: &str) -> bool {
    fields.starts_with("restart:") || fields.contains("restart_policy")
}

/// What is said of `web` beside kind, name, image and, where its fields say nothing of that, restart.
fn said_by(fields: &str, facts: &Facts) -> Value {
    let mut said = said(facts);
    if !says_restart(fields) {
        assert_eq!(said.as_object_mut().unwrap().remove("restart"), Some("always".into()));
    }
    said
}

/// What is said of `web` beside kind, name and image.
fn said(facts: &Facts) -> Value {
    let is_it = |document: &&Value| document["kind"] == "service" && document["name"] == "web";
    let mut web = facts.documents.iter().find(is_it).unwrap().clone();
    let fields = web.as_object_mut().unwrap();
    for field in ["kind", "name", "image"] {
        fields.remove(field).unwrap();
    }
    web
}

fn notes(facts: &Facts) -> Vec<String> {
    facts.notes.iter().map(|note| format!("{}: {}", note.place, note.reason)).collect()
}

/// Fields that mean this, and nothing without a meaning.
fn check(fields: &str, expected: Value) {
    let facts = converted(fields, "volumes: {data: , other: {name: called}}\n");
    let facts = facts.unwrap_or_else(|wrong| panic!("{fields}: {wrong:?}"));
    assert_eq!((said_by(fields, &facts), notes(&facts)), (expected, vec![]), "{fields}");
}

/// Fields that mean this, and of which something is named.
fn noted(fields: &str, expected: Value, place: &str, part: &str) {
    let facts =
        converted(fields, "volumes: {data: }\n").unwrap_or_else(|wrong| panic!("{fields}: {wrong:?}"));
    let notes = notes(&facts);
    assert_eq!(said_by(fields, &facts), expected, "{fields}");
    assert!(
        notes.len() == 1 && notes[0].starts_with(&format!("{place}: ")) && notes[0].contains(part),
        "{notes:?}"
    );
}

/// Fields that are refused at this place.
fn refused(fields: &str, place: &str, part: &str) {
    let wrong = converted(fields, "").unwrap_err();
    let told = format!("{}; {}", wrong.reason, wrong.remedy);
    assert!(wrong.place == place && told.contains(part), "{fields}: {}: {told}", wrong.place);
}

#[test]
fn what_runs_is_read_as_it_is_written() {
    check("command: serve --name 'my shop'", json!({"command": ["serve", "--name", "my shop"]}));
    check("command: [serve, 80]", json!({"command": ["serve", "80"]}));
    check("command:", json!({}));
    check("entrypoint: /init", json!({"entrypoint": ["/init"]}));
    check("user: 1000", json!({"user": "1000"}));
    check("working_dir: /srv", json!({"working_dir": "/srv"}));
    check("labels: {team: shop, on: }", json!({"labels": {"team": "shop", "on": ""}}));
    check("labels: [team=shop]", json!({"labels": {"team": "shop"}}));
    check("x-note: whatever", json!({}));
    check("restart: unless-stopped", json!({"restart": "always"}));
    check("restart: \"no\"", json!({"restart": "never"}));
    check("restart: no", json!({"restart": "never"}));
    check(
        "stop_signal: SIGQUIT\nstop_grace_period: 1m30s",
        json!({"stop": {"signal": "SIGQUIT", "grace_ms": 90_000}}),
    );
    noted(
        "restart: on-failure:3",
        json!({"restart": "on_failure"}),
        "services.web.restart",
        "ever more slowly",
    );
    refused("restart: sometimes", "services.web.restart", "no restart policy");
    refused("command: \"a 'b\"", "services.web.command", "not closed");
    refused("stop_grace_period: 10", "services.web.stop_grace_period", "10s");
}

#[test]
fn variables_come_from_the_service_its_files_and_the_environment() {
    check("environment: {A: 1, B: x, C: true}", json!({"environment": {"A": "1", "B": "x", "C": "true"}}));
    check("environment: [A=1, B=c=d, TAG]", json!({"environment": {"A": "1", "B": "c=d", "TAG": "2.1"}}));
    check("environment: {TAG: , D: $$x}", json!({"environment": {"TAG": "2.1", "D": "$x"}}));
    check("env_file: web.env", json!({"environment": {"A": "1", "B": "b"}}));
    check("env_file: [web.env]\nenvironment: [A=2]", json!({"environment": {"A": "2", "B": "b"}}));
    check("env_file: [{path: web.env}]", json!({"environment": {"A": "1", "B": "b"}}));
    noted(
        "env_file: [{path: none.env, required: false}]",
        json!({}),
        "services.web.env_file[0]",
        "is not there",
    );
    noted("environment: [NONE]", json!({}), "services.web.environment", "`NONE` has no value");
    noted("user: \"u$NONE\"", json!({"user": "u"}), "", "`NONE` is not set");
    refused("env_file: none.env", "services.web.env_file", "none.env: there is no such file");
    refused("env_file: [shut.env]", "services.web.env_file[0]", "permission denied");
    refused("env_file: bad.env", "services.web.env_file", "line 1");
    refused("user: ${NONE:?say who}", "services.web.user", "say who");
}

#[test]
fn ports_are_those_of_containers_and_published_ones_are_named() {
    let http = json!({"ports": [{"name": "port-8080", "port": 8080}]});
    check("ports: [8080]", http.clone());
    check("expose: [\"8080\"]\nports: [\"8080/tcp\"]", http.clone());
    check(
        "ports: [\"53/udp\", \"90-91\"]",
        json!({"ports": [{"name": "port-53-udp", "port": 53, "protocol": "udp"}, {"name": "port-90", "port": 90}, {"name": "port-91", "port": 91}]}),
    );
    check(
        "ports: [{target: 80, name: http, protocol: tcp}]",
        json!({"ports": [{"name": "http", "port": 80}]}),
    );
    for published in ["80:8080", "127.0.0.1:80:8080", "[::1]:80:8080", "80-89:8080"] {
        noted(
            &format!("ports: [\"{published}\"]"),
            http.clone(),
            "services.web.ports[0]",
            "is a port of a host",
        );
    }
    noted(
        "ports: [{target: 8080, published: 80}]",
        http,
        "services.web.ports[0].published",
        "has no meaning here",
    );
    for wrong in ["x", "0", "65536", "9-8", "80/sctp"] {
        refused(&format!("ports: [\"{wrong}\"]"), "services.web.ports[0]", "write a port of the container");
    }
    refused("ports: [{published: 80}]", "services.web.ports[0]", "no `target`");
}

#[test]
fn volumes_are_named_ones_or_paths_of_hosts() {
    let mount = |source: &str| json!({"volumes": [{"source": source, "target": "/x"}]});
    check("volumes: [\"data:/x\"]", mount("shop_data"));
    check("volumes: [\"other:/x:rw\"]", mount("called"));
    check(
        "volumes: [\"/srv/x:/x:ro\"]",
        json!({"volumes": [{"source": "/srv/x", "target": "/x", "read_only": true}]}),
    );
    check("volumes: [{type: volume, source: data, target: /x}]", mount("shop_data"));
    check(
        "volumes: [{type: bind, source: /a, target: /x, read_only: true}]",
        json!({"volumes": [{"source": "/a", "target": "/x", "read_only": true}]}),
    );
    noted(
        "volumes: [\"./x/../y:/x\"]",
        mount("/srv/shop/y"),
        "services.web.volumes[0]",
        "/srv/shop/y on each host",
    );
    noted("volumes: [\"../y:/x\"]", mount("/srv/y"), "services.web.volumes[0]", "on each host");
    noted("volumes: [/x]", json!({}), "services.web.volumes[0]", "give it a name");
    noted("volumes: [{type: tmpfs, target: /x}]", json!({}), "services.web.volumes[0]", "give it a name");
    noted("volumes: [\"data:/x:z\"]", mount("shop_data"), "services.web.volumes[0]", "`z`");
    refused("volumes: [\"none:/x\"]", "services.web.volumes[0]", "no volume `none`");
    refused("volumes: [\"~/a:/x\"]", "services.web.volumes[0]", "absolute path");
    refused("volumes: [{type: npipe, source: a, target: /x}]", "services.web.volumes[0]", "npipe");
    let nfs = converted("", "volumes: {data: {driver_opts: {type: nfs}}}\n").unwrap_err();
    assert_eq!(nfs.place, "volumes.data.driver_opts");
}

#[test]
fn a_volume_is_its_projects_own_unless_it_has_a_name() {
    let of = |beside: &str, folder: &'static str| {
        let text =
            format!("services: {{web: {{image: a:1, restart: always, volumes: [\"data:/x\"]}}}}\n{beside}");
        let facts = facts(&text, &mut Around::new(&environment, &file, Path::new(folder)));
        let source = |facts: Facts| facts.documents[0]["volumes"][0]["source"].as_str().map(str::to_owned);
        facts.map(source).map_err(|wrong| wrong.place)
    };
    for (beside, folder, expected) in [
        ("volumes: {data: }", "/srv/blog", Ok("blog_data")),
        ("name: shop\nvolumes: {data: {driver: local}}", "/srv/blog", Ok("shop_data")),
        ("name: shop\nvolumes: {data: {name: kept}}", "/srv/blog", Ok("kept")),
        ("name: shop\nvolumes: {data: {external: true}}", "/srv/blog", Ok("data")),
        ("name: shop\nvolumes: {data: {external: false}}", "/srv/blog", Ok("shop_data")),
        ("volumes: {data: }", "/srv/_My Blog.2", Ok("myblog2_data")),
        ("name: My Shop\nvolumes: {data: }", "/srv/blog", Err("name")),
        ("volumes: {data: }", "/", Err("name")),
    ] {
        let expected = expected.map(|name| Some(name.to_owned())).map_err(str::to_owned);
        assert_eq!(of(beside, folder), expected, "{beside} in {folder}");
    }
}

#[test]
fn dependencies_say_what_is_waited_for() {
    check("depends_on: [db]", json!({"depends_on": {"db": "started"}}));
    check("depends_on: {db: {condition: service_healthy}}", json!({"depends_on": {"db": "healthy"}}));
    check(
        "depends_on: {db: {condition: service_started, required: true}}",
        json!({"depends_on": {"db": "started"}}),
    );
    let healthy = json!({"depends_on": {"db": "healthy"}});
    let restart = "depends_on: {db: {condition: service_healthy, restart: true}}";
    noted(restart, healthy, "services.web.depends_on.db.restart", "not restarted with it");
    refused("depends_on: [cache]", "services.web.depends_on[0]", "no service `cache`");
    let optional = "depends_on: {cache: {condition: service_started, required: false}}";
    noted(optional, json!({}), "services.web.depends_on.cache", "it is not waited for: there is no service");
    let completed = "depends_on: {db: {condition: service_completed_successfully}}";
    refused(completed, "services.db", "started again whenever it ends");
    refused("depends_on: {db: {condition: up}}", "services.web.depends_on.db.condition", "is no condition");
}

#[test]
fn what_a_profile_leaves_out_is_not_waited_for() {
    let of = |depends_on: &str| {
        let db = "  db: {image: db:1, restart: always, profiles: [debug]}\n";
        let web = format!("  web:\n    image: web:1\n    restart: always\n    depends_on: {depends_on}\n");
        facts(&format!("services:\n{db}{web}"), &mut around())
    };

    let (listed, stated) = (of("[db]").unwrap_err(), of("{db: {condition: service_healthy}}").unwrap_err());
    let optional = of("{db: {condition: service_healthy, required: false}}").unwrap();

    assert_eq!(listed.place, "services.web.depends_on[0]");
    assert_eq!(stated.place, "services.web.depends_on.db");
    assert!(listed.reason.contains("service `db` is in a profile"), "{listed:?}");
    assert!(optional.documents[0].get("depends_on").is_none(), "{optional:?}");
    assert!(notes(&optional)[1].contains("it is not waited for"), "{optional:?}");
}

#[test]
fn what_says_no_restart_is_a_job_unless_others_connect_to_it() {
    let of = |fields: &str| {
        let facts = facts(&format!("services:\n  web: {{image: a:1{fields}}}\n"), &mut around()).unwrap();
        (facts.documents[0]["restart"].as_str().map(str::to_owned), notes(&facts))
    };

    let (job, told) = of("");
    let (kept, warned) = of(", expose: [80]");
    let (once, nothing) = of(", expose: [80], restart: \"no\"");

    assert_eq!((job.as_deref(), kept.as_deref(), once.as_deref()), (Some("on_failure"), None, Some("never")));
    assert!(told.len() == 1 && told[0].starts_with("services.web: it says no `restart`"), "{told:?}");
    assert!(warned.len() == 1 && warned[0].contains("started again whenever it ends"), "{warned:?}");
    assert_eq!(nothing, Vec::<String>::new());
}

#[test]
fn what_others_wait_for_until_it_has_completed_is_a_job() {
    let migrate = "migrate: {image: app:1, expose: [80]}";
    let web = "web: {image: app:1, restart: always, depends_on: {migrate: {condition: service_completed_successfully}}}";

    let facts = facts(&format!("services:\n  {migrate}\n  {web}\n"), &mut around()).unwrap();

    assert_eq!(facts.documents[0]["restart"], "on_failure", "{facts:?}");
    assert_eq!(facts.documents[1]["depends_on"], json!({"migrate": "done"}), "{facts:?}");
    assert!(notes(&facts)[0].contains("waits until it has completed"), "{facts:?}");
}

#[test]
fn a_health_check_is_a_heartbeat() {
    let shell = json!(["/bin/sh", "-c", "curl -f localhost || exit 1"]);
    check(
        "healthcheck: {test: [CMD, check, -v], interval: 5s, timeout: 500ms, retries: 2, start_period: 1m}",
        json!({"heartbeat": {"kind": "command", "command": ["check", "-v"], "interval_ms": 5000, "timeout_ms": 500, "fall": 2, "start_period_ms": 60_000}}),
    );
    for test in ["curl -f localhost || exit 1", "[CMD-SHELL, curl -f localhost || exit 1]"] {
        check(
            &format!("healthcheck: {{test: {test}}}"),
            json!({"heartbeat": {"kind": "command", "command": shell}}),
        );
    }
    check("healthcheck: {interval: 5s}", json!({"heartbeat": {"kind": "image", "interval_ms": 5000}}));
    check("healthcheck: {test: [NONE]}", json!({}));
    check("healthcheck: {disable: true}", json!({}));
    let early = "healthcheck: {test: x, start_interval: 1s}";
    let expected = json!({"heartbeat": {"kind": "command", "command": ["/bin/sh", "-c", "x"]}});
    noted(early, expected, "services.web.healthcheck.start_interval", "from the start");
    refused("healthcheck: {test: [curl, x]}", "services.web.healthcheck.test", "CMD-SHELL");
}

#[test]
fn how_it_is_deployed_is_read_where_it_has_a_meaning() {
    check("scale: 3", json!({"instances": 3}));
    check("scale: 3\ndeploy: {replicas: 3}", json!({"instances": 3}));
    check("deploy: {replicas: \"${COUNT}\"}", json!({"instances": 4}));
    check("deploy: {mode: global}", json!({"placement": {"per_host": "every"}}));
    let limits = json!({"resources": {"cpu_millis": 500, "memory_mib": 64}});
    check("deploy: {resources: {limits: {cpus: \"0.50\", memory: 64M}}}", limits.clone());
    check("cpus: 0.5\nmem_limit: 64m", limits);
    check(
        "deploy: {update_config: {parallelism: 2, order: stop-first, monitor: 5s, failure_action: pause}}",
        json!({"rollout": {"parallel": 2, "order": "stop_first", "min_healthy_ms": 5000, "rollback": false}}),
    );
    check(
        "deploy: {restart_policy: {condition: on-failure}}\nrestart: always",
        json!({"restart": "on_failure"}),
    );
    check(
        "deploy: {placement: {constraints: [node.labels.disk==ssd, \"node.labels.zone == a\"], max_replicas_per_node: 1}}",
        json!({"placement": {"required": {"disk": "ssd", "zone": "a"}, "per_host": "one"}}),
    );
    noted(
        "deploy: {endpoint_mode: vip}",
        json!({}),
        "services.web.deploy.endpoint_mode",
        "has no meaning here",
    );
    refused("scale: 2\ndeploy: {replicas: 3}", "services.web.scale", "at another place");
    refused("deploy: {replicas: some}", "services.web.deploy.replicas", "no whole number");
    let role = "deploy: {placement: {constraints: [node.role == manager]}}";
    refused(role, "services.web.deploy.placement.constraints[0]", "portico host add --label");
    let gpu = "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}";
    refused(gpu, "services.web.deploy.resources.reservations.devices", "take it out");
    refused("deploy: {replica: 3}", "services.web.deploy.replica", "no field");
}

#[test]
fn labels_ask_for_frontends() {
    let facts = converted(
        "expose: [80, 9000]\nlabels: {portico.frontend: \"www.example.com, www.example.com/api\", portico.port: 9000, a: b}",
        "",
    )
    .unwrap();

    let to = json!({"name": "web", "port": "port-9000"});
    assert_eq!(facts.documents[2], json!({"kind": "frontend", "host": "www.example.com", "service": to}));
    assert_eq!(
        facts.documents[3],
        json!({"kind": "frontend", "host": "www.example.com", "path": "/api", "service": to})
    );
    assert_eq!(said(&facts)["labels"], json!({"a": "b"}));
    assert_eq!(facts.places, ["services.db", "services.web", "services.web", "services.web"]);
    let plain = converted("expose: [80]\nlabels: [portico.frontend=a.example]", "").unwrap();
    assert_eq!(plain.documents[2], json!({"kind": "frontend", "host": "a.example", "service": "web"}));
    refused(
        "labels: [portico.frontend=a.example]",
        "services.web.labels.portico.frontend",
        "write `ports` or `expose`",
    );
    refused(
        "expose: [80]\nlabels: [portico.port=81]",
        "services.web.labels.portico.port",
        "no TCP port `81`",
    );
    refused("labels: [portico.service=x]", "services.web.labels.portico.service", "portico's own");
}

#[test]
fn what_has_no_meaning_is_named_and_what_cannot_be_ignored_is_refused() {
    for field in [
        "container_name: web",
        "init: true",
        "hostname: web",
        "tty: true",
        "networks: [front]",
        "dns: 1.1.1.1",
    ] {
        let name = field.split(':').next().unwrap();
        noted(field, json!({}), &format!("services.web.{name}"), "has no meaning here: ");
    }
    for usual in [
        "privileged: false",
        "network_mode: bridge",
        "networks: [default]",
        "cap_add: []",
        "security_opt: [\"no-new-privileges:true\"]",
    ] {
        check(usual, json!({}));
    }
    for field in [
        "privileged: true",
        "network_mode: host",
        "pid: host",
        "ipc: host",
        "devices: [/dev/kvm]",
        "cap_add: [SYS_ADMIN]",
        "security_opt: [\"seccomp:unconfined\"]",
        "read_only: true",
        "secrets: [key]",
        "build: .",
        "extends: {service: db}",
    ] {
        let name = field.split(':').next().unwrap();
        refused(
            field,
            &format!("services.web.{name}"),
            if name == "extends" { "write it out" } else { "take " },
        );
    }
    refused("comand: x", "services.web.comand", "no field of a service");
}

#[test]
fn what_stands_beside_the_services_is_read_named_or_refused() {
    let fine =
        converted("", "version: \"3.8\"\nname: shop\nx-a: {b: c}\nnetworks: {default: {driver: bridge}}\n")
            .unwrap();
    assert_eq!(notes(&fine), Vec::<String>::new());
    let named = converted("", "networks: {front: {}}\nvolumes: {data: {labels: [a=b]}}\n").unwrap();
    let places: Vec<&str> = named.notes.iter().map(|note| note.place.as_str()).collect();
    assert_eq!(places, ["volumes.data.labels", "networks.front"]);
    assert_eq!(converted("", "include: [a.yaml]\n").unwrap_err().place, "include");
    assert_eq!(converted("", "sevices: {}\n").unwrap_err().place, "sevices");
    let profile = converted("profiles: [debug]", "").unwrap();
    assert_eq!((profile.documents.len(), profile.notes.len()), (1, 1));

    let merged = "x-base: &base\n  restart: always\nservices:\n  web:\n    <<: *base\n    image: a:${TAG}\n";
    let merged = facts(merged, &mut around()).unwrap();
    assert_eq!(
        merged.documents[0],
        json!({"kind": "service", "name": "web", "image": "a:2.1", "restart": "always"})
    );
    for (text, part) in [
        ("services: {}\n", "no services"),
        ("kind: service\nname: web\n", "no services"),
        ("services: {web: {command: x}}\n", "no `image`"),
        ("services: {web: [a]}\n", "no fields"),
        ("services: {web: {image: a, image: b}}\n", "not YAML"),
        ("a: [", "not YAML"),
    ] {
        let wrong = facts(text, &mut around()).unwrap_err();
        assert!(wrong.reason.contains(part), "{text}: {wrong:?}");
    }
}
