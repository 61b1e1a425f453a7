//! What containers print is read, and commands run in them, through the binary and a real engine.

use std::process::{Command, Stdio};

use engine::Engine;

use crate::world::{Finished, Fleet, Portico, eventually, portico, until};

/// Makes images that say their version on both streams, every fifth of a second again, and end when they are told to.
fn talkers(engine: &Engine, names: &[&str]) {
    for name in names {
        let version = name.rsplit(':').next().unwrap();
        let script = format!(
            "trap 'exit 0' TERM; echo first {version}; i=0; while true; do i=$((i+1)); echo out {version} $i; \
             echo err {version} $i >&2; sleep 0.2 & wait; done"
        );
        engine.image(name, &[], &format!(r#"CMD ["sh", "-c", "{script}"]"#)).unwrap();
    }
}

fn talk(image: &str, rest: &str) -> String {
    format!("kind: service\nname: talk\nimage: {image}\n{rest}\n")
}

fn server(fleet: &Fleet) -> String {
    format!("http://{}", fleet.portico.admin())
}

/// Runs a command in a container.
fn exec(fleet: &Fleet, arguments: &[&str]) -> Finished {
    let server = server(fleet);
    portico(&[&["exec", "--server", &server], arguments].concat()).finish()
}

/// What a shell makes of a script in which `PORTICO` is the command with its server.
fn shell(fleet: &Fleet, script: &str) -> Finished {
    let all = format!("PORTICO() {{ c=$1; shift; \"$P\" \"$c\" --server \"$S\" \"$@\"; }}; {script}");
    let output = Command::new("sh")
        .args(["-c", &all])
        .env("P", env!("CARGO_BIN_EXE_portico"))
        .env("S", server(fleet))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Whether some line is of this instance and begins so.
fn has(lines: &str, instance: &str, begins: &str) -> bool {
    lines
        .lines()
        .filter_map(|line| line.split_once(" | "))
        .any(|(name, text)| name.trim_end() == instance && text.starts_with(begins))
}

#[test]
fn what_instances_print_is_told_with_the_instance_before_each_line() {
    let fleet = Fleet::new();
    talkers(&fleet.engine, &["logged-talk:1"]);
    fleet.apply(&talk("logged-talk:1", "instances: 2"));
    fleet.settles("talk", 2);
    eventually("both have said something", || {
        let all = fleet.portico.does(&["logs", "talk"]);
        ["talk-1", "talk-2"].iter().all(|name| has(&all, name, "err 1 2"))
    });

    let all = fleet.portico.cli(&["logs", "talk"]);
    let tail = fleet.portico.cli(&["logs", "--tail", "1", "talk"]);
    let one = fleet.portico.does(&["logs", "--tail", "3", "-t", "talk/2"]);
    let recent = fleet.portico.does(&["logs", "--since", "1h", "talk/1"]);
    let json = fleet.portico.does(&["logs", "--tail", "1", "talk/1", "--json"]);

    for said in ["first 1", "out 1 1", "err 1 1"] {
        assert!(["talk-1", "talk-2"].iter().all(|name| has(&all.stdout, name, said)), "{all:?}");
    }
    assert_eq!(tail.stdout.lines().count(), 2, "{tail:?}");
    assert_eq!(one.lines().count(), 3, "{one}");
    let year = |line: &str| line.starts_with("talk-2 | 20") && line.contains("Z ");
    assert!(one.lines().all(year), "{one}");
    assert!(has(&recent, "talk-1", "first 1") && !recent.contains("talk-2"), "{recent}");
    let line: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(line["instance"], "1");
}

#[test]
fn logs_that_are_followed_tell_of_instances_that_come_and_end_with_who_reads_them() {
    let fleet = Fleet::new();
    talkers(&fleet.engine, &["followed-talk:1", "followed-talk:2"]);
    fleet.apply(&talk("followed-talk:1", "instances: 1"));
    fleet.settles("talk", 1);
    let server = server(&fleet);
    let mut follower: Portico = portico(&["logs", "-f", "talk", "--server", &server]).spawn();
    until("it is followed", || has(&follower.output(), "talk-1", "out 1").then_some(()));

    fleet.portico.does(&["scale", "talk", "2"]);
    eventually("one that came is followed", || has(&follower.output(), "talk-2", "first 1"));
    fleet.portico.does(&["deploy", "talk", "--image", "followed-talk:2"]);
    eventually("another version is followed", || follower.output().contains(" | first 2"));
    fleet.settles("talk", 2);
    follower.signal("INT");
    let ended = follower.ended();
    let cut = shell(&fleet, "PORTICO logs -f talk | head -n 2");

    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(2), "{ended:?}");
    assert!(!follower.log().contains("error"), "{}", follower.log());
    // Each line is told once.
    let output = follower.output();
    assert_eq!(output.lines().filter(|line| line.ends_with("talk-1 | out 1 1")).count(), 1, "{output}");
    assert_eq!((cut.code, cut.stdout.lines().count(), &*cut.stderr), (Some(0), 2, ""), "{cut:?}");
}

#[test]
fn a_command_runs_in_a_container_with_its_streams_and_its_exit_code() {
    let fleet = Fleet::new();
    talkers(&fleet.engine, &["entered-talk:1"]);
    fleet.apply(&talk("entered-talk:1", "instances: 2"));
    fleet.settles("talk", 2);

    let both = exec(&fleet, &["talk", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
    let killed = exec(&fleet, &["talk", "sh", "-c", "kill -9 $$"]);
    let input = shell(&fleet, "printf 'one\\ntwo\\n' | PORTICO exec -i talk/2 -- wc -l");
    let none = shell(&fleet, "printf one | PORTICO exec talk/2 -- cat");
    let unread = shell(&fleet, "{ PORTICO exec talk -- seq 3000000; echo $? >&2; } | head -n 1");
    let own = exec(&fleet, &["talk/2", "--", "hostname"]);
    let other = exec(&fleet, &["talk/1", "--", "hostname"]);

    assert_eq!((both.code, &*both.stdout, &*both.stderr), (Some(3), "out\n", "err\n"));
    assert_eq!(killed.code, Some(137), "{killed:?}");
    assert_eq!((input.code, input.stdout.trim()), (Some(0), "2"), "{input:?}");
    assert_eq!((none.code, &*none.stdout), (Some(0), ""), "{none:?}");
    assert_eq!((&*unread.stdout, unread.stderr.trim()), ("1\n", "141"), "{unread:?}");
    assert!(own.code == Some(0) && own.stdout != other.stdout, "{own:?} {other:?}");
}

#[test]
fn a_terminal_is_one_and_what_cannot_be_run_is_said_as_a_shell_says_it() {
    let fleet = Fleet::new();
    talkers(&fleet.engine, &["shown-talk:1"]);
    fleet.apply(&talk("shown-talk:1", ""));
    fleet.settles("talk", 1);

    let entered =
        "script -qec 'exec \"$P\" exec -ti --server \"$S\" talk -- sh -c \"tty; exit 5\"' /dev/null";
    let terminal = shell(&fleet, entered);
    // An engine's own helper may end before it has said why.
    let lacks = until("it is said", || {
        let lacks = exec(&fleet, &["talk", "--", "nosuch"]);
        (!lacks.stderr.contains("init-p")).then_some(lacks)
    });
    let folder = exec(&fleet, &["talk", "--", "/bin"]);
    fleet.portico.does(&["stop", "talk"]);
    eventually("nothing is left", || fleet.instances("talk").is_empty());
    let stopped = exec(&fleet, &["talk", "--", "true"]);
    let silent = fleet.portico.cli(&["logs", "talk"]);

    assert!(terminal.code == Some(5) && terminal.stdout.contains("/dev/pts/"), "{terminal:?}");
    assert_eq!((lacks.code, &*lacks.stdout), (Some(127), ""), "{lacks:?}");
    assert_eq!(lacks.stderr, "exec: \"nosuch\": executable file not found in $PATH\n");
    assert_eq!((folder.code, &*folder.stdout), (Some(126), ""), "{folder:?}");
    assert!(folder.stderr.contains("\"/bin\"") && folder.stderr.contains("permission denied"), "{folder:?}");
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    assert!(stopped.stderr.contains("no instance of service talk runs"), "{stopped:?}");
    assert!(stopped.stderr.contains("portico instance ls talk"), "{stopped:?}");
    assert_eq!((silent.code, &*silent.stdout), (Some(1), ""), "{silent:?}");
    assert!(silent.stderr.contains("no instance of service talk runs"), "{silent:?}");
}
