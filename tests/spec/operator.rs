//! What an operator is told when something is not as it should be, and how to put it right.

use crate::world::{Origin, Script, World, eventually, get, send};

#[test]
fn a_registry_that_is_lost_and_found_is_said_in_the_log_and_by_verify() {
    let world = World::new();
    let mut redis = world.redis();
    let portico = world.portico(&["--registry", &redis.url()]);
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    assert_eq!(portico.cli(&["verify"]).code, Some(0));

    redis.stop();
    eventually("the loss is logged", || {
        portico.log().contains("the registry is lost: the last routes serve")
    });

    let verified = portico.cli(&["verify"]);
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    assert!(verified.stdout.starts_with("registry: redis://127.0.0.1"), "{}", verified.stdout);
    assert!(verified.stdout.contains("remedy: start it"), "{}", verified.stdout);
    let redis = redis.restart();
    eventually("the return is logged", || portico.log().contains("the registry is back"));
    assert_eq!(portico.cli(&["verify"]).code, Some(0));
    drop(redis);
}

#[test]
fn explain_names_an_entry_that_is_set_aside_where_it_would_stand() {
    let world = World::new();
    let redis = world.redis();
    redis.command(&["SET", "frontend:www.example.com", "a string"]);
    redis.command(&["SET", "portico:frontend:*.example.com/api", "{"]);
    redis.command(&["RPUSH", "frontend:*.example.com", "x", "http://127.0.0.1:1"]);
    let portico = world.portico(&["--registry", &redis.url()]);
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);

    let told = portico.does(&["explain", "http://www.example.com/api/users"]);

    let line =
        |pattern: &str| told.lines().find(|line| line.trim_start().starts_with(pattern)).unwrap_or(&told);
    assert!(line("www.example.com").contains("set aside: the key holds a string, not a list"), "{told}");
    assert!(line("*.example.com/api").contains("set aside: not JSON"), "{told}");
    assert!(line("->  *.example.com").contains("takes the request"), "{told}");
    let told = portico.does(&["explain", "http://www.example.com/other"]);
    assert!(!told.contains("*.example.com/api"), "it would not take this one: {told}");
}

#[test]
fn a_remedy_of_verify_works_as_printed() {
    let world = World::new();
    let redis = world.redis();
    let origin = Origin::saying("put right");
    redis.command(&["RPUSH", "frontend:www.example.com", "x", "ftp://10.0.0.1"]);
    redis.command(&["RPUSH", "frontend:*.example.com", "x"]);
    let portico = world.portico(&["--registry", &redis.url()]);
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    let verified = portico.cli(&["verify"]);
    let remedies = verified.stdout.lines().filter_map(|line| line.trim().strip_prefix("remedy: portico "));

    for remedy in remedies {
        let command = remedy.split(", or ").next().unwrap().replace("http://HOST:PORT", &origin.url());
        let words: Vec<&str> = command.split(' ').map(|word| word.trim_matches('\'')).collect();
        portico.does(&words);
    }

    assert_eq!(portico.cli(&["verify"]).stdout.lines().count(), 1);
    assert_eq!(get(portico.http(), "www.example.com", "/").body, "put right");
    assert_eq!(get(portico.http(), "any.example.com", "/").body, "put right");
}

#[test]
fn a_frontend_has_times_of_its_own() {
    let world = World::new();
    let portico = world.portico(&[]);
    let origin = Origin::start(Script::Slow("late".into(), std::time::Duration::from_secs(20)));
    let add = ["frontend", "add", "www.example.com", &origin.url(), "--response-timeout", "200ms"];
    portico.does(&add);

    let reply = get(portico.http(), "www.example.com", "/");

    assert_eq!(reply.status, 504);
    portico.does(&["frontend", "add", "www.example.com", "http://127.0.0.1:1", "--weight", "2"]);
    let shown = portico.does(&["frontend", "show", "www.example.com"]);
    assert!(shown.contains("200 ms"), "adding an endpoint leaves the times as they are: {shown}");
}

#[test]
fn a_write_with_curl_expects_the_revision_it_read() {
    let world = World::new();
    let portico = world.portico(&[]);
    let put = |path: &str, condition: &str, url: &str| {
        let body = format!(r#"{{"endpoints":["{url}"]}}"#);
        let request = format!(
            "PUT /v1/frontends/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{condition}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        send(portico.admin(), request).unwrap()
    };

    let made = put("www.example.com", "If-None-Match: *\r\n", "http://10.0.0.1");
    assert_eq!((made.status, made.header("etag")), (201, Some("\"1\"")), "{}", made.body);
    assert!(made.body.contains("\"revision\":1"), "{}", made.body);
    let changed = put("www.example.com", "If-Match: \"1\"\r\n", "http://10.0.0.2");
    assert_eq!((changed.status, changed.header("etag")), (200, Some("\"2\"")), "{}", changed.body);

    let late = put("www.example.com", "If-Match: \"1\"\r\n", "http://10.0.0.3");
    assert_eq!(late.status, 412, "{}", late.body);
    assert_eq!(late.header("content-type"), Some("application/problem+json"));
    let astray = put("www.example.com/api", "", "http://10.0.0.3");
    assert_eq!(astray.status, 404);
    assert!(astray.body.contains("/v1/frontends/www.example.com?path=/api"), "{}", astray.body);
    let shown = portico.does(&["frontend", "show", "www.example.com"]);
    assert!(shown.contains("http://10.0.0.2") && !shown.contains("http://10.0.0.3"), "{shown}");
}

#[test]
fn every_command_answers_in_json_also_when_it_fails() {
    let world = World::new();
    let portico = world.portico(&[]);
    let add = ["frontend", "add", "www.example.com", "http://127.0.0.1:1"];

    for (command, code) in [
        (&add[..], 0),
        (&["frontend", "ls"], 0),
        (&["frontend", "show", "www.example.com"], 0),
        (&["explain", "http://www.example.com/"], 0),
        (&["status"], 0),
        (&["verify"], 0),
        (&["history"], 0),
        (&["frontend", "rm", "www.example.com"], 0),
        (&["frontend", "rm", "www.example.com"], 1),
        (&["frontend", "add", "www.example.com", "ftp://a"], 1),
    ] {
        let finished = portico.cli(&[command, &["--json"]].concat());
        let printed = if code == 0 { &finished.stdout } else { &finished.stderr };
        assert_eq!(finished.code, Some(code), "{command:?}: {}", finished.stderr);
        assert!(printed.starts_with('{') && printed.trim_end().ends_with('}'), "{command:?}: {printed}");
    }
}

#[test]
fn what_keeps_redis_from_numbering_changes_is_named_with_its_remedy_and_logged_once() {
    let world = World::new();
    let redis = world.redis();
    let portico = world.portico(&["--registry", &redis.url()]);
    portico.does(&["frontend", "add", "a.example.com", "http://127.0.0.1:9"]);

    redis.command(&["DEL", "portico:history"]);
    redis.command(&["SADD", "portico:history", "x"]);
    let refused = portico.cli(&["frontend", "add", "a.example.com", "http://127.0.0.1:8"]);

    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    let said = &refused.stderr;
    assert!(said.contains("`portico:history` holds a set, not a stream"), "{said}");
    assert!(said.contains("`DEL portico:history`"), "{said}");
    assert!(!said.contains("cannot be reached") && !said.contains("script"), "{said}");
    eventually("verify names it", || portico.cli(&["verify"]).stdout.contains("set aside: portico:history"));
    redis.command(&["DEL", "portico:history"]);
    eventually("it is written again", || {
        portico.cli(&["frontend", "add", "a.example.com", "http://127.0.0.1:8"]).code == Some(0)
    });
    assert_eq!(portico.log().matches("takes no writes from us").count(), 1, "{}", portico.log());

    redis.command(&["SET", "frontend:a.example.com", "x"]);
    eventually("the history tells it", || {
        let told = portico.does(&["history", "--limit", "1"]);
        told.contains("set aside") && !told.contains("removed")
    });
}
