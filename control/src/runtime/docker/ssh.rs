//! A shell of another machine as the way to the engine there, as `docker` itself does it (`docker system dial-stdio`).
//!
//! Nobody is there to be asked: a password, or a host that is not known, is an error with its remedy.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is kept of what a shell said while it failed, in octets: a changed host key alone takes a dozen lines.
const MOST_SAID: usize = 4096;
/// How many shells of one machine begin at once: an `sshd` turns some away where ten are not let in yet (MaxStartups).
const BEGIN_AT_ONCE: usize = 6;
/// Who waited so long begins in any case: others may wait for an engine that is slow, and are let in.
const TURN: Duration = Duration::from_secs(5);

/// How the shells of one machine begin.
#[derive(Clone)]
pub(super) struct Ssh {
    words: Arc<[String]>,
    begin: Arc<Semaphore>,
}

impl Ssh {
    pub(super) fn new(config: Option<&Path>, user: Option<&str>, host: &str, port: Option<u16>) -> Self {
        let words = words(config, user, host, port).into();
        Self { words, begin: Arc::new(Semaphore::new(BEGIN_AT_ONCE)) }
    }

    /// Begins one; whether it is let in shows when it is read from.
    pub(super) async fn begin(&self) -> io::Result<Shell> {
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.begin).acquire_owned()).await;
        Shell::start(&self.words, turn.ok().and_then(Result::ok))
    }
}

fn words(config: Option<&Path>, user: Option<&str>, host: &str, port: Option<u16>) -> Vec<String> {
    // An engine that is gone is noticed, too.
    let mut words = Vec::from(["-oBatchMode=yes", "-oServerAliveInterval=15", "-T"].map(str::to_owned));
    words.extend(config.map(|config| format!("-F{}", config.display())));
    words.extend(user.map(|user| format!("-l{user}")));
    words.extend(port.map(|port| format!("-p{port}")));
    words.extend(["--", host, "docker", "system", "dial-stdio"].map(str::to_owned));
    words
}

/// A shell that passes octets on to the engine of its machine; it ends with this.
pub(super) struct Shell {
    _child: Child,
    down: ChildStdout,
    /// `None` once nothing more is sent.
    up: Option<ChildStdin>,
    complaints: ChildStderr,
    said: Vec<u8>,
    /// Until the engine's first word.
    beginning: Option<OwnedSemaphorePermit>,
    heard: bool,
}

impl Shell {
    fn start(words: &[String], beginning: Option<OwnedSemaphorePermit>) -> io::Result<Self> {
        let mut child = Command::new("ssh")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let text = format!("`ssh` cannot be started: {error}; is it installed (openssh-client)?");
                io::Error::new(error.kind(), text)
            })?;
        let (Some(down), up @ Some(_), Some(complaints)) =
            (child.stdout.take(), child.stdin.take(), child.stderr.take())
        else {
            return Err(io::Error::other("ssh has no streams"));
        };
        Ok(Self { _child: child, down, up, complaints, said: Vec::new(), beginning, heard: false })
    }

    /// Why it ended; `None`: it does not say.
    fn poll_complaint(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Error>> {
        let mut space = [0; 1024];
        loop {
            let mut piece = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut self.complaints).poll_read(context, &mut piece));
            if read.is_err() || piece.filled().is_empty() || self.said.len() >= MOST_SAID {
                let said = String::from_utf8_lossy(&self.said);
                return Poll::Ready(explained(&said, self.heard).map(io::Error::other));
            }
            self.said.extend_from_slice(piece.filled());
        }
    }
}

/// What `ssh`, or the shell behind it, said last, with what to do about it.
fn explained(said: &str, heard: bool) -> Option<String> {
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    let Some(last) = last else {
        return (!heard)
            .then(|| "ssh ended without a word; does `ssh` to that machine work by hand?".to_owned());
    };
    let lower = last.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let remedy = if said.contains("IDENTIFICATION HAS CHANGED") {
        "; the machine's key is another one than known_hosts has: compare it there, and replace the line if it is right"
    } else if has(&["host key verification failed"]) {
        "; known_hosts has no key of that machine (see control.ssh_config): compare it there, and add it"
    } else if has(&["permission denied ("]) {
        "; may a key of this process' user (see control.ssh_config) log in there? Its public half belongs into authorized_keys"
    } else if has(&["docker daemon", "failed to open the raw stream", "docker.sock"]) {
        "; does the engine run there, and may the user use its socket (group docker)?"
    } else if has(&[
        "docker: not found",
        "docker: command not found",
        "unknown command: docker",
        "no such file",
    ]) {
        "; a shell without a terminal has to find `docker` there (docker-cli, or its PATH)"
    } else if has(&["kex_exchange", "closed by", "reset by"]) {
        "; does the sshd there turn connections away (MaxStartups)?"
    } else {
        ""
    };
    let last = last.trim_start_matches("ssh: ").chars().take(500).collect::<String>();
    Some(format!("ssh: {last}{remedy}"))
}

impl AsyncRead for Shell {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = space.filled().len();
        ready!(Pin::new(&mut self.down).poll_read(context, space))?;
        if space.filled().len() > before {
            self.heard = true;
            self.beginning = None;
            return Poll::Ready(Ok(()));
        }
        // The end: of what the engine said, or of the way to it.
        Poll::Ready(ready!(self.poll_complaint(context)).map_or(Ok(()), Err))
    }
}

impl AsyncWrite for Shell {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(up) = &mut self.up else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        match ready!(Pin::new(up).poll_write(context, octets)) {
            // It ended; why is on the other stream.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Poll::Ready(Err(ready!(self.poll_complaint(context)).unwrap_or(error)))
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.up.as_mut().map_or(Poll::Ready(Ok(())), |up| Pin::new(up).poll_flush(context))
    }

    /// The engine is told that nothing follows.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.up = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_comes_with_a_remedy() {
        let check = |said: &str, expected: &str| {
            let text = explained(said, true).expect(said);
            assert!(text.contains(expected), "{text}");
        };

        check("@@@\nREMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.\n", "another one");
        check("No ED25519 host key is known\r\nHost key verification failed.\r\n", "known_hosts has no key");
        check("jo@h: Permission denied (publickey).", "authorized_keys");
        check("sh: 1: docker: not found", "find `docker`");
        check("dial unix /x/docker.sock: connect: no such file or directory", "group docker");
        check("zsh: no such file or directory: docker", "find `docker`");
        check("ssh: connect to host h port 22: Connection refused", "ssh: connect to host h port 22: C");
        assert_eq!(explained("\n", true), None);
        assert!(explained("", false).is_some());
    }

    #[test]
    fn ssh_is_asked_as_its_url_says() {
        let config = Path::new("/etc/ssh.conf");

        let words = words(Some(config), Some("ops"), "node-1", Some(2222));

        let expected = "-oBatchMode=yes -oServerAliveInterval=15 -T -F/etc/ssh.conf -lops -p2222 -- node-1 docker system dial-stdio";
        assert_eq!(words.join(" "), expected);
    }
}
