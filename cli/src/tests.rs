//! The command line as a whole, against a server that says what the test wants.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use clap::{CommandFactory, Parser};

use super::*;

#[derive(Debug, Parser)]
#[command(name = "portico")]
struct Line {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// A server that answers one request and hands back what it was asked.
fn server(status: &str, body: &str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let request = whole(&mut reader);
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
        request
    });
    (url, thread)
}

/// A request, to its end.
fn whole(reader: &mut impl BufRead) -> String {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        reader.read_line(&mut head).unwrap();
        let line = head[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn line(words: &[&str]) -> Line {
    Line::try_parse_from(["portico"].iter().chain(words)).unwrap()
}

fn asked(words: &[&str]) -> Result<Answer, Failure> {
    let line = line(words);
    ask(&line.command, &line.global)
}

const WRITTEN: &str = r#"{"revision":42,"live":true,"changed":true,
    "frontend":{"host":"www.example.com","endpoints":[{"url":"http://10.0.0.7:8000"}]}}"#;

#[test]
fn the_arguments_are_well_formed() {
    Line::command().debug_assert();
}

#[test]
fn every_command_shows_examples_in_its_help() {
    fn check(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let help = command.clone().render_help().to_string();
        if command.has_subcommands() {
            command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help")
                .for_each(|sub| check(sub, &path));
        } else {
            assert!(help.contains(&format!("Examples:\n {path}")), "{path}: {help}");
        }
    }
    let mut command = Line::command();
    command.build();
    check(&command, "");
}

#[test]
fn adding_explains_what_becomes_of_what_is_there() {
    let help = Line::try_parse_from(["portico", "frontend", "add", "--help"]).unwrap_err().to_string();
    assert!(help.contains("Endpoints that are there already stay") && help.contains("Examples:"), "{help}");
}

#[test]
fn the_server_may_be_named_before_or_after_the_subcommand() {
    let before = line(&["--server", "http://a:1", "--json", "status"]);
    let after = line(&["status", "--server", "http://a:1", "--json"]);
    let within = line(&["frontend", "--server=http://a:1", "ls", "--json"]);
    for line in [before, after, within] {
        assert_eq!((line.global.server.as_str(), line.global.json), ("http://a:1", true));
    }
    assert_eq!(line(&["status"]).global.server, "http://127.0.0.1:8081");
}

#[test]
fn adding_an_endpoint_says_where_the_frontend_leads_now() {
    let (url, server) = server("201 Created", WRITTEN);

    let answer = asked(&[
        "frontend",
        "add",
        "www.example.com/a b",
        "http://10.0.0.7:8000",
        "http://10.0.0.8:8000",
        "--weight",
        "2",
        "--weight",
        "3",
        "--balance",
        "hash:cookie:sid",
        "--if-revision",
        "41",
        "--server",
        &url,
        "--token",
        "secret",
    ]);

    let answer = answer.unwrap();
    assert_eq!(answer.text, "www.example.com -> http://10.0.0.7:8000 (revision 42, live)\n");
    assert_eq!(answer.code, 0);
    let request = server.join().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(
        head.starts_with("post /v1/frontends/www.example.com/endpoints?path=%2fa%20b http/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nauthorization: bearer secret\r\n") && head.contains("\r\nif-match: \"41\""),
        "{head}"
    );
    assert!(head.contains("\r\nportico-who: "), "{head}");
    assert_eq!(
        body,
        r#"{"endpoints":[{"url":"http://10.0.0.7:8000","weight":2},{"url":"http://10.0.0.8:8000","weight":3}],"balance":{"hash":{"cookie":"sid"}}}"#
    );
}

#[test]
fn replacing_a_frontend_puts_it() {
    let (url, server) = server("200 OK", WRITTEN);

    let answer =
        asked(&["frontend", "add", "*", "http://10.0.0.7:8000", "--replace", "--server", &url]).unwrap();

    assert!(answer.json.starts_with("{\n  \"revision\": 42,\n  \"live\": true,"), "{}", answer.json);
    let request = server.join().unwrap();
    assert!(request.starts_with("PUT /v1/frontends/%2A HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with(r#"{"host":"*","endpoints":[{"url":"http://10.0.0.7:8000"}]}"#), "{request}");
}

#[test]
fn a_conflict_says_which_revision_to_expect() {
    let body = r#"{"type":"urn:portico:problem:conflict","title":"Precondition Failed","status":412,
        "detail":"frontend:www.example.com is not as expected: it is at revision 43","remedy":"x","revision":43}"#;
    let (url, server) = server("412 Precondition Failed", body);

    let failure =
        asked(&["frontend", "rm", "www.example.com", "--if-revision", "42", "--server", &url]).unwrap_err();

    assert_eq!(failure.code(), 1);
    insta::assert_snapshot!(failure.line(), @"error: frontend:www.example.com is not as expected: it is at revision 43; look at it with `portico frontend show www.example.com`, then say --if-revision 43");
    assert!(server.join().unwrap().starts_with("DELETE /v1/frontends/www.example.com HTTP/1.1\r\n"));
}

#[test]
fn a_list_is_read_page_after_page() {
    let page = |next: &str| format!(r#"{{"revision":7,"frontends":[],"next":{next}}}"#);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let pages = [page("\"a/b c\""), page("null")];
    let server = std::thread::spawn(move || {
        pages.map(|body| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).unwrap();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
            request
        })
    });

    let answer = asked(&["frontend", "ls", "--server", &url]).unwrap();

    assert!(answer.text.starts_with("no frontends (revision 7)"), "{}", answer.text);
    let [_, second] = server.join().unwrap();
    assert_eq!(second, "GET /v1/frontends?limit=5000&after=a%2Fb%20c HTTP/1.1\r\n");
}

#[test]
fn a_server_that_is_not_there_is_told_with_how_to_start_it() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();

    let failure = asked(&["status", "--server", &format!("127.0.0.1:{port}")]).unwrap_err();

    assert_eq!(failure.code(), 3);
    assert_eq!(
        failure.line(),
        format!(
            "error: cannot reach http://127.0.0.1:{port}: connection refused; \
             start it with `portico run`, or name another with --server or PORTICO_SERVER"
        )
    );
}

#[test]
fn something_else_at_that_port_is_not_taken_for_portico() {
    for (status, body) in
        [("400 Bad Request", "<h1>frontend not found</h1>"), ("200 OK", "hello\x1b[2J"), ("302 Found", "")]
    {
        let (url, server) = server(status, body);

        let failure = asked(&["verify", "--server", &url]).unwrap_err();

        assert_eq!(failure.code(), 3, "{failure:?}");
        assert!(failure.line().contains("is not portico's admin listener"), "{}", failure.line());
        server.join().unwrap();
    }
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_sent() {
    for (words, part) in [
        (&["status", "--server", "https://a"][..], "plain HTTP"),
        (&["status", "--server", "ftp://a"], "not the URL"),
        (&["status", "--server", "http://a b"], "not a URL"),
        (&["status", "--server", ""], "http://"),
        (
            &["frontend", "add", "a", "http://b", "http://c", "http://d", "--weight", "1", "--weight", "2"],
            "2 weights for 3 URLs",
        ),
    ] {
        let failure = asked(words).unwrap_err();
        assert_eq!(failure.code(), 2, "{words:?}: {failure:?}");
        assert!(failure.line().contains(part), "{words:?}: {}", failure.line());
    }
    assert!(Line::try_parse_from(["portico", "frontend", "add", "a"]).is_err());
    assert!(Line::try_parse_from(["portico", "frontend", "add", "a", "b", "--balance", "best"]).is_err());
}

#[test]
fn logs_that_are_not_all_fail_with_what_to_do() {
    let line = r#"{"instance":"1","stream":"stdout","at":"2026-11-28T09:00:00Z","text":"hello"}"#;
    let cut = r#"{"instance":"","stream":"cut","text":"this is not all: the connection is too old"}"#;

    let (url, whole) = server("200 OK", &format!("{line}\n"));
    let answer = asked(&["logs", "web", "--server", &url]).unwrap();
    whole.join().unwrap();
    let (url, ended) = server("200 OK", &format!("{line}\n{cut}\n"));
    let failure = asked(&["logs", "web", "--server", &url]).unwrap_err();
    ended.join().unwrap();

    assert_eq!((answer.code, failure.code()), (0, 1));
    let said = failure.line();
    assert!(said.contains("this is not all") && said.contains("--since"), "{said}");
}

mod waiting;
mod way_back;

#[test]
fn every_command_that_writes_waits_where_it_is_asked_to() {
    for words in [
        "frontend add a.example http://10.0.0.1 --wait",
        "frontend rm a.example --wait=5s",
        "record add a.example A 10.0.0.1 --wait",
        "record rm a.example A --wait",
        "apply -f - --wait",
        "delete -f - --wait",
        "import - --wait",
        "rollback 41 --wait",
        "registry accept --wait",
        "service rm web --wait",
        "instance rm web/a --wait",
        "host rm m1 --wait",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let parsed = Line::try_parse_from(["portico"].iter().chain(&words));
        assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
    }
}
