//! Commands that this process runs, with all that they begin.

use std::io;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// The processes of a command that runs, which are killed together when it is let go of. What left their group is not.
pub(crate) struct Group(Option<Pid>);

impl Group {
    /// Runs a command in a group of its own. Who keeps both in this order has the group end first, while its number is nobody else's.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub(crate) fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let first = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok((child, Self(first)))
    }

    /// The command ended in time: what it left running is meant to run.
    pub(crate) fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(first) = self.0
            && let Err(error) = killpg(first, Signal::SIGKILL)
        {
            tracing::debug!(%error, "nothing of a command is there to be killed");
        }
    }
}
