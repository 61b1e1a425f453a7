//! One active check of one endpoint: a connection of its own, outside the pools, on the runtime behind the request path.
//!
//! In: a target, how long it may take. Out: how it ended. Names, the guard and the descriptors in reserve are asked as for requests.

use std::io;
use std::time::Duration;

use memchr::memmem;
use model::{Address, CheckKind, HttpCheck, SocketPath};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::connect::is_exhausted;
use super::resolve::Resolver;
use super::unix::{self, Barred};
use crate::health::check::{Failure, Outcome, Target};
use crate::http::{Asked, BodyReader, Limits, Parsed, ResponseHead};
use crate::worker::Shared;

/// What a check says it is.
const USER_AGENT: &str = "portico-check";
/// How much is read at once.
const READ: usize = 4 << 10;

/// Checks `target` once, within `patience`. At most `body_bytes` octets of an answer's body are looked at; `dice` says which of several
/// addresses is tried first.
pub(crate) async fn probe(
    shared: &Shared,
    resolver: &Resolver,
    target: &Target,
    patience: Duration,
    body_bytes: usize,
    dice: usize,
) -> Outcome {
    // A test's defect of ours.
    #[cfg(test)]
    assert_ne!(&*target.host, "panic.test", "as the test wants it");
    let until = Instant::now() + patience;
    let outcome = async {
        let outcome = match &target.address {
            Address::Unix(path) => ask(shared, target, body_bytes, connect_unix(shared, path).await?).await,
            Address::Ip { .. } | Address::Name { .. } => {
                ask(shared, target, body_bytes, connect(shared, resolver, target, until, dice).await?).await
            }
        };
        outcome.map_err(Outcome::Failed)
    };
    match timeout_at(until, outcome).await {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(outcome)) => outcome,
        Err(_) => Outcome::Failed(Failure::TimedOut),
    }
}

/// Asks what `target`'s check asks, over a connection that is open: that is all some want.
async fn ask(
    shared: &Shared,
    target: &Target,
    body_bytes: usize,
    stream: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<(), Failure> {
    let CheckKind::Http(check) = &target.check.kind else { return Ok(()) };
    let settings = shared.settings.load_full();
    let informational = settings.config.upstream.informational;
    let answer = Answer { stream, buffer: Vec::new(), limits: settings.response_limits, informational };
    answer.judge(check, &target.host, body_bytes).await
}

/// A connection to the first address of the endpoint that takes one.
async fn connect(
    shared: &Shared,
    resolver: &Resolver,
    target: &Target,
    until: Instant,
    dice: usize,
) -> Result<TcpStream, Outcome> {
    let mut addresses = resolver.resolve(&target.address, dice).await;
    let mut failed = Failure::Unresolved;
    loop {
        // The time is shared by the addresses that are left, so that one in a black hole leaves some for the others.
        let left = u32::try_from(addresses.left()).unwrap_or(u32::MAX).max(1);
        let share = until.saturating_duration_since(Instant::now()) / left;
        let Some(socket) = addresses.next() else { return Err(Outcome::Failed(failed)) };
        if let Err(refusal) = shared.guard.judge(socket, &shared.settings.load().config.upstream) {
            if failed == Failure::Unresolved {
                failed = Failure::Forbidden(refusal);
            }
            continue;
        }
        failed = match timeout(share, TcpStream::connect(socket)).await {
            Ok(Ok(stream)) if shared.descriptors.is_reserved(&stream) => return Err(Outcome::Ours),
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if is_exhausted(&error) => return Err(Outcome::Ours),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Failure::Refused,
            Ok(Err(_)) => Failure::Unreachable,
            Err(_) => Failure::TimedOut,
        };
    }
}

/// A connection to the endpoint's Unix socket.
async fn connect_unix(shared: &Shared, path: &SocketPath) -> Result<UnixStream, Outcome> {
    let found =
        unix::locate(path, &shared.settings.load().config.upstream).map_err(|barred| match barred {
            Barred::Refused(refusal) => Outcome::Failed(Failure::Forbidden(refusal)),
            Barred::Unreachable(error) => of_unix(&error),
        })?;
    let socket = unix::connect(&found).await.map_err(|error| of_unix(&error))?;
    if shared.descriptors.is_reserved(&socket) {
        return Err(Outcome::Ours);
    }
    UnixStream::from_std(socket.into()).map_err(|_| Outcome::Ours)
}

fn of_unix(error: &io::Error) -> Outcome {
    match error.kind() {
        _ if is_exhausted(error) => Outcome::Ours,
        io::ErrorKind::ConnectionRefused => Outcome::Failed(Failure::Refused),
        _ => Outcome::Failed(Failure::Unreachable),
    }
}

/// An answer as it comes.
struct Answer<S> {
    stream: S,
    buffer: Vec<u8>,
    limits: Limits,
    informational: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Answer<S> {
    /// Asks, and holds the answer against what is wanted.
    async fn judge(mut self, check: &HttpCheck, host: &str, body_bytes: usize) -> Result<(), Failure> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            check.path()
        );
        self.stream.write_all(request.as_bytes()).await.map_err(|_| Failure::Ended)?;
        let head = self.head().await?;
        let (got, expected) = (head.status(), check.status());
        if !expected.accepts(got) {
            return Err(Failure::Status { got, expected });
        }
        if check.body().is_empty() {
            return Ok(());
        }
        self.find(&head, check.body().as_bytes(), body_bytes).await
    }

    /// Reads the final answer's head.
    async fn head(&mut self) -> Result<ResponseHead, Failure> {
        let mut head = ResponseHead::new();
        let mut informational = 0;
        loop {
            match head.parse(&self.buffer, Asked::default(), &self.limits) {
                Err(_) => return Err(Failure::Malformed),
                Ok(Parsed::Partial) => self.fill().await?,
                Ok(Parsed::Complete) => {
                    self.buffer.drain(..head.len());
                    if !head.is_informational() {
                        return Ok(head);
                    }
                    informational += 1;
                    if informational > self.informational {
                        return Err(Failure::Malformed);
                    }
                }
            }
        }
    }

    /// Looks for `text` in the first `most` octets of the body.
    async fn find(&mut self, head: &ResponseHead, text: &[u8], most: usize) -> Result<(), Failure> {
        let mut reader = BodyReader::new(head.framing());
        let mut body = Vec::new();
        loop {
            // What was searched before is not searched again, but for a beginning of the text at its end.
            let from = body.len().saturating_sub(text.len() - 1);
            let advance = reader.advance_decoding(&self.buffer, &mut body).map_err(|_| Failure::Malformed)?;
            self.buffer.drain(..advance.consumed);
            body.truncate(most);
            if memmem::find(body.get(from..).unwrap_or_default(), text).is_some() {
                return Ok(());
            }
            if reader.is_complete() || body.len() >= most {
                return Err(Failure::Body { searched: body.len() });
            }
            if self.fill().await.is_err() {
                let whole = reader.finish_at_eof().is_ok();
                return Err(if whole { Failure::Body { searched: body.len() } } else { Failure::Ended });
            }
        }
    }

    /// Reads some more.
    async fn fill(&mut self) -> Result<(), Failure> {
        self.buffer.reserve(READ);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(n) if n > 0 => Ok(()),
            _ => Err(Failure::Ended),
        }
    }
}
