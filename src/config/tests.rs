//! The files in `config/` against the code, and the order of precedence.

use std::collections::BTreeSet;

use super::*;

fn sources(text: &str, name: &str) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, Sources { file: Some(path), ..Sources::default() })
}

fn load(text: &str) -> Result<Loaded, Problems> {
    sources(text, "portico.toml").1.load()
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

#[test]
fn the_example_names_every_setting_with_its_default() {
    let path = shipped("example.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let defaults = Settings::default();

    let mut problems = Vec::new();
    let assignments = file::read(&text, &path, &mut problems);

    assert_eq!(problems, []);
    let mut named = BTreeSet::new();
    for assignment in assignments {
        let setting = Setting::named(assignment.key).unwrap();
        let default = setting.get(&defaults);
        if setting.key != "data" {
            let mut written = defaults.clone();
            setting.set(&mut written, &assignment.value).unwrap();
            assert_eq!(setting.get(&written), default, "{} of {}", setting.key, assignment.place);
            assert_eq!(assignment.value, default, "{}: spell it as portico check does", setting.key);
        }
        named.insert(setting.key);
    }
    let missing: Vec<_> = SETTINGS.iter().map(|s| s.key).filter(|key| !named.contains(key)).collect();
    assert!(missing.is_empty(), "config/example.toml does not explain {missing:?}");
}

#[test]
fn the_internet_facing_example_is_understood_and_guarded() {
    let text = std::fs::read_to_string(shipped("internet.toml")).unwrap();

    let settings = load(&text).unwrap().settings;

    let dns = &settings.dns;
    assert!(dns.rate_limit > 0 && dns.cookies == dnsd::config::CookieUse::On && !dns.deny.is_empty());
    assert!(settings.admin.listen.is_some_and(|address| address.ip().is_loopback()));
}

#[test]
fn the_example_explains_every_key_of_a_listener() {
    let text = std::fs::read_to_string(shipped("example.toml")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("#   ")).collect::<Vec<_>>().join("\n");

    let loaded = load(&lines).unwrap();

    for part in listener::PARTS {
        assert!(lines.lines().any(|line| line.starts_with(&format!("{} = ", part.key))), "{}", part.key);
    }
    assert_eq!(loaded.settings.proxy.listen.len(), 2);
}

#[test]
fn every_configuration_that_is_shipped_can_be_loaded() {
    for entry in std::fs::read_dir(shipped("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let loaded = Sources { file: Some(path.clone()), ..Sources::default() }.load();
            assert!(loaded.is_ok(), "{}: {}", path.display(), loaded.unwrap_err());
        }
    }
}

#[test]
fn flags_go_before_variables_before_the_file_before_defaults() {
    let text = "[http]\nworkers = 1\n[client]\nhead_timeout = \"1s\"\n[upstream]\nretries = 7\n";
    let (_folder, mut sources) = sources(text, "portico.toml");
    sources.variables.insert("PORTICO_WORKERS".into(), "2".into());
    sources.variables.insert("PORTICO_CLIENT__HEAD_TIMEOUT".into(), "2s".into());
    sources.flags.push(Assignment {
        key: "http.workers",
        value: Value::Number(3),
        place: Place::Flag("--workers"),
    });

    let loaded = sources.load().unwrap();

    assert_eq!(loaded.settings.proxy.workers, 3);
    assert_eq!(loaded.place("http.workers"), Place::Flag("--workers"));
    assert_eq!(loaded.settings.proxy.client.head_timeout.as_secs(), 2);
    assert_eq!(loaded.settings.proxy.upstream.retries, 7);
    assert_eq!(loaded.settings.proxy.upstream.head_bytes, 64 << 10);
}

#[test]
fn a_wrong_value_names_its_line_and_how_to_write_it() {
    let (folder, sources) = sources("[http]\n\ndrain = 30\n", "portico.toml");
    let error = sources.load().unwrap_err().to_string();
    let place = folder.path().join("portico.toml");
    let expected = format!(
        "{}:3: `http.drain` is 30, but must be a duration such as \"500ms\", \"30s\", \"5m\" or \"1h\"",
        place.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn a_wrong_variable_is_named() {
    let mut sources = Sources::default();
    sources.variables.insert("PORTICO_WORKERS".into(), "many".into());
    let error = sources.load().unwrap_err().to_string();
    assert!(error.starts_with("variable PORTICO_WORKERS: `http.workers` is \"many\""), "{error}");
}

#[test]
fn settings_that_contradict_each_other_are_problems() {
    for (text, part) in [
        ("version = 2", "this portico reads version 1"),
        ("[http]\nlisten = []", "write at least one address"),
        ("[upstream]\nunix = [\"run/apps\"]", "has run/apps, but folders begin with `/`"),
        ("[upstream]\nunix = [\"/run/apps/../x\"]", "have no `..`"),
        ("[http]\nlisten = [\"127.0.0.1:80\", {address = \"127.0.0.1:80\"}]", "names 127.0.0.1:80 twice"),
        ("[http]\nlisten = [{scheme = \"https\"}]", "each listener needs an `address`"),
        (
            &format!("[dns]\nzone = \"{}example\"", "a23456789.".repeat(24)),
            "`dns.zone` is so long that no name fits below it",
        ),
        (
            "[registry]\nlease = \"3s\"",
            "`registry.lease` is 3s, but must be at least twice `registry.timeout` (2s)",
        ),
        (
            "[registry]\nreconcile = \"15s\"",
            "`registry.lease` is 15s, but must be longer than `registry.reconcile` (15s)",
        ),
        ("[registry]\nlost = \"8761h\"", "`registry.lost` is longer than a year"),
        ("[registry]\nurl = \"etcd:\"", "`registry.url` cannot be used"),
        ("[registry]\nurl = []", "write one, or two"),
        ("[admin]\nlisten = \"0.0.0.0:8081\"", "set admin.token"),
        ("[client]\nidle_timeout = \"0s\"", "must be longer"),
        ("[log]\nlevel = \"loud\"", "`log.level` has no level \"loud\""),
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(load("[admin]\nlisten = \"0.0.0.0:8081\"\ntoken = \"secret\"").is_ok());
}

#[test]
fn all_independent_problems_are_named_at_once() {
    let text = "version = 2\n[htpp]\nlisten = 1\n[http]\ndrain = 30\n[admin]\nlisten = \"0.0.0.0:8081\"\ntokn = \"x\"\n";
    let (folder, mut sources) = sources(text, "portico.toml");
    sources.variables.insert("PORTICO_WORKERS".into(), "many".into());
    sources.variables.insert("PORTICO_CLIENT__HEAD_TIMOUT".into(), "1s".into());
    sources.variables.insert("PORTICO_LOG".into(), "loud".into());

    let error = sources.load().unwrap_err().to_string();

    let error = error.replace(&folder.path().join("portico.toml").display().to_string(), "p.toml");
    let starts = [
        "p.toml:1: `version` is 2",
        "p.toml:2: unknown key `htpp`",
        "p.toml:5: `http.drain` is 30",
        // That admin.listen misses a token is not said: the misspelt one was meant.
        "p.toml:8: unknown key `admin.tokn`",
        "variable PORTICO_CLIENT__HEAD_TIMOUT: names no setting",
        "variable PORTICO_LOG: `log.level` has no level",
        "variable PORTICO_WORKERS: `http.workers` is",
    ];
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), starts.len(), "{error}");
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let sources = Sources { file: Some("/no/such/file.toml".into()), ..Sources::default() };
    let error = sources.load().unwrap_err().to_string();
    assert!(error.starts_with("/no/such/file.toml: cannot be read: No such file"), "{error}");
}

#[test]
fn hipaches_flavour_chooses_the_file_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"http": {"port": 81}}"#).unwrap();
    std::fs::write(folder.path().join("config_test.json"), r#"{"http": {"port": 82}}"#).unwrap();
    let mut sources = Sources { file: Some(folder.path().to_owned()), ..Sources::default() };
    assert_eq!(sources.load().unwrap().settings.proxy.listen[0].address.port(), 81);

    sources.variables.insert("SETTINGS_FLAVOR".into(), "test".into());
    assert_eq!(sources.load().unwrap().settings.proxy.listen[0].address.port(), 82);

    sources.file = Some(folder.path().join("config.json"));
    assert_eq!(
        sources.load().unwrap().settings.proxy.listen[0].address.port(),
        81,
        "a file that is named wins, as in hipache"
    );

    sources.file = None;
    let error = sources.load().unwrap_err().to_string();
    assert!(error.contains("neither config/config_test.json nor config_test.json"), "{error}");
}

#[test]
fn what_needs_a_restart_is_known() {
    let listening =
        |keys: &str| load(&format!("[[http.listen]]\naddress = \"127.0.0.1:1\"\n{keys}")).unwrap();
    let (plain, scheme) = (listening(""), listening("scheme = \"https\"\ntrusted = []\n"));
    assert_eq!((plain.changed(&scheme), plain.not_live(&scheme)), (vec!["http.listen"], vec![]));
    assert_eq!(listening("[[http.listen]]\naddress = \"127.0.0.1:2\"\n").not_live(&plain), ["http.listen"]);
    let before = load("[http]\nworkers = 1\n").unwrap();
    let after = load("[http]\nworkers = 2\ndrain = \"1s\"\n").unwrap();
    assert_eq!(after.not_live(&before), ["http.workers"]);
}
