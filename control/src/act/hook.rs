//! A command of the local configuration, run.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::config::{Hook, LAST_OCTETS};
use crate::plan::HookCall;

/// Where a hook finds what it calls.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a hook, with what it is told as its whole environment.
///
/// # Errors
/// How it failed, and what it said last.
pub(super) async fn run(hook: &Hook, call: &HookCall, timeout: Duration) -> Result<(), String> {
    let name = &call.name;
    let Some((program, words)) = hook.command.split_first() else {
        return Err(format!("hook `{name}` has no command"));
    };
    let mut command = Command::new(program);
    command.args(words).env_clear().env("PATH", PATH).envs(call.environment.iter().cloned());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(timeout, command.output()).await;
    let output = match ended {
        Err(_) => return Err(format!("hook `{name}` took longer than {timeout:?}")),
        Ok(Err(error)) => return Err(format!("hook `{name}`: {program}: {error}")),
        Ok(Ok(output)) => output,
    };
    if output.status.success() {
        return Ok(());
    }
    let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(LAST_OCTETS).collect();
    Err(format!("hook `{name}` failed ({}): {said}", output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(script: &str, expected: Result<(), &str>) {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let hook = Hook { name: model::Label::parse("warm").unwrap(), command };
        let environment = vec![("PORTICO_SERVICE".to_owned(), "web".to_owned())];
        let call = HookCall { name: "warm".to_owned(), environment };
        let said = run(&hook, &call, Duration::from_secs(2)).await;
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
    }
}
