//! The signals an operator sends: from the system in, what is asked for out.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGTERM, SIGINT: finish and end; the second time, end at once.
    End,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: open the access log anew.
    Reopen,
}

/// The signals that are listened for; from [`Signals::listen`] on none of them ends the process by itself.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
}

impl Signals {
    /// Starts listening. Called inside a runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for the next one. Those that end come first.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.user1.recv() => Asked::Reopen,
        }
    }

    /// Waits for one that ends; others have no meaning any more.
    pub(crate) async fn end(&mut self) {
        while self.next().await != Asked::End {}
    }
}
