//! What containers and commands print, and what commands read.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::LogsOptions;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::failure::{self, About};
use super::{Docker, Exec, Input, LogLine, LogQuery, RuntimeError};

/// The longest piece, in octets.
const LONGEST: usize = 64 << 10;
/// How often an engine is asked for the exit code of a command whose output ended.
const AGAIN: Duration = Duration::from_millis(20);
/// What a terminal reads as the end of its input (POSIX.1-2024, 11.1.9).
const END_OF_INPUT: &[u8] = b"\x04";
/// How an engine begins to say that a command cannot be run.
const REFUSED: &str = "OCI runtime exec failed: ";
/// The exit code of what is there and cannot be run, and of what is not there (POSIX.1-2024, 2.8.2).
const CANNOT: i64 = 126;
const NOT_FOUND: i64 = 127;

impl Docker {
    pub(super) async fn read_logs(
        &self,
        id: &str,
        asked: LogQuery,
        lines: mpsc::Sender<LogLine>,
    ) -> Result<(), RuntimeError> {
        self.negotiated().await?;
        let since = asked.since.and_then(|since| {
            SystemTime::now().checked_sub(since)?.duration_since(SystemTime::UNIX_EPOCH).ok()
        });
        let options = LogsOptions {
            follow: asked.follow,
            stdout: true,
            stderr: true,
            since: since.map_or(0, |since| i32::try_from(since.as_secs()).unwrap_or(i32::MAX)),
            timestamps: asked.timestamps,
            tail: asked.tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string()),
            ..LogsOptions::default()
        };
        let printed = self.client.logs(id, Some(options));
        self.pass(printed, &lines, About::Container(id)).await
    }

    pub(super) async fn run(
        &self,
        id: &str,
        command: Exec,
        input: mpsc::Receiver<Input>,
        output: mpsc::Sender<LogLine>,
    ) -> Result<i64, RuntimeError> {
        let about = About::Container(id);
        let options = CreateExecOptions {
            attach_stdin: Some(command.input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(command.terminal),
            cmd: Some(command.words),
            ..CreateExecOptions::default()
        };
        let start = async {
            let exec = self.client.create_exec(id, options).await?.id;
            let options = StartExecOptions { tty: command.terminal, ..StartExecOptions::default() };
            Ok((self.client.start_exec(&exec, Some(options)).await?, exec))
        };
        let (started, exec) = self.within(about, start).await?;
        let mut lacks = false;
        if let StartExecResults::Attached { output: printed, input: writer } = started {
            // What an engine cannot run it says as if that had been printed.
            let printed = printed.map_ok(|piece| match refusal(piece.as_ref()) {
                Some(why) => {
                    lacks |= is_missing(&why);
                    LogOutput::StdErr { message: why.into() }
                }
                None => piece,
            });
            // Nothing more is read once nothing more is printed.
            tokio::select! {
                ended = self.pass(printed, &output, about) => ended?,
                never = self.feed(&exec, (command.input, command.terminal), input, writer) => match never {},
            }
        }
        let code = async {
            loop {
                let told = self.client.inspect_exec(&exec).await?;
                match told.exit_code {
                    Some(code) if told.running != Some(true) => return Ok(code),
                    _ => tokio::time::sleep(AGAIN).await,
                }
            }
        };
        let code = self.within(about, code).await?;
        // As a shell says it, and newer engines.
        Ok(if lacks && code == CANNOT { NOT_FOUND } else { code })
    }

    /// Passes on what a command reads, and the sizes of its terminal.
    async fn feed(
        &self,
        exec: &str,
        (reads, terminal): (bool, bool),
        mut input: mpsc::Receiver<Input>,
        mut writer: Pin<Box<dyn AsyncWrite + Send>>,
    ) -> Infallible {
        while let Some(piece) = input.recv().await {
            match piece {
                // A command that does not read any more goes on without.
                Input::Octets(octets) if reads => {
                    if writer.write_all(&octets).await.is_err() || writer.flush().await.is_err() {
                        break;
                    }
                }
                Input::Octets(_) => {}
                Input::Size { rows, columns } => {
                    let size = ResizeExecOptions { height: rows, width: columns };
                    let resized = self.within(About::Engine, self.client.resize_exec(exec, size)).await;
                    if let Err(error) = resized {
                        tracing::debug!(%error, "a terminal keeps its size");
                    }
                }
            }
        }
        // An engine stops to pass on what a terminal shows once the way to it is closed.
        let end = async {
            if terminal {
                writer.write_all(END_OF_INPUT).await?;
                writer.flush().await
            } else {
                writer.shutdown().await
            }
        };
        if reads && let Err(error) = end.await {
            tracing::debug!(%error, "a command does not hear that its input ended");
        }
        std::future::pending().await
    }

    /// Passes on what is printed, until that ends or nobody listens.
    async fn pass(
        &self,
        mut printed: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
        lines: &mpsc::Sender<LogLine>,
        about: About<'_>,
    ) -> Result<(), RuntimeError> {
        loop {
            let piece = tokio::select! {
                piece = self.heard(&mut printed, about) => piece?,
                () = lines.closed() => return Ok(()),
            };
            let Some(piece) = piece else { return Ok(()) };
            let is_error = matches!(piece, LogOutput::StdErr { .. });
            for text in pieces(piece.into_bytes()) {
                if lines.send(LogLine { is_error, text }).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// Why a command cannot be run, as one line; `None`: that is something that was printed.
fn refusal(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    text.starts_with(REFUSED).then(|| format!("{}\n", failure::readable(text)))
}

/// Whether that is because there is no such command.
fn is_missing(why: &str) -> bool {
    ["executable file not found", "no such file or directory"].iter().any(|words| why.contains(words))
}

/// Lines, each with its line feed, and what is left; none longer than [`LONGEST`].
fn pieces(mut octets: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let line = octets.iter().take(LONGEST).position(|octet| *octet == b'\n').map(|at| at + 1);
        let piece = octets.split_to(line.unwrap_or(LONGEST).min(octets.len()));
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_run_is_told_from_what_is_printed() {
        let told = "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nosuch\": \
                    executable file not found in $PATH: unknown\r\n";

        let why = refusal(told.as_bytes()).unwrap();

        assert_eq!(why, "exec: \"nosuch\": executable file not found in $PATH\n");
        assert!(is_missing(&why) && !is_missing("exec: \"/etc\": permission denied"));
        assert_eq!(refusal(b"out\n"), None);
    }

    #[test]
    fn what_is_printed_comes_in_lines_and_in_pieces_of_those_that_are_too_long() {
        let check = |text: &[u8], expected: &[usize]| {
            let found: Vec<usize> = pieces(Bytes::copy_from_slice(text)).map(|piece| piece.len()).collect();
            assert_eq!(found, expected);
        };

        check(b"", &[]);
        check(b"one\ntwo", &[4, 3]);
        check(b"\n\n", &[1, 1]);
        check(&[b'a'; LONGEST + 1], &[LONGEST, 1]);
        check(&[&[b'a'; LONGEST - 1][..], b"\nb"].concat(), &[LONGEST, 1]);
    }
}
