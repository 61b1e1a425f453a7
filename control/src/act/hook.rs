//! A command of the local configuration, run.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{Instant, sleep_until};

use crate::config::{Hook, LAST_OCTETS};
use crate::plan::HookCall;
use crate::process::Group;

/// How long what a command said last is read when it has ended.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// Where a hook finds what it calls.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a command did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// In words, with what it said.
    pub why: String,
    /// Whether it was killed because its time was up: what it did is not known.
    pub hung: bool,
}

/// Runs a command, with what it is told as its whole environment; `what` it is called in words.
///
/// # Errors
/// [`Failed`] says how, and what it said first.
pub(super) async fn run(what: &str, hook: &Hook, call: &HookCall, timeout: Duration) -> Result<(), Failed> {
    let name = &call.name;
    let failed = |why: String| Failed { why: format!("{what} `{name}`{why}"), hung: false };
    let Some((program, words)) = hook.command.split_first() else {
        return Err(failed(" has no command".to_owned()));
    };
    let mut command = Command::new(program);
    command.args(words).env_clear().env("PATH", PATH).envs(call.environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let run = async {
        let (mut child, group) = Group::spawn(&mut command)?;
        let stderr = child.stderr.take();
        let ended = ended(&mut child, stderr).await;
        group.ended();
        ended
    };
    match tokio::time::timeout(timeout, run).await {
        Err(_) => Err(Failed { hung: true, ..failed(format!(" took longer than {timeout:?}")) }),
        Ok(Err(error)) => Err(failed(format!(": {program}: {error}"))),
        Ok(Ok((status, _))) if status.success() => Ok(()),
        Ok(Ok((status, said))) => {
            let said: String = String::from_utf8_lossy(&said).trim().chars().take(LAST_OCTETS).collect();
            Err(failed(format!(" failed ({status}): {said}")))
        }
    }
}

/// How a command ended, and what it said first. What it left running may hold its output open: that is not waited for.
async fn ended(child: &mut Child, mut said: Option<ChildStderr>) -> io::Result<(ExitStatus, Vec<u8>)> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    let mut over = None;
    while let Some(from) = &mut said {
        let until = over.map_or_else(Instant::now, |(_, until)| until);
        tokio::select! {
            // What is there to be read, without an end, holds up neither.
            biased;
            () = sleep_until(until), if over.is_some() => said = None,
            ended = child.wait(), if over.is_none() => over = Some((ended?, Instant::now() + LAST_WORDS)),
            read = from.read(&mut buffer) => match read.unwrap_or(0) {
                0 => said = None,
                read => {
                    let new = buffer.iter().take(read).take(LAST_OCTETS.saturating_sub(kept.len()));
                    kept.extend(new);
                }
            },
        }
    }
    match over {
        Some((status, _)) => Ok((status, kept)),
        None => Ok((child.wait().await?, kept)),
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    async fn check(script: &str, expected: Result<(), &str>) {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let hook = Hook { name: model::Label::parse("warm").unwrap(), command };
        let environment = vec![("PORTICO_SERVICE".to_owned(), "web".to_owned())];
        let call = HookCall { name: "warm".to_owned(), environment };
        let said = run("hook", &hook, &call, Duration::from_secs(2)).await.map_err(|failed| failed.why);
        match (said, expected) {
            (Ok(()), Ok(())) => {}
            (Err(said), Err(expected)) => assert!(said.contains(expected), "{script}: {said}"),
            (said, _) => panic!("{script}: {said:?}"),
        }
    }

    #[tokio::test]
    async fn a_hook_is_told_of_the_instance_and_fails_as_its_command_does() {
        check("test $PORTICO_SERVICE = web && test -z \"$HOME\"", Ok(())).await;
        check("echo no room >&2; exit 3", Err("hook `warm` failed (exit status: 3): no room")).await;
        check("exec sleep 60", Err("hook `warm` took longer than 2s")).await;
        check("exec 1>&-; echo gone >&2; exec 2>&-; exec sleep 60", Err("hook `warm` took longer than 2s"))
            .await;
    }

    #[tokio::test]
    async fn what_a_command_began_is_killed_with_it_at_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("held");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let mut held = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&path).unwrap();

        let script = format!("(echo begun; sleep 60; echo late) >{} & wait", path.display());
        check(&script, Err("hook `warm` took longer than 2s")).await;
        let mut said = String::new();
        // It ends once nobody has it open to write any more.
        let read = tokio::time::timeout(Duration::from_secs(10), held.read_to_string(&mut said)).await;

        assert!(read.is_ok(), "what it began still runs");
        assert_eq!(said, "begun\n");
    }

    #[tokio::test]
    async fn what_a_command_leaves_running_is_not_waited_for() {
        check("sleep 60 & echo $! >&2; exit 0", Ok(())).await;
        check("while echo more >&2; do sleep 0.02; done & exit 0", Ok(())).await;
        check("yes >&2 & exit 5", Err("hook `warm` failed (exit status: 5): y")).await;
        check("sleep 1 & echo left >&2; exit 4", Err("hook `warm` failed (exit status: 4): left")).await;
    }
}
