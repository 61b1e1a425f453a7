//! `portico wait` and `--wait` against a server that waits as it likes.

use super::*;

/// A server that gives these answers, one a connection, and hands back the first line of each request.
fn answering(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let answer = |body: String| {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let request = whole(&mut reader);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            reader.get_mut().write_all((head + &body).as_bytes()).unwrap();
            request.lines().next().unwrap().to_owned()
        };
        answers.into_iter().map(answer).collect()
    });
    (url, thread)
}

fn reached(served: bool, waited_ms: u64) -> String {
    format!(
        r#"{{"revision":42,"served":{served},"doors":2,"waited_ms":{waited_ms},"timeout_ms":9000,"laggards":[],"lost":[],"others":"none"}}"#
    )
}

#[test]
fn a_long_wait_is_made_of_calls_that_are_shorter_than_a_request_may_take() {
    let (url, server) = answering(vec![reached(false, 9000), reached(true, 5)]);

    let answer = asked(&["wait", "--timeout", "30s", "--server", &url]).unwrap();

    assert_eq!((answer.code, &*answer.text), (0, "revision 42 is served at all 2 doors\n"));
    let lines = server.join().unwrap();
    assert_eq!(lines[0], "GET /v1/wait?timeout=9000ms HTTP/1.1");
    assert_eq!(lines[1], "GET /v1/wait?revision=42&timeout=9000ms HTTP/1.1", "the same revision");
}

#[test]
fn a_server_that_hears_no_more_is_not_asked_again() {
    let (url, server) = answering(vec![reached(false, 3)]);

    let answer = asked(&["wait", "--timeout", "30s", "--server", &url]).unwrap();

    assert_eq!((answer.code, server.join().unwrap().len()), (1, 1));
}

/// A file of a service that says of no image how it is launched: what it extends does.
fn derived() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"kind: service\nname: web\nextends: base\n").unwrap();
    file
}

fn applied(launched: &str) -> String {
    format!(
        r#"{{"dry_run":false,"revision":42,"live":true,"made":1,"changed":0,"removed":0,"unchanged":0,"writes":1,
            "changes":[],"launched":{launched}}}"#
    )
}

const SETTLED: &str = r#"{"revision":43,"service":"web","version":"692fb9002abb256b","image":"web:2","wanted":1,"healthy":1,
    "state":"done","controller":"a","reason":"","settled":true,"failed":false,"missing":"","instances":[]}"#;

#[test]
fn what_an_apply_launches_is_followed_as_the_server_names_it() {
    let answers = vec![applied(r#"["web"]"#), reached(true, 1), SETTLED.to_owned(), reached(true, 1)];
    let (url, server) = answering(answers);
    let file = derived();

    let path = file.path().to_str().unwrap();
    let answer = asked(&["apply", "-f", path, "--wait=5s", "--json", "--server", &url]).unwrap();

    assert_eq!(answer.code, 0, "{}", answer.json);
    let lines = server.join().unwrap();
    assert_eq!(lines[2], "GET /v1/services/web/rollout HTTP/1.1", "{lines:?}");
    assert_eq!(answer.json.matches("\"wait\":").count(), 1, "{}", answer.json);
}

#[test]
fn a_canary_that_failed_is_not_promoted() {
    let canary = r#"{"version":"238b84c8bfa9a537","image":"web:3","percent":10,"wanted":1,"healthy":0,"state":"failed",
        "reason":"exit code 7"}"#;
    let rollout = SETTLED.replace(r#""instances""#, &format!(r#""canary":{canary},"instances""#));
    let service =
        r#"{"revision":40,"service":{"name":"web","image":"web:2","canary":{"image":"web:3","percent":10}}}"#;
    let (url, server) = answering(vec![rollout, service.to_owned()]);

    let refused = asked(&["promote", "web", "--server", &url]).unwrap_err();

    assert!(refused.line().contains("canary web:3 of web failed: exit code 7"), "{}", refused.line());
    let lines = server.join().unwrap();
    assert!(lines.iter().all(|line| line.starts_with("GET ")), "nothing is written: {lines:?}");
}
