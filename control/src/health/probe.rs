//! One check, asked.

use std::net::SocketAddr;
use std::time::Duration;

use model::HttpCheck;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{Probe, Question};
use crate::runtime::{BoxFuture, Exec, LogLine, Runtime};

/// The most octets of an answer that are looked at.
const MAX_ANSWER: usize = 64 << 10;
/// The most octets of a command's output that are told.
const MAX_OUTPUT: usize = 300;

/// Who asks the same again and again.
pub struct Asker<'a> {
    runtime: &'a dyn Runtime,
    probe: &'a Probe,
    /// The command of a check that had no answer in time: an engine has no way to end it, so that it may still run.
    late: Option<BoxFuture<'a, Result<(), String>>>,
}

impl<'a> Asker<'a> {
    /// Nobody was asked yet.
    pub fn new(runtime: &'a dyn Runtime, probe: &'a Probe) -> Self {
        Self { runtime, probe, late: None }
    }

    /// Asks once, after a command that did not answer in time has ended: of those that hang no more than one is there.
    ///
    /// # Errors
    /// Why the check failed, in a few words.
    pub async fn ask(&mut self) -> Result<(), String> {
        let (runtime, probe) = (self.runtime, self.probe);
        let late = |_| Err(format!("no answer within {:?}", probe.timeout));
        let words = match &probe.question {
            Question::Command(words) => words,
            Question::Tcp(address) => {
                let asked = async { connect(*address).await.map(drop) };
                return tokio::time::timeout(probe.timeout, asked).await.unwrap_or_else(late);
            }
            Question::Http(address, check) => {
                return tokio::time::timeout(probe.timeout, http(*address, check)).await.unwrap_or_else(late);
            }
        };
        if let Some(before) = &mut self.late {
            let ended = tokio::time::timeout(probe.timeout, before).await;
            let goes_on = |_| format!("`{}` of a check before still runs", words.join(" "));
            // What it came to is too late to count.
            let _ = ended.map_err(goes_on)?;
            self.late = None;
        }
        let mut asked: BoxFuture<'a, _> = Box::pin(command(runtime, &probe.container, words));
        match tokio::time::timeout(probe.timeout, &mut asked).await {
            Ok(said) => said,
            Err(elapsed) => {
                self.late = Some(asked);
                late(elapsed)
            }
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))
}

/// A request of HTTP/1.0 (RFC 1945), so that the answer ends with its connection and is not in pieces. Its status is looked at, and a text
/// that must be in it.
async fn http(address: SocketAddr, check: &HttpCheck) -> Result<(), String> {
    let mut stream = connect(address).await?;
    let (path, status, body) = (check.path(), check.status(), check.body());
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nUser-Agent: portico\r\n\r\n");
    let broken = |error: std::io::Error| format!("{address}: {error}");
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::with_capacity(1024);
    let is_enough = |answer: &[u8]| match body {
        "" => answer.contains(&b'\n'),
        body => find(answer, body.as_bytes()),
    };
    while !is_enough(&answer) && answer.len() < MAX_ANSWER {
        if stream.read_buf(&mut answer).await.map_err(broken)? == 0 {
            break;
        }
    }
    let line = answer.split(|octet| matches!(octet, b'\r' | b'\n')).next().unwrap_or_default();
    match std::str::from_utf8(line).ok().and_then(status_of) {
        None => Err(format!("{path} did not answer in HTTP")),
        Some(said) if !status.accepts(said) => Err(format!("{path} answered {said}, not {status}")),
        Some(_) if !is_enough(&answer) => Err(format!("the answer to {path} is without `{body}`")),
        Some(_) => Ok(()),
    }
}

fn find(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|part| part == wanted)
}

/// The status of a status line.
fn status_of(line: &str) -> Option<u16> {
    let (version, rest) = line.split_once(' ')?;
    version.strip_prefix("HTTP/1.").filter(|minor| minor.len() == 1)?;
    rest.get(..3)?.parse().ok().filter(|status| (100..=599).contains(status))
}

async fn command(runtime: &dyn Runtime, container: &str, words: &[String]) -> Result<(), String> {
    let command = Exec { words: words.to_vec(), terminal: false, input: false };
    let (_, input) = mpsc::channel(1);
    let (said, mut output) = mpsc::channel::<LogLine>(16);
    let listen = async {
        let mut text = Vec::new();
        while let Some(line) = output.recv().await {
            let room = MAX_OUTPUT.saturating_sub(text.len());
            text.extend(line.text.iter().take(room));
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    };
    let (ended, text) = tokio::join!(runtime.exec(container, command, input, said), listen);
    match ended {
        Ok(0) => Ok(()),
        Ok(code) if text.is_empty() => Err(format!("`{}` exited with code {code}", words.join(" "))),
        Ok(code) => Err(format!("`{}` exited with code {code}, saying: {text}", words.join(" "))),
        Err(error) => Err(error.to_string()),
    }
}

/// How long a check waits before it is asked again: its interval, at first much less, so that what is ready soon is in service soon.
pub(crate) fn pause(asked: u32, interval: Duration) -> Duration {
    const FIRST: Duration = Duration::from_millis(100);
    FIRST.saturating_mul(1 << asked.min(10)).min(interval)
}

#[cfg(test)]
mod tests {
    use model::launch::Image;

    use super::*;
    use crate::runtime::fake::{Asked, Behaviour, Fake};
    use crate::runtime::{Exit, Spec};

    /// A container of it that runs.
    fn container(fake: &Fake, image: &str) -> String {
        let spec = Spec::new("web-1".to_owned(), Image::parse(image).unwrap(), 1);
        fake.foreign(&spec).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_command_that_hangs_no_second_one_is_begun_while_it_runs() {
        let fake = Fake::new(1, Duration::from_secs(1));
        let words = vec!["check".to_owned()];
        fake.set_image("web:1", Behaviour { endless: [words.clone()].into(), ..Behaviour::default() });
        let (container, timeout) = (container(&fake, "web:1"), Duration::from_secs(5));
        let question = Question::Command(words);
        let probe = Probe { container: container.clone(), question, interval: timeout, timeout, rise: 1 };
        let mut asker = Asker::new(&fake, &probe);

        let said = [asker.ask().await, asker.ask().await, asker.ask().await];
        let begun = fake.take_calls().into_iter().filter(|call| matches!(call.asked, Asked::Exec(_))).count();
        fake.die(&container, Exit::default());
        let after = asker.ask().await.unwrap_err();

        let still = "`check` of a check before still runs".to_owned();
        assert_eq!(said, [Err("no answer within 5s".to_owned()), Err(still.clone()), Err(still)]);
        assert_eq!(begun, 1);
        assert!(after.contains("does not run"), "{after}");
    }

    #[test]
    fn a_status_is_read_out_of_a_status_line_alone() {
        assert_eq!(status_of("HTTP/1.1 200 OK"), Some(200));
        assert_eq!(status_of("HTTP/1.0 404"), Some(404));
        for line in ["", "HTTP/1.1", "HTTP/2 200", "HTTP/1.1 20", "HTTP/1.1 999 x", "SSH-2.0-x 200"] {
            assert_eq!(status_of(line), None, "{line}");
        }
    }

    #[test]
    fn the_first_checks_come_quickly_and_then_at_their_interval() {
        let interval = Duration::from_secs(2);
        let pauses = [0, 1, 2, 3, 4, 5, 40].map(|asked| pause(asked, interval).as_millis());
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
    }
}
