//! What a command has to say when it went well.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::{failure::Failure, json};

/// A command's answer, in both forms.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For people: lines, the last one ended.
    pub(crate) text: String,
    /// For programs: the server's answer.
    pub(crate) json: String,
    /// 0, or 1 where the answer itself is bad news.
    pub(crate) code: u8,
}

impl Answer {
    /// A good answer: what the server said, and how people read it.
    pub(crate) fn new(said: &impl Serialize, text: String) -> Result<Self, Failure> {
        let json = json::pretty(said).map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Self { text, json, code: 0 })
    }

    /// Prints it. A reader that went away (`| head`) is no error.
    pub(crate) fn print(&self, as_json: bool) -> ExitCode {
        // What was printed as it came has nothing left to say.
        let text = if as_json { &self.json } else { &self.text };
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            _ => ExitCode::from(self.code),
        }
    }
}
