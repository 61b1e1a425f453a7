//! An answer as a client reads it that takes framing at its word.

use crate::stage::Call;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Where its framing says.
    Framed,
    /// By a clean close, where that is what ends it.
    Closed,
    /// Anywhere else, or by a reset.
    Cut,
}

/// What the client saw.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
    head: String,
    /// All that came, interim answers too.
    pub(super) octets: Vec<u8>,
}

impl Answer {
    /// Whether another answer can follow on the connection.
    pub(super) fn keeps_connection(&self) -> bool {
        self.end == End::Framed && !self.says("connection: close")
    }

    fn says(&self, line: &str) -> bool {
        self.head.contains(&format!("\r\n{line}\r\n"))
    }

    fn length(&self) -> Option<usize> {
        let value = self.head.split_once("\r\ncontent-length: ")?.1;
        value.split("\r\n").next()?.parse().ok()
    }
}

/// Reads the next final answer; whether it is one to a HEAD the caller knows.
pub(super) fn read(client: &mut Call, to_head: bool) -> Answer {
    let mut octets = Vec::new();
    loop {
        let (head, ended) = client.take_until("\r\n\r\n");
        octets.extend_from_slice(head.as_bytes());
        let head = head.to_ascii_lowercase();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        if !ended && (100..200).contains(&status) && status != 101 {
            continue;
        }
        let mut answer = Answer { status, body: Vec::new(), end: End::Cut, head, octets };
        if ended {
            return answer;
        }
        read_body(client, to_head, &mut answer);
        answer.octets.extend_from_slice(&answer.body);
        return answer;
    }
}

fn read_body(client: &mut Call, to_head: bool, answer: &mut Answer) {
    if to_head || matches!(answer.status, 101 | 204 | 304) {
        answer.end = End::Framed;
    } else if answer.says("transfer-encoding: chunked") {
        answer.end = read_chunks(client, &mut answer.body);
    } else if let Some(length) = answer.length() {
        answer.body = client.take_most(length);
        answer.end = if answer.body.len() == length { End::Framed } else { End::Cut };
    } else {
        let (body, reset) = client.rest();
        (answer.body, answer.end) = (body, if reset { End::Cut } else { End::Closed });
    }
}

fn read_chunks(client: &mut Call, body: &mut Vec<u8>) -> End {
    loop {
        let (line, ended) = client.take_until("\r\n");
        let size = line.trim_end().split(';').next().and_then(|size| usize::from_str_radix(size, 16).ok());
        match size {
            Some(size) if !ended && size > 0 => {
                let chunk = client.take_most(size + 2);
                body.extend_from_slice(&chunk[..chunk.len().min(size)]);
                if chunk.len() < size + 2 {
                    return End::Cut;
                }
            }
            Some(_) if !ended => break,
            _ => return End::Cut,
        }
    }
    loop {
        match client.take_until("\r\n") {
            (_, true) => return End::Cut,
            (line, false) if line == "\r\n" => return End::Framed,
            (trailer, false) => body.extend_from_slice(trailer.as_bytes()),
        }
    }
}
