//! What the command line says and how it ends.

use crate::world::{World, portico};

#[test]
fn help_shows_examples_and_version_a_number() {
    let help = portico(&["--help"]).finish();
    let version = portico(&["--version"]).finish();

    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("portico demo") && help.stdout.contains("Examples:"), "{}", help.stdout);
    assert_eq!(version.stdout.trim(), format!("portico {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [&["run", "--htpp", "x"][..], &["run", "--http", "8080"], &["fly"], &[]] {
        let finished = portico(arguments).finish();
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
        assert!(!finished.stderr.is_empty());
    }
}

#[test]
fn roles_that_are_switched_off_are_an_error_and_not_a_process_that_does_nothing() {
    let finished = portico(&["run", "--only", "control"]).env("PORTICO_CONTROL__ENABLED", "false").finish();

    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("there is nothing to do; set it to true"), "{}", finished.stderr);
}

#[test]
fn check_says_what_a_configuration_would_do() {
    let world = World::new();
    let file = world.write("portico.toml", "[http]\nlisten = [\"127.0.0.1:7000\"]\n");

    let finished =
        portico(&["check", "--config", file.to_str().unwrap()]).env("PORTICO_ADMIN", "off").finish();

    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("serves HTTP on 127.0.0.1:7000"), "{}", finished.stdout);
    assert!(finished.stdout.contains("serves no admin API"));
    assert!(
        finished.stdout.contains(&format!("http.listen = [\"127.0.0.1:7000\"]    # {}:2", file.display()))
    );
    assert!(finished.stdout.contains("admin.listen = \"off\"    # variable PORTICO_ADMIN"));
}

#[test]
fn a_misspelt_key_is_an_error_with_its_line_and_the_nearest_spelling() {
    let world = World::new();
    let file = world.write("portico.toml", "[client]\n\nhead_timout = \"1s\"\n");
    let path = file.to_str().unwrap();

    for command in ["check", "run"] {
        let finished = portico(&[command, "--config", path]).finish();

        assert_eq!(finished.code, Some(1));
        let expected = format!(
            "portico: {path}:3: unknown key `client.head_timout`; did you mean `client.head_timeout`?\n"
        );
        assert_eq!(finished.stderr, expected);
    }
}

#[test]
fn check_hides_what_is_secret() {
    let finished = portico(&["check", "--registry", "redis://:hush@127.0.0.1:1/0"])
        .env("PORTICO_ADMIN_TOKEN", "whisper-whisper-whisper")
        .finish();

    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!finished.stdout.contains("hush") && !finished.stdout.contains("whisper"), "{}", finished.stdout);
}

#[test]
fn a_command_that_reaches_no_portico_says_where_it_looked() {
    let finished = portico(&["status", "--server", "http://127.0.0.1:1"]).finish();

    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    assert!(finished.stderr.contains("127.0.0.1:1"), "{}", finished.stderr);
}
