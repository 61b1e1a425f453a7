//! One request to an engine's API, in plain HTTP/1.0: no client is between it and a test.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may be waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What pushes to a [`crate::Registry`]: its user and password, in base64 for URLs.
const CREDENTIALS: &str = "eyJ1c2VybmFtZSI6ImpvIiwicGFzc3dvcmQiOiJzMz8-Y3JldH5-In0=";

/// What the engine says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The body.
    pub text: String,
}

pub(crate) fn ask(socket: &Path, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nX-Registry-Auth: {CREDENTIALS}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    // An engine that has not read all of what it was sent, the padding of an archive, resets the connection after it has answered.
    let read = stream.read_to_end(&mut answer);
    read.map(drop).or_else(|error| if answer.is_empty() { Err(error) } else { Ok(()) })?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no answer of HTTP: {head}")))?;
    Ok(Answer { status, text: text.to_owned() })
}
