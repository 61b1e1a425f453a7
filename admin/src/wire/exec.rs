//! A command in a container, and the frames of its streams.
//!
//! `POST …/exec` with `Connection: Upgrade` and `Upgrade: portico-exec` is answered by 101; from then on both sides send frames: an octet
//! that says what it is, the length of the rest in 4 octets (big-endian), the rest.

use serde::{Deserialize, Serialize};

/// The protocol that a connection is upgraded to.
pub const EXEC_PROTOCOL: &str = "portico-exec";
/// The longest rest of a frame, in octets.
pub const MAX_FRAME: usize = 64 << 10;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// The words of it.
    pub words: Vec<String>,
    /// Whether it has a terminal.
    #[serde(default)]
    pub terminal: bool,
    /// Whether it has an input.
    #[serde(default)]
    pub input: bool,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// To the command: what it reads.
    Input(Vec<u8>),
    /// To the command: its input ends.
    End,
    /// To the command: the size of its terminal.
    Size {
        /// Lines.
        rows: u16,
        /// Characters of a line.
        columns: u16,
    },
    /// From the command: on standard output.
    Output(Vec<u8>),
    /// From the command: on standard error.
    Error(Vec<u8>),
    /// From the command: its exit code. Nothing follows.
    Exit(i64),
    /// It was not run, or nobody knows what became of it: why. Nothing follows.
    Failed(String),
}

impl Frame {
    /// As it is sent; what is longer than [`MAX_FRAME`] is cut.
    pub fn encode(&self) -> Vec<u8> {
        let number;
        let (kind, rest): (u8, &[u8]) = match self {
            Self::Input(octets) => (0, octets),
            Self::End => (1, &[]),
            Self::Size { rows, columns } => {
                number = [rows.to_be_bytes(), columns.to_be_bytes()].concat();
                (2, &number)
            }
            Self::Output(octets) => (3, octets),
            Self::Error(octets) => (4, octets),
            Self::Exit(code) => {
                number = code.to_be_bytes().to_vec();
                (5, &number)
            }
            Self::Failed(why) => (6, why.as_bytes()),
        };
        let rest = &rest[..rest.len().min(MAX_FRAME)];
        let length = u32::try_from(rest.len()).unwrap_or_default();
        [&[kind][..], &length.to_be_bytes(), rest].concat()
    }

    /// How long the rest is behind the first five octets; `None`: longer than it may be.
    pub fn rest(head: [u8; 5]) -> Option<usize> {
        let [_, a, b, c, d] = head;
        usize::try_from(u32::from_be_bytes([a, b, c, d])).ok().filter(|length| *length <= MAX_FRAME)
    }

    /// What was sent; `None`: nothing that is known.
    pub fn decode(kind: u8, rest: Vec<u8>) -> Option<Self> {
        Some(match kind {
            0 => Self::Input(rest),
            1 => Self::End,
            2 => {
                let [a, b, c, d] = rest.try_into().ok()?;
                Self::Size { rows: u16::from_be_bytes([a, b]), columns: u16::from_be_bytes([c, d]) }
            }
            3 => Self::Output(rest),
            4 => Self::Error(rest),
            5 => Self::Exit(i64::from_be_bytes(rest.try_into().ok()?)),
            6 => Self::Failed(String::from_utf8_lossy(&rest).into_owned()),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_back() {
        let all = [
            Frame::Input(b"ls\n".to_vec()),
            Frame::End,
            Frame::Size { rows: 24, columns: 80 },
            Frame::Output(Vec::new()),
            Frame::Error(b"no".to_vec()),
            Frame::Exit(-1),
            Frame::Failed("there is no container".to_owned()),
        ];
        for frame in all {
            let sent = frame.encode();
            let (head, rest) = sent.split_at(5);
            assert_eq!(Frame::rest(head.try_into().unwrap()), Some(rest.len()));
            assert_eq!(Frame::decode(head[0], rest.to_vec()), Some(frame));
        }
        assert_eq!(Frame::rest([0, 0, 1, 0, 1]), None);
        assert_eq!(Frame::decode(2, vec![1]), None);
        assert_eq!(Frame::decode(9, Vec::new()), None);
    }
}
