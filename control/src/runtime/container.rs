//! What a container is to be, and what it is.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;

use model::Protocol;
use model::launch::{Image, Resources, Signal, Volume};

/// What a container is to be. What is not here no container gets: no privileges, no namespace of its host's, no device; new privileges
/// are refused (`no-new-privileges`), it has an init process of its engine's, and the engine never starts it again by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name: the engine takes each once.
    pub name: String,
    /// Of what it is made.
    pub image: Image,
    /// What runs in place of the image's command.
    pub command: Option<Vec<String>>,
    /// What runs in place of the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Beside the image's environment.
    pub environment: Vec<(String, String)>,
    /// What it is known by.
    pub labels: BTreeMap<String, String>,
    /// As whom it runs.
    pub user: Option<String>,
    /// Where it runs.
    pub working_dir: Option<String>,
    /// What it sees of the outside.
    pub volumes: Vec<Volume>,
    /// The ports that are reachable at the host, each at a port that the engine chooses.
    pub published: Vec<(NonZeroU16, Protocol)>,
    /// What it may take.
    pub resources: Resources,
    /// How many processes it may have.
    pub max_processes: u32,
    /// How it is told to end.
    pub stop_signal: Option<Signal>,
    /// The capabilities it gets beside the engine's own choice: `NET_ADMIN`.
    pub capabilities: Vec<String>,
    /// Whom it asks for names; empty: as its engine says.
    pub resolvers: Vec<IpAddr>,
    /// The domains in which it looks for names.
    pub search: Vec<String>,
}

impl Spec {
    /// A container of an image, that may have so many processes, with nothing said beside.
    pub fn new(name: String, image: Image, max_processes: u32) -> Self {
        Self {
            name,
            image,
            command: None,
            entrypoint: None,
            environment: Vec::new(),
            labels: BTreeMap::new(),
            user: None,
            working_dir: None,
            volumes: Vec::new(),
            published: Vec::new(),
            resources: Resources::default(),
            max_processes,
            stop_signal: None,
            capabilities: Vec::new(),
            resolvers: Vec::new(),
            search: Vec::new(),
        }
    }
}

/// A container, as its engine tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its identifier.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// What it is known by.
    pub labels: BTreeMap<String, String>,
    /// The image it was made of, as it was asked for.
    pub image: String,
    /// How it is.
    pub state: ContainerState,
    /// What its image's own check says; `None`: its image has none, or that is not known.
    pub health: Option<Health>,
    /// Its ports that the host has.
    pub published: Vec<Published>,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether its engine could tell no more of it than its list does: what its check says is not known, and ports and addresses that are
    /// not here may be there.
    pub partial: bool,
}

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// It was made, and never started.
    Created,
    /// It runs (also while it is paused).
    Running,
    /// It ran.
    Exited(Exit),
    /// It is being taken away, or cannot be.
    Dead,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exit {
    /// The exit code of its first process; 128 and the signal's number when that ended it.
    pub code: i64,
    /// Whether the kernel ended it because it took more memory than it may.
    pub out_of_memory: bool,
    /// Why the engine could not start it; empty: it could.
    pub error: String,
}

/// What an image's own check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Nothing yet.
    Starting,
    /// It passes.
    Healthy,
    /// It fails; with what it printed last.
    Unhealthy(String),
}

/// A port of a container that its host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The port inside.
    pub inside: NonZeroU16,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The host's port.
    pub outside: NonZeroU16,
    /// Whether nobody but the host itself reaches it there: a loopback address.
    pub is_local: bool,
}
