//! hipache's own files and defaults.

use crate::config::{Loaded, Sources};

fn load(text: &str) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, text).unwrap();
    let sources = Sources { file: Some(path), ..Sources::default() };
    sources.load().map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "D"))
}

fn listen(text: &str) -> Vec<String> {
    load(text).unwrap().settings.proxy.listen.iter().map(|listener| listener.address.to_string()).collect()
}

fn remarks(text: &str) -> String {
    load(text).unwrap().remarks.join("\n")
}

#[test]
fn an_empty_file_has_hipaches_defaults() {
    let settings = load("{}").unwrap().settings;
    let proxy = &settings.proxy;
    assert_eq!(proxy.listen[0].address.to_string(), "127.0.0.1:80");
    assert_eq!(proxy.upstream.retries, 3);
    assert_eq!(proxy.health.dead_ttl.as_secs(), 30);
    assert!(proxy.health.dead_on_500);
    assert!(proxy.debug_headers);
    assert_eq!(proxy.client.idle_timeout.as_secs(), 30);
    assert_eq!(proxy.upstream.response_timeout.as_secs(), 30);
    let log = proxy::config::LogTarget::File("/var/log/hipache/access.log".into());
    assert_eq!(proxy.access_log.target, Some(log));
    assert_eq!(settings.registry.url, ["redis://"]);
    assert_eq!(settings.user.as_deref(), Some("www-data"));
    assert_eq!(settings.group, None);
    assert!((1..=10).contains(&proxy.workers));
}

#[test]
fn the_readme_of_0_4_works() {
    let text = r#"{
        "server": {"debug": true, "workers": 1, "maxSockets": 100, "tcpTimeout": 4, "deadBackendTTL": 10,
            "retryOnError": 5, "accessLog": "/tmp/a.log", "httpKeepAlive": false, "deadBackendOn500": false,
            "staticDir": "/srv/pages"},
        "http": {"port": 8000, "bind": ["127.0.0.1", {"address": "::1", "port": 8001}, {"address": "127.0.0.2"}]},
        "https": {"bind": [], "port": 443, "key": "/etc/ssl/ssl.key"},
        "driver": ["redis://10.0.0.1:6379", "redis://:pw@10.0.0.2:6380/3#app-"],
        "user": "daemon", "group": 1
    }"#;
    let loaded = load(text).unwrap();
    let settings = &loaded.settings;
    assert_eq!(listen(text), ["127.0.0.1:8000", "[::1]:8001", "127.0.0.2:8000"]);
    assert_eq!(settings.proxy.workers, 1);
    assert_eq!(settings.proxy.upstream.connections, Some(100));
    assert_eq!(settings.proxy.health.dead_ttl.as_secs(), 10);
    assert!(!settings.proxy.health.dead_on_500);
    assert_eq!(settings.proxy.upstream.retries, 5);
    assert_eq!(settings.proxy.client.idle_timeout.as_secs(), 4);
    assert_eq!(settings.proxy.upstream.connect_timeout.as_secs(), 4);
    assert_eq!(settings.proxy.error_pages, Some("/srv/pages".into()));
    assert_eq!(settings.log.level, "debug");
    assert_eq!(settings.registry.url, ["redis://10.0.0.1:6379", "redis://:pw@10.0.0.2:6380/3#app-"]);
    assert_eq!((settings.user.as_deref(), settings.group.as_deref()), (Some("daemon"), Some("1")));
    let remarks = loaded.remarks.join("\n");
    for part in ["`server.maxSockets`", "`server.httpKeepAlive`", "`https` is ignored: it binds no address"] {
        assert!(remarks.contains(part), "{part}: {remarks}");
    }
}

#[test]
fn the_readme_of_0_3_works() {
    let text = r#"{
        "server": {"accessLog": "/var/log/hipache_access.log", "port": 8080, "workers": 5, "maxSockets": 100,
            "deadBackendTTL": 30, "address": ["127.0.0.1"], "address6": ["::1"],
            "https": {"port": 443, "key": "/etc/ssl/ssl.key", "cert": "/etc/ssl/ssl.crt"},
            "lruCache": {"size": 5, "ttl": 5}},
        "redisHost": "10.0.0.1", "redisPort": 6379, "redisDatabase": 2, "redisPassword": "p@ss:w/rd"
    }"#;
    assert_eq!(listen(text), ["127.0.0.1:8080", "[::1]:8080"]);
    let loaded = load(text).unwrap();
    assert_eq!(loaded.settings.proxy.upstream.connections, Some(500), "100 for each of 5 workers");
    assert_eq!(loaded.settings.registry.url, ["redis://:p%40ss%3Aw%2Frd@10.0.0.1:6379/2"]);
    let remarks = loaded.remarks.join("\n");
    for part in ["`server.https` is ignored", "`server.lruCache` is ignored"] {
        assert!(remarks.contains(part), "{part}: {remarks}");
    }
}

#[test]
fn a_port_of_0_3_without_an_address_listens_everywhere() {
    let text = r#"{"server": {"port": 8080}}"#;
    assert_eq!(listen(text), ["0.0.0.0:8080"]);
    assert!(remarks(text).contains("listens on all IPv4 addresses"));
    assert_eq!(listen(r#"{"http": {"port": 8080}}"#), ["127.0.0.1:8080"]);
    assert_eq!(listen(r#"{"http": {"bind": "localhost", "port": 81}}"#), ["127.0.0.1:81"]);
}

#[test]
fn a_user_before_the_password_is_left_out_because_hipache_logs_in_by_password_alone() {
    let url = |text: &str| load(text).unwrap().settings.registry.url;
    assert_eq!(url(r#"{"driver": "redis://ignored:p%40:w@h:1/2#a@b"}"#), ["redis://:p%40:w@h:1/2#a@b"]);
    assert_eq!(url(r#"{"driver": ["redis://u:a@h", "redis://pw@h"]}"#), ["redis://:a@h", "redis://pw@h"]);
}

#[test]
fn older_redis_spellings_become_urls() {
    let url = |text: &str| load(text).unwrap().settings.registry.url;
    assert_eq!(url(r#"{"redisPort": 7000}"#), ["redis://127.0.0.1:7000"]);
    assert_eq!(url(r#"{"redis": {"host": "r", "port": 7000}}"#), ["redis://r:7000"]);
    assert_eq!(
        url(
            r#"{"redisHost": "a", "redisMasterHost": "b", "redisMasterPort": 1, "redisMasterDatabase": "4"}"#
        ),
        ["redis://a", "redis://b:1/4"]
    );
    assert_eq!(url(r#"{"redisHost": "a", "driver": "redis:"}"#), ["redis:"]);
}

#[test]
fn broken_json_names_line_and_column() {
    let error = load("{\n  \"server\": {\n    \"port\": 80,\n  }\n}").unwrap_err();
    assert_eq!(error, "D/config.json:4: not JSON: trailing comma at line 4 column 3");
}

#[test]
fn nonsense_is_named_by_its_key() {
    for (text, part) in [
        (r#"{"server": {"workers": "many"}}"#, "`server.workers` is \"many\", but must be a whole number"),
        (r#"{"server": {"workers": 0}}"#, "needs at least 1"),
        (r#"{"server": {"maxSockets": 0}}"#, "leave it out for no limit"),
        (r#"{"server": 5}"#, "`server` is 5, but must be an object"),
        (r#"{"http": {"port": 70000}}"#, "ports end at 65535"),
        (r#"{"http": {"bind": []}}"#, "`http.bind` is empty"),
        (r#"{"http": {"bind": "no such host!"}}"#, "neither an address nor a name"),
        (r#"{"driver": "etcd://x"}"#, "`driver` \"etcd\" is not supported"),
        (r#"{"user": ""}"#, "`user` is empty"),
        ("[]", "must be a JSON object"),
    ] {
        let error = load(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn unknown_keys_are_remarked_as_hipache_ignores_them() {
    let remarks = remarks(r#"{"server": {"deadBackendTtl": 3}, "sever": {}}"#);
    assert!(
        remarks.contains("`server.deadBackendTtl` is ignored: no such key; did you mean `deadBackendTTL`?")
    );
    assert!(remarks.contains("`sever` is ignored: no such key; did you mean `server`?"), "{remarks}");
}

#[test]
fn numbers_may_be_written_as_javascript_takes_them() {
    let settings = load(r#"{"server": {"deadBackendTTL": "7", "retryOnError": false, "tcpTimeout": 0}}"#);
    let proxy = settings.unwrap().settings.proxy;
    assert_eq!(proxy.health.dead_ttl.as_secs(), 7);
    assert_eq!(proxy.upstream.retries, 0);
    assert_eq!(proxy.client.idle_timeout.as_secs(), 86_400, "0 switches hipache's timeout off");
}
