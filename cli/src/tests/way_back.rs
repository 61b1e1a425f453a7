//! `diff`, `rollback`, `export`, `import` and `backup`, against a server that says what the test wants.

use super::{asked, server};

const CHANGES: &str = r#"[
    {"frontend":"a.example.com","before":{"host":"a.example.com","endpoints":[{"url":"http://x:80"}]},
     "after":{"host":"a.example.com","endpoints":[{"url":"http://y:80"}],"balance":"random"}},
    {"frontend":"b.example.com/api","before":null,"after":{"host":"b.example.com","path":"/api","endpoints":[]}},
    {"frontend":"c.example.com","before":{"host":"c.example.com","endpoints":[{"url":"http://x:80"}]},"after":null},
    {"frontend":"d.example.com","before":null,"after":{"host":"d.example.com","endpoints":[{"url":"http://x:80"}]},
     "unknown":["before"]}]"#;

#[test]
fn a_difference_says_what_came_what_went_and_what_changed() {
    let body = format!(r#"{{"from":41,"to":57,"changes":{CHANGES},"next":null}}"#);
    let (url, server) = server("200 OK", &body);

    let answer = asked(&["diff", "41", "--server", &url]).unwrap();

    insta::assert_snapshot!(answer.text, @r"
    FRONTEND           CHANGE   WHAT
    a.example.com      changed  -http://x:80 +http://y:80 policy changed
    b.example.com/api  added    -> no endpoint (502)
    c.example.com      removed  http://x:80
    d.example.com      unknown  http://x:80; nobody saw what it said first
    ");
    assert!(server.join().unwrap().starts_with("GET /v1/diff?from=41 HTTP/1.1\r\n"));
}

#[test]
fn nothing_that_differs_is_said() {
    let (url, server) = server("200 OK", r#"{"from":41,"to":40,"changes":[],"next":null}"#);

    let answer = asked(&["diff", "41", "40", "--server", &url]).unwrap();

    assert_eq!(answer.text, "nothing differs between 41 and 40\n");
    assert!(server.join().unwrap().starts_with("GET /v1/diff?from=41&to=40 HTTP/1.1\r\n"));
}

#[test]
fn a_rollback_prints_its_plan() {
    let body = format!(
        r#"{{"dry_run":false,"revision":60,"live":true,"made":1,"changed":1,"removed":1,"unchanged":3,
        "writes":1,"changes":{CHANGES},"more":0,
        "ignored":[{{"place":"e.example.com","reason":"nobody saw it","remedy":"write it by hand"}}]}}"#
    );
    let (url, server) = server("200 OK", &body);

    let answer = asked(&["rollback", "41", "--only", "frontends", "--server", &url]).unwrap();

    insta::assert_snapshot!(answer.text, @r"
    FRONTEND           CHANGE   WHAT
    a.example.com      changed  -http://x:80 +http://y:80 policy changed
    b.example.com/api  added    -> no endpoint (502)
    c.example.com      removed  http://x:80
    d.example.com      unknown  http://x:80; nobody saw what it said first
    left out:
      e.example.com: nobody saw it; write it by hand
    back to revision 41: 1 added, 1 changed, 1 removed, 3 unchanged (revision 60, live)
    ");
    let request = server.join().unwrap();
    assert!(request.starts_with("POST /v1/rollback HTTP/1.1\r\n"), "{request}");
    let asked = r#"{"to":41,"only":["frontends"],"dry_run":false,"keep_unknown":false,"in_parts":false}"#;
    assert!(request.ends_with(asked), "{request}");
}

#[test]
fn an_import_names_what_was_not_taken_in_and_ends_with_1() {
    let body = r#"{"dry_run":true,"revision":7,"live":false,"made":2,"changed":0,"removed":0,"unchanged":1,
        "writes":1,"changes":[],"more":0,
        "refused":[{"place":"frontend:a:80","reason":"it is for port 80 alone","remedy":"leave it out"}]}"#;
    let (url, server) = server("200 OK", body);
    let from = "redis://:secret@10.0.0.5:6379/0#p";

    let answer = asked(&["import", "--from", from, "--dry-run", "--layout", "hipache", "--server", &url]);

    let answer = answer.unwrap();
    assert_eq!(answer.code, 1);
    insta::assert_snapshot!(answer.text, @r"
    not taken in:
      frontend:a:80: it is for port 80 alone; leave it out
    would be imported: 2 added, 0 changed, 0 removed, 1 unchanged (nothing was written; revision 7)
    ");
    let request = server.join().unwrap();
    let line = "POST /v1/import?replace=false&dry_run=true&keep_going=false&layout=hipache HTTP/1.1\r\n";
    assert!(request.starts_with(line), "{request}");
    assert!(request.ends_with(&format!(r#"{{"from":"{from}"}}"#)), "{request}");
}

#[test]
fn an_export_is_printed_as_it_is_and_a_file_is_not_begun_for_an_answer_that_is_none() {
    let (url, server) = server("200 OK\r\nPortico-Revision: 7", "{\"format\":\"x\"}\n");
    let answer = asked(&["export", "--server", &url]).unwrap();
    assert_eq!(answer.text, "{\"format\":\"x\"}\n");
    server.join().unwrap();

    let path = std::env::temp_dir().join(format!("portico-none-{}", std::process::id()));
    let path = path.to_str().unwrap();
    for command in ["export", "backup"] {
        let (url, server) = super::server("200 OK", "hello");
        let failure = asked(&[command, path, "--server", &url]).unwrap_err();
        assert_eq!(failure.code(), 3, "{failure:?}");
        assert!(!std::path::Path::new(path).exists());
        server.join().unwrap();
    }
}

#[test]
fn a_registrys_own_file_is_not_written_over() {
    let path = std::env::temp_dir().join(format!("portico-own-{}", std::process::id()));
    let lock = format!("{}.lock", path.display());
    std::fs::write(&lock, "1").unwrap();

    let failure = asked(&["backup", path.to_str().unwrap(), "--server", "http://127.0.0.1:1"]).unwrap_err();

    std::fs::remove_file(&lock).unwrap();
    assert!(failure.line().contains("is the file of a registry"), "{}", failure.line());
}

#[test]
fn a_file_that_cannot_be_read_is_named_before_anything_is_sent() {
    let failure =
        asked(&["import", "/nonexistent/facts.json", "--server", "http://127.0.0.1:1"]).unwrap_err();

    assert_eq!(failure.code(), 1);
    assert_eq!(
        failure.line(),
        "error: /nonexistent/facts.json: no such file or directory; name another file"
    );
}
