//! What the documents say: their commands do what they say, word for word.

use std::path::Path;
use std::process::Command;

use crate::world::{Portico, World, eventually, get};

#[test]
fn the_commands_of_the_redis_document_work_as_printed() {
    let world = World::new();
    let redis = world.redis();
    let portico = world.portico(&["--registry", &redis.url()]);
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/redis.md")).unwrap();
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("redis-cli ")).collect();
    assert!(commands.len() >= 4, "{commands:?}");

    for command in commands {
        let here = command.replacen("redis-cli", &format!("redis-cli -e -p {}", redis.port()), 1);
        let done = Command::new("sh").args(["-c", &here]).output().unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }

    eventually("what they wrote is there", || {
        let listed = portico.does(&["frontend", "ls"]);
        listed.contains("http://10.0.0.7:8000") && !listed.contains("http://10.0.0.8:8000")
    });
    eventually("so is the JSON", || {
        portico.cli(&["frontend", "show", "www.example.com/api"]).code == Some(0)
    });
    let shown = portico.does(&["frontend", "show", "www.example.com/api"]);
    assert!(shown.contains("least_loaded") && shown.contains("http://10.0.0.9:9000"), "{shown}");
    assert_eq!(portico.cli(&["verify"]).code, Some(0), "nothing in it is set aside");
}

#[test]
fn what_the_redis_document_names_is_there_after_a_write() {
    let world = World::new();
    let redis = world.redis();
    let portico = world.portico(&["--registry", &format!("{}/0#app-", redis.url())]);
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    let mut changes = redis.subscribe("app-portico:changes");

    portico.does(&["frontend", "add", "www.example.com/api", "http://10.0.0.7:8000"]);
    portico.does(&["frontend", "add", "www.example.com", "http://10.0.0.7:8000"]);

    let told = changes.next();
    assert!(told.contains("\"revision\":1") && told.contains("\"who\":\"cli:"), "{told}");
    for (key, kind) in [
        ("frontend:www.example.com", "list"),
        ("portico:frontend:www.example.com/api", "string"),
        ("portico:revision", "string"),
        ("portico:revisions", "hash"),
        ("portico:history", "stream"),
    ] {
        assert_eq!(redis.command(&["TYPE", &format!("app-{key}")]), kind, "{key}");
    }
    eventually("the node says how it stands", || !redis.command(&["KEYS", "app-portico:node:*"]).is_empty());
    assert!(redis.command(&["KEYS", "*"]).lines().all(|key| key.starts_with("app-")));
}

/// The lines of the README's blocks of commands between two headings.
fn commands_of_readme(from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = text.split_once(from).unwrap().1.split_once(to).unwrap().0;
    section.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect()
}

#[test]
fn the_commands_of_the_quick_start_for_dns_work_as_printed() {
    let world = World::new();
    let commands = commands_of_readme("## Quick start, DNS\n", "\n## ");
    let (before, after) = commands.split_once("portico run ").unwrap();
    let (run, after) = after.split_once('\n').unwrap();
    let sh = |text: &str, portico: Option<&Portico>| {
        let mut sh = Command::new("sh");
        sh.args(["-e", "-c", text]).current_dir(world.path("."));
        if let Some(portico) = portico {
            sh.env("PORTICO_SERVER", format!("http://{}", portico.admin()));
        }
        let done = sh.output().unwrap();
        assert!(done.status.success(), "{text}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    sh(before, None);
    let file = run.split_whitespace().skip_while(|word| *word != "--zone-file").nth(1).unwrap();
    let file = file.replace("example.zone", &world.path("example.zone").display().to_string());

    let portico = world.portico(&["--zone-file", &file, "--dns", "127.0.0.1:0"]);
    let after = after.replace("-p 8053", &format!("-p {}", portico.dns().port()));
    let after = after.replace("sleep 1\n", "");
    let said = sh(
        &after.replace("portico record", &format!("{} record", env!("CARGO_BIN_EXE_portico"))),
        Some(&portico),
    );

    let answers = said.lines().filter(|line| line.contains("\tIN\t") && !line.starts_with(';'));
    let answers: Vec<&str> = answers.collect();
    assert!(
        answers.iter().any(|line| line.starts_with("www.example.com.") && line.ends_with("192.0.2.7")),
        "{said}"
    );
    assert!(answers.iter().any(|line| line.starts_with("example.net.") && line.contains("SOA")), "{said}");
}
