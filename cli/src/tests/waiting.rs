//! `portico wait` against a server that waits as it likes.

use super::*;

/// A server that gives these answers, one a connection, and hands back the first line of each request.
fn answering(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let answer = |body: String| {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let lines: Vec<String> =
                reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            reader.get_mut().write_all((head + &body).as_bytes()).unwrap();
            lines[0].clone()
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
