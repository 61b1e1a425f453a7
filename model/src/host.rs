//! A machine that instances run on.

use crate::engine_url::EngineUrl;
use crate::fact::FactKey;
use crate::instance::Addresses;
use crate::label::{HostName, Label};
use crate::launch::Resources;
use crate::metadata::Metadata;

/// A machine: its name, where it is, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// Where it is; `None`: where the controller finds it.
    pub addresses: Option<Addresses>,
    /// What it is told apart by.
    pub labels: Metadata,
    /// Its container engine; `None`: nothing is launched on it.
    pub engine: Option<EngineUrl>,
    /// At which address instances on it are reached.
    pub instances_at: InstancesAt,
    /// Hosts of a lower number come first: those of the next one are used when none of these has room.
    pub priority: u16,
    /// What its instances may take together; what is not said is what its engine tells.
    pub capacity: Resources,
    /// The action that starts it when it does not run; `None`: nobody does.
    pub start: Option<Label>,
    /// The action that stops it when it was idle for long enough; `None`: nobody does.
    pub stop: Option<Label>,
    /// What these actions are told beside.
    pub cloud: Metadata,
    /// Whether nothing new is launched on it.
    pub cordoned: bool,
    /// Whether instances are to leave it; implies that nothing starts there.
    pub draining: bool,
}

/// At which address instances on a host are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InstancesAt {
    /// At the host's own, by ports that its engine publishes. The default.
    #[default]
    Host,
    /// At the container's own: whoever asks has a way there.
    Container,
}

impl Host {
    /// A host of which nothing is said but where it is.
    pub fn new(name: HostName, addresses: Addresses) -> Self {
        Self {
            name,
            addresses: Some(addresses),
            labels: Metadata::default(),
            engine: None,
            instances_at: InstancesAt::default(),
            priority: 0,
            capacity: Resources::default(),
            start: None,
            stop: None,
            cloud: Metadata::default(),
            cordoned: false,
            draining: false,
        }
    }

    /// The variable by which an action is told what `key` of the cloud information says: `PORTICO_CLOUD_MACHINE_TYPE` for `machine-type`.
    pub fn cloud_variable(key: &str) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        key.chars()
            .map(letter)
            .fold("PORTICO_CLOUD_".to_owned(), |name, letter| name + letter.encode_utf8(&mut [0; 4]))
    }

    /// The key under which a registry keeps it.
    pub fn key(&self) -> FactKey {
        FactKey::Host(self.name.clone())
    }
}
