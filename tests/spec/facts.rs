//! Services, instances and hosts: from files, through the API, and registered by themselves.

use std::time::{Duration, Instant};

use crate::world::{Origin, Portico, Reply, World, eventually, get, send};

const FILE: &str = "\
# A shop.
kind: service
name: web
ports:
  - {name: http, port: 8080}
metadata: {version: \"1.4\"}
---
kind: instance
service: web
name: web-1
addresses: [10.0.0.7, \"fd00::7\"]
host: node-1
---
kind: host
name: node-1
addresses: [10.0.0.1]
---
kind: frontend
host: www.example.com
endpoints: [\"http://10.0.0.7:8080\"]
";

/// A request of the API with a body; header fields as lines.
fn ask(portico: &Portico, method: &str, path: &str, fields: &str, body: &str) -> Reply {
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n{fields}\r\n");
    send(portico.admin(), format!("{head}{body}")).expect("an answer")
}

fn put(portico: &Portico, path: &str, body: &str) -> Reply {
    ask(portico, "PUT", path, "Content-Type: application/json\r\n", body)
}

/// The registries that portico keeps, each with a portico on it.
fn everywhere(check: impl Fn(&World, &Portico)) {
    let world = World::new();
    let redis = world.redis();
    let on_redis = redis.url();
    for arguments in [&[][..], &["--registry", &on_redis]] {
        let portico = world.portico(arguments);
        eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
        check(&world, &portico);
    }
}

#[test]
fn services_that_would_wait_for_each_other_are_refused_and_all_else_is_kept_as_it_was() {
    everywhere(|world, portico| {
        let service = |name: &str, awaited: &str| {
            format!("kind: service\nname: {name}\nimage: shop/{name}:1\ndepends_on: {{{awaited}}}\n---\n")
        };
        let apply = |texts: &[String]| {
            let file =
                world.write("shop.yaml", texts.concat().trim_end_matches("---\n")).display().to_string();
            portico.cli(&["apply", "-f", &file])
        };

        let made = apply(&[service("web", "db: healthy"), service("db", "")]);
        let circle = apply(&[service("api", ""), service("db", "api: started, web: healthy")]);
        let one = put(portico, "/v1/services/db", r#"{"image":"shop/db:1","depends_on":{"web":"healthy"}}"#);
        let itself = apply(&[service("api", "api: started")]);

        assert_eq!(made.code, Some(0), "{}", made.stderr);
        assert_eq!((circle.code, one.status), (Some(1), 400), "{} {}", circle.stderr, one.body);
        for said in [&circle.stderr, &one.body] {
            assert!(
                said.contains("db waits for web, which waits for db: none of them would start"),
                "{said}"
            );
        }
        assert!(itself.stderr.contains("api waits for api"), "{}", itself.stderr);
        assert_eq!(portico.cli(&["service", "show", "api"]).code, Some(1), "all or nothing");
        let shown = portico.does(&["service", "show", "web"]);
        assert!(shown.contains("image") && shown.contains("shop/web:1"), "{shown}");
    });
}

#[test]
fn a_file_of_facts_is_applied_changed_and_deleted_all_or_nothing() {
    everywhere(|world, portico| {
        let file = world.write("shop.yaml", FILE).display().to_string();
        let bad =
            world.write("bad.yaml", "kind: service\nname: api\n---\nkind: host\nname: b\naddresses: [x]\n");

        let dry = portico.does(&["apply", "-f", &file, "--dry-run"]);
        let none = portico.does(&["service", "ls"]);
        let applied = portico.does(&["apply", "-f", &file]);
        let again = portico.does(&["apply", "-f", &file]);
        let refused = portico.cli(&["apply", "-f", &bad.display().to_string()]);

        assert!(dry.contains("would be applied: 4 added") && dry.contains("nothing was written"), "{dry}");
        assert!(none.starts_with("no services (revision 0)"), "{none}");
        assert!(applied.contains("applied: 4 added") && applied.contains("(revision 4, live)"), "{applied}");
        assert!(again.contains("4 unchanged (nothing to be done; revision 4)"), "{again}");
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains("bad.yaml, document 2: addresses[0]"), "{}", refused.stderr);
        let services = portico.does(&["service", "ls"]);
        assert!(services.contains("web      -      1/1        http 8080  2"), "{services}");
        let instance = portico.does(&["instance", "show", "web/web-1"]);
        assert!(instance.contains("addresses  10.0.0.7, fd00::7"), "{instance}");
        let history = portico.does(&["history", "--fact", "service:web"]);
        assert!(history.contains("service:web") && history.contains("-> http 8080"), "{history}");

        let deleted = portico.does(&["delete", "-f", &file]);
        assert!(deleted.contains("deleted: 0 added, 0 changed, 4 removed"), "{deleted}");
        assert!(portico.does(&["host", "ls"]).starts_with("no hosts"));
        let back = portico.does(&["rollback", "4", "--only", "services", "--only", "hosts"]);
        assert!(back.contains("2 added"), "{back}");
    });
}

#[test]
fn a_fact_is_written_at_the_revision_that_is_expected_and_no_other() {
    everywhere(|_, portico| {
        let made = put(portico, "/v1/services/web", r#"{"ports":[{"name":"http","port":80}]}"#);
        let when = |revision: &str, body: &str| {
            let fields = format!("Content-Type: application/json\r\nIf-Match: {revision}\r\n");
            ask(portico, "PUT", "/v1/services/web", &fields, body)
        };
        let changed = when("\"1\"", r#"{"name":"web","ttl":9}"#);
        let stale = when("\"1\"", "{}");

        assert_eq!((made.status, made.header("etag")), (201, Some("\"1\"")), "{}", made.body);
        assert_eq!((changed.status, changed.header("etag")), (200, Some("\"2\"")), "{}", changed.body);
        assert_eq!(stale.status, 412, "{}", stale.body);
        let shown = get(portico.admin(), "127.0.0.1", "/v1/services/web");
        assert_eq!(shown.body.trim(), r#"{"service":{"name":"web","ttl":9},"revision":2}"#);
        let misplaced = put(portico, "/v1/services/web", r#"{"name":"api"}"#);
        assert!(
            misplaced.status == 400 && misplaced.body.contains("the URL service:web"),
            "{}",
            misplaced.body
        );
        let unknown = put(portico, "/v1/hosts/a", r#"{"addresses":["10.0.0.1"],"ip":1}"#);
        assert!(unknown.status == 400 && unknown.body.contains("unknown field"), "{}", unknown.body);
        let removed = portico.does(&["service", "rm", "web", "--if-revision", "2"]);
        assert!(removed.contains("web removed (revision 3"), "{removed}");
        assert_eq!(get(portico.admin(), "127.0.0.1", "/v1/services/web").status, 404);
    });
}

#[test]
fn an_instance_that_registers_itself_stays_as_long_as_it_says_so() {
    everywhere(|_, portico| {
        let path = "/v1/services/web/instances/web-1";
        let body = r#"{"addresses":["10.0.0.7"],"ttl":1}"#;
        let there = || get(portico.admin(), "127.0.0.1", path).status == 200;
        let registered = put(portico, path, body);
        let began = Instant::now();

        eventually("it has said so for three times its lease", || {
            let beat = put(portico, path, body);
            assert!(beat.status == 200 && beat.body.contains(r#""changed":false"#), "{}", beat.body);
            assert_eq!(beat.header("etag"), Some("\"1\""));
            began.elapsed() > Duration::from_secs(3)
        });
        let quiet = Instant::now();
        eventually("it is gone", || !there());

        assert_eq!(registered.status, 201, "{}", registered.body);
        assert!(quiet.elapsed() > Duration::from_millis(800), "{:?}", quiet.elapsed());
        let history = portico.does(&["history"]);
        assert_eq!(history.lines().count(), 3, "a heading, its coming and its going: {history}");
        assert!(history.contains("removed"), "{history}");
    });
}

#[test]
fn a_lease_holds_for_its_whole_time_after_a_restart() {
    let world = World::new();
    let mut portico = world.portico(&[]);
    let path = "/v1/services/web/instances/web-1";
    put(&portico, path, r#"{"addresses":["10.0.0.7"],"ttl":2}"#);

    portico.kill();
    let away = Instant::now();
    eventually("its lease would have ended", || away.elapsed() > Duration::from_millis(2500));
    let portico = world.portico(&[]);

    assert_eq!(get(portico.admin(), "127.0.0.1", path).status, 200);
    eventually("it is gone", || get(portico.admin(), "127.0.0.1", path).status == 404);
}

#[test]
fn a_frontend_of_a_service_goes_where_its_healthy_instances_are() {
    everywhere(|world, portico| {
        let origins = ["one", "two"].map(Origin::saying);
        let instance = |n: usize, more: &str| {
            let port = origins[n].port();
            let body = format!(r#"{{"addresses":["127.0.0.1"],"ports":{{"http":{port}}}{more}}}"#);
            let reply = put(portico, &format!("/v1/services/web/instances/web-{n}"), &body);
            assert!(reply.status < 300 && reply.body.contains(r#""live":true"#), "{}", reply.body);
        };
        let answers = || {
            let reply = get(portico.http(), "www.example.com", "/");
            if reply.status == 200 { reply.body } else { reply.status.to_string() }
        };
        let file = "kind: service\nname: web\nports: [{name: http, port: 80}]\n---\n\
                    kind: frontend\nhost: www.example.com\nservice: web\n";
        portico.does(&["apply", "-f", &world.write("web.yaml", file).display().to_string()]);

        let none = answers();
        let said = portico.cli(&["verify"]);
        instance(0, "");
        let one = answers();
        instance(1, r#","ttl":1"#);
        eventually("both answer", || answers() == "two");
        instance(0, r#","state":"draining""#);
        let other = answers();
        eventually("the lease of the other ended", || answers() == "502");

        assert_eq!([&*none, &one, &other], ["502", "one", "two"]);
        assert!(said.stdout.contains("no instance of it is healthy"), "{}", said.stdout);
        let listed = portico.does(&["frontend", "ls"]);
        assert!(listed.contains("service web"), "{listed}");
        portico.does(&["frontend", "add", "a.example.com", "--service", "web:http"]);
        let again = portico.cli(&["frontend", "add", "a.example.com", "--service", "web"]);
        assert_eq!(
            (again.code, again.stderr.contains("not as expected")),
            (Some(1), true),
            "{}",
            again.stderr
        );
        let added = portico.cli(&["frontend", "add", "a.example.com", "http://127.0.0.1:1"]);
        assert!(added.stderr.contains("service web answers for it"), "{}", added.stderr);
    });
}
