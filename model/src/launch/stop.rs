//! How an instance is ended.

use std::fmt;
use std::time::Duration;

/// The longest grace or drain time: an hour.
pub const MAX_STOP: Duration = Duration::from_secs(3600);

/// Signals that can end a process, by name (POSIX.1-2024 `<signal.h>`), without those that a container's first process never sees.
const SIGNALS: [&str; 9] = ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH", "ABRT", "KILL"];

/// How an instance is ended: it leaves every door, its requests end, then it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stop {
    /// How it is told; `None`: as the image says.
    pub signal: Option<Signal>,
    /// How long it may take then, before it is killed.
    pub grace: Duration,
    /// How long its requests, and its long connections, may take before it is told.
    pub drain: Duration,
}

/// A signal, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(&'static str);

/// A name that is none of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "that is no signal that ends a process; write one of TERM, INT, QUIT, HUP, USR1, USR2, WINCH, ABRT and KILL"
)]
pub struct SignalError;

impl Signal {
    /// A signal by its name, with or without `SIG`, in any case.
    ///
    /// # Errors
    /// [`SignalError`] for all others.
    pub fn parse(text: &str) -> Result<Self, SignalError> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        SIGNALS.into_iter().find(|signal| *signal == name).map(Self).ok_or(SignalError)
    }

    /// Its name, without `SIG`.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Default for Stop {
    /// As the image says, ten seconds until it is killed; requests may take thirty before.
    fn default() -> Self {
        Self { signal: None, grace: Duration::from_secs(10), drain: Duration::from_secs(30) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_known_by_its_name() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Signal::parse(text).ok().map(Signal::name), expected, "{text}");
        };
        check("SIGTERM", Some("TERM"));
        check("term", Some("TERM"));
        check("SigQuit", Some("QUIT"));
        for text in ["", "15", "STOP", "SEGV", "SIG", "TERM "] {
            check(text, None);
        }
    }
}
