//! What a controller is configured with; start-up configuration, not facts.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use model::{HostPattern, Label, NodeId};

/// The most steps that are under way on one host at once: more wait for the next turn.
pub const MAX_STEPS: usize = 16;
/// The most edits of one turn; what is left is written by the next one.
pub const MAX_EDITS: usize = 500;
/// The longest reason of an instance or a deployment, in characters.
pub const MAX_REASON: usize = 1500;
/// How many requests to write may wait.
pub const PUBLISH_QUEUE: usize = 16;
/// The most lines, and octets, of a container's last words.
pub const LAST_LINES: u32 = 5;
/// The most octets of them.
pub const LAST_OCTETS: usize = 1000;

/// How a controller behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of this node.
    pub node: NodeId,
    /// A number of this process' own, by chance.
    pub term: u32,
    /// The name of the fleet: of containers that another fleet's controller launched nothing is known here.
    pub fleet: Label,
    /// How long its lease holds without being renewed: another node may control after that. It is renewed three times as often.
    pub lease: Duration,
    /// The longest pause between two turns.
    pub interval: Duration,
    /// How long a call to an engine may take.
    pub call_timeout: Duration,
    /// How long an engine may be silent before its instances leave every set and are placed elsewhere.
    pub host_grace: Duration,
    /// How long a node that is lost is waited for, from when its lease ended, before an instance that it may still use is ended.
    pub node_grace: Duration,
    /// The first pause before a container that ended by itself is started again; it doubles each time.
    pub backoff: Duration,
    /// The longest such pause.
    pub backoff_max: Duration,
    /// How long an instance has to be healthy for its failures to be forgotten.
    pub forget: Duration,
    /// How many failures in a row of one instance make a new version fail before its deadline; a host that failed to start as often holds up
    /// no deadline any more.
    pub failures: u16,
    /// How many processes a container may have.
    pub max_processes: u32,
    /// The memory of a container whose service does not say it, in octets; `None`: as much as there is.
    pub memory: Option<u64>,
    /// The paths of hosts that services may use: exactly these, nothing below them.
    pub host_paths: Vec<PathBuf>,
    /// The hosts of which containers that join by labels may claim frontends; empty: none.
    pub label_frontends: Vec<HostPattern>,
    /// Whom containers ask for names; empty: as their engine says.
    pub resolvers: Vec<IpAddr>,
    /// The domains in which containers look for names.
    pub search: Vec<String>,
    /// What facts may name and nobody but this configuration says: commands that run on this machine, by name.
    pub hooks: Vec<Hook>,
    /// How long a hook may take before it is killed, which is a failure.
    pub hook_timeout: Duration,
    /// What starts and stops hosts, by names that facts give: commands that run on this machine.
    pub actions: Vec<Hook>,
    /// How long an action may take before it is killed: what it did is not known then.
    pub action_timeout: Duration,
    /// How long the engine of a host that was started may take to answer, and that of one that was stopped to fall silent.
    pub host_wait: Duration,
    /// How long a host that is stopped has to have nothing to do before.
    pub host_idle: Duration,
    /// Where this machine is, for hosts that leave that open and have their engine here; empty: where it would reach others from.
    pub addresses: Vec<IpAddr>,
}

/// A command that runs on the controller's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// What facts call it.
    pub name: Label,
    /// Its words; the first is a path. No shell reads them.
    pub command: Vec<String>,
}

impl Hook {
    /// Reads `NAME=/path/of/command word word`.
    ///
    /// # Errors
    /// What is wrong, so that it can follow the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "it must be `NAME=/path/of/command word …`".to_owned();
        let (name, command) = text.split_once('=').ok_or_else(wrong)?;
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if !command.first().is_some_and(|program| program.starts_with('/')) {
            return Err(wrong());
        }
        Ok(Self { name: Label::parse(name).map_err(|error| error.to_string())?, command })
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.command.join(" "))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: NodeId("portico".into()),
            term: 0,
            fleet: fleet(),
            lease: Duration::from_secs(15),
            interval: Duration::from_secs(2),
            call_timeout: Duration::from_secs(10),
            host_grace: Duration::from_secs(30),
            node_grace: Duration::from_secs(30),
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(300),
            forget: Duration::from_secs(60),
            failures: 3,
            max_processes: 4096,
            memory: Some(512 << 20),
            host_paths: Vec::new(),
            label_frontends: Vec::new(),
            resolvers: Vec::new(),
            search: Vec::new(),
            hooks: Vec::new(),
            hook_timeout: Duration::from_secs(30),
            actions: Vec::new(),
            action_timeout: Duration::from_secs(120),
            host_wait: Duration::from_secs(300),
            host_idle: Duration::from_secs(600),
            addresses: Vec::new(),
        }
    }
}

/// What a fleet is called that nobody gave a name.
fn fleet() -> Label {
    #[expect(clippy::expect_used, reason = "it is a label")]
    Label::parse("portico").expect("a label")
}
