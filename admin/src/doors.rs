//! What the API looks through: handles on the rest of the house, handed in by the binary.

use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use model::{NodeId, Revision};
use proxy::Proxy;
use registry::Registry;
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::wire::Listener;

/// Handles on the parts of this process.
#[derive(Clone)]
pub struct Doors {
    /// Where facts are read and written.
    pub registry: Registry,
    /// The data path, when this process has one.
    pub proxy: Option<Proxy>,
    /// DNS, when this process has it.
    pub dns: Option<dnsd::Dnsd>,
    /// What launches and ends instances, when this process may.
    pub control: Option<control::Control>,
    /// The name of this node.
    pub node: NodeId,
    /// The version of portico.
    pub version: &'static str,
    /// When this process started, by the clock that never jumps.
    pub started: Instant,
    /// The same by the wall clock, as it was then.
    pub started_at: SystemTime,
    /// How many messages of this process' own log were dropped so far.
    pub log_dropped: fn() -> u64,
    /// Where this process listens, this listener included.
    pub listeners: Vec<Listener>,
    /// True once this process takes its leave: `/readyz` then says 503.
    pub draining: watch::Receiver<bool>,
}

/// What every handler gets.
pub(crate) struct App {
    pub(crate) doors: Doors,
    pub(crate) config: Config,
    /// The revision of the first snapshot that was worth serving: the proxy is ready once it serves it.
    pub(crate) first: OnceLock<Revision>,
    /// Places to wait for a revision at.
    pub(crate) waits: Arc<Semaphore>,
    /// Places to be told of events at.
    pub(crate) streams: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(doors: Doors, config: Config) -> Self {
        let waits = Arc::new(Semaphore::new(config.waits));
        let streams = Arc::new(Semaphore::new(config.events));
        Self { doors, config, first: OnceLock::new(), waits, streams }
    }
}
