//! hipache's place taken, with its configuration as it is.

use crate::world::{Origin, World, eventually, get, portico, send};

#[test]
fn a_config_json_works_as_it_is() {
    let world = World::new();
    let redis = world.redis();
    let origin = Origin::saying("from hipache's routes");
    redis.command(&["RPUSH", "app-frontend:www.example.com", "my-site", &origin.url()]);
    let log = world.path("access.log");
    let config = world.write(
        "config.json",
        &format!(
            r#"{{
                "server": {{"accessLog": "{}", "workers": 2, "maxSockets": 100, "deadBackendTTL": 30,
                    "tcpTimeout": 30, "retryOnError": 3, "deadBackendOn500": true, "httpKeepAlive": false,
                    "lruCache": {{"size": 5, "ttl": 5}}}},
                "http": {{"port": 0, "bind": ["127.0.0.1", {{"address": "127.0.0.1", "port": 0}}]}},
                "driver": ["{}/0#app-"], "user": "root"
            }}"#,
            log.display(),
            redis.url()
        ),
    );

    let data = world.path("data");
    let arguments = ["run", "--config", config.to_str().unwrap(), "--admin", "127.0.0.1:0", "--data"];
    let portico = portico(&[&arguments[..], &[data.to_str().unwrap()]].concat()).start();

    eventually("it is routed", || get(portico.http(), "www.example.com", "/").status == 200);
    let request = "GET /x HTTP/1.1\r\nHost: www.example.com\r\nX-Debug: 1\r\nConnection: close\r\n\r\n";
    let reply = send(portico.http(), request).unwrap();
    assert_eq!(reply.body, "from hipache's routes");
    assert_eq!(reply.header("x-debug-vhost"), Some("my-site"));
    assert_eq!(reply.header("x-debug-frontend-key"), Some("www.example.com"));
    eventually("the access is logged as hipache logs it", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains("\"GET /x HTTP/1.1\" 200 ") && text.starts_with("::ffff:127.0.0.1 - - [")
    });
    for ignored in [
        "`server.lruCache` is ignored",
        "`server.httpKeepAlive` is ignored",
        "`server.maxSockets` is 100 for each worker",
    ] {
        assert!(portico.log().contains(ignored), "{ignored}: {}", portico.log());
    }
}

#[test]
fn settings_flavor_chooses_the_file() {
    let world = World::new();
    std::fs::create_dir(world.path("config")).unwrap();
    world.write("config/config_test.json", r#"{"http": {"port": 7007}, "user": "root"}"#);

    let finished = portico(&["check"]).env("SETTINGS_FLAVOR", "test").folder(world.folder()).finish();

    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        finished.stdout.starts_with("config/config_test.json is read as hipache's"),
        "{}",
        finished.stdout
    );
    assert!(finished.stdout.contains("serves HTTP on 127.0.0.1:7007"));
}

#[test]
fn broken_json_names_its_line() {
    let world = World::new();
    let config = world.write("config.json", "{\n  \"server\": {\n    \"port\": 80,\n  }\n}\n");

    let finished = portico(&["run", "--config", config.to_str().unwrap()]).finish();

    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("config.json:4: not JSON"), "{}", finished.stderr);
}

#[test]
fn root_becomes_the_user_of_the_configuration_once_it_listens() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let folder = world.folder();
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let log = world.path("logs/access.log");
    let text = format!(
        r#"{{"server": {{"accessLog": "{}"}}, "http": {{"port": 0}}, "driver": "redis://127.0.0.1:1", "user": "nobody"}}"#,
        log.display()
    );
    let config = world.write("config.json", &text);
    let data = world.path("data");

    let arguments = ["run", "--config", config.to_str().unwrap(), "--admin", "127.0.0.1:0", "--data"];
    let portico = portico(&[&arguments[..], &[data.to_str().unwrap()]].concat()).start();

    let status = std::fs::read_to_string(format!("/proc/{}/status", portico.pid())).unwrap();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    assert!(uid.split_whitespace().all(|uid| uid != "0"), "{uid}");
    assert_eq!(get(portico.http(), "__ping__", "/").status, 200);
    eventually("the access is logged", || std::fs::metadata(&log).is_ok_and(|file| file.len() > 0));
    portico.signal("USR1");
    eventually("the log is opened anew", || portico.log().contains("the access log is opened anew"));
}

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|myself| myself.uid() == 0)
}
