//! How a host stands, as the controller says.

use crate::fact::FactKey;
use crate::instance::Addresses;
use crate::label::HostName;

/// How a host stands. The controller says it, and nobody else: of hosts whose address it finds, and of those that it may start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Which host.
    pub host: HostName,
    /// Where it was found; `None`: nowhere yet, or it says itself where it is.
    pub addresses: Option<Addresses>,
    /// Why no address of it is known, with the remedy; empty: one is, or it was not looked for yet.
    pub lost: Box<str>,
    /// Whether it runs, where the controller may start it.
    pub power: Option<Power>,
}

/// Whether a host runs that may be started: enough for another controller to go on where this one was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Power {
    /// How far it has come.
    pub state: PowerState,
    /// Whether the action that this state follows from has ended well: what is left is that the engine answers, or does not any more.
    pub done: bool,
    /// How often in a row it could not be started, or stopped.
    pub failures: u16,
    /// Why it is so; empty: there is nothing to say.
    pub reason: Box<str>,
}

/// How far a host has come that is started and stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum PowerState {
    /// It does not run, as far as anybody knows. The default.
    #[default]
    Stopped,
    /// It is being started: its action runs, or its engine does not answer yet.
    Starting,
    /// Its engine answered.
    Running,
    /// It is being stopped: nothing is placed there.
    Stopping,
}

impl PowerState {
    /// `stopped`, `starting`, `running` or `stopping`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
        }
    }
}

impl Standing {
    /// A host of which nothing is known yet.
    pub fn new(host: HostName) -> Self {
        Self { host, addresses: None, lost: Box::default(), power: None }
    }

    /// The key under which a registry keeps it.
    pub fn key(&self) -> FactKey {
        FactKey::Standing(self.host.clone())
    }
}
