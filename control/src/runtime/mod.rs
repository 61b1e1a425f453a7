//! The seam: what runs containers.
//!
//! In: what a container is to be, which one is to end and how. Out: what containers there are, and how they are; what they print.
//! Never here: a decision; a retry; a call that may last for ever (each but [`Runtime::follow`], [`Runtime::pull`], [`Runtime::push`],
//! [`Runtime::logs`] and [`Runtime::exec`] ends within the configured time; those end when the engine is not there any more).
//!
//! A runtime is one engine: one host's. The same list of promises holds for every kind of it (`control/tests/contract`).

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use model::launch::{Image, Signal};
use tokio::sync::{Notify, mpsc, watch};

mod container;
pub mod docker;
mod error;
pub mod fake;

pub use container::{Container, ContainerState, Exit, Health, Published, Spec};
pub use error::RuntimeError;

/// A boxed future, so that a runtime can be chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// What a call to an engine comes to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, RuntimeError>>;

/// One container engine.
pub trait Runtime: Send + Sync + 'static {
    /// What the engine is and has.
    fn about(&self) -> Answer<'_, Engine>;

    /// All containers that carry a label that begins with `portico.`, whatever their state.
    fn list(&self) -> Answer<'_, Vec<Container>>;

    /// Notifies whenever something may have happened to a container, until the engine cannot be heard any more; says why it ended.
    /// It has begun to listen when it first notifies.
    fn follow<'a>(&'a self, changed: &'a Notify) -> BoxFuture<'a, RuntimeError>;

    /// Fetches an image; says how far it is. An image by digest that is there is not fetched.
    fn pull<'a>(&'a self, image: &'a Image, progress: &'a watch::Sender<Progress>) -> Answer<'a, ()>;

    /// Sends an image that is there to the registry that its name begins with; says how far it is. Without a tag, `latest` is sent.
    fn push<'a>(&'a self, image: &'a Image, progress: &'a watch::Sender<Progress>) -> Answer<'a, ()>;

    /// The digest of an image that is there (`sha256:…`, of its manifest when it came from a registry, else its identifier); `None`: it is
    /// not there.
    fn image<'a>(&'a self, image: &'a Image) -> Answer<'a, Option<String>>;

    /// Makes a container, and does not start it; its identifier. [`RuntimeError::Taken`] when one of that name is there.
    fn create<'a>(&'a self, spec: &'a Spec) -> Answer<'a, String>;

    /// Starts a container that does not run; one that runs stays as it is.
    fn start<'a>(&'a self, id: &'a str) -> Answer<'a, ()>;

    /// Sends a signal (`None`: the one its image wants to be ended by), and returns at once. One that does not run any more is no error.
    fn signal<'a>(&'a self, id: &'a str, signal: Option<Signal>) -> Answer<'a, ()>;

    /// Takes a container away, whether it runs or not, with the anonymous volumes it had. One that is not there is no error.
    fn remove<'a>(&'a self, id: &'a str) -> Answer<'a, ()>;

    /// What a container printed, line by line, until that ends, or for ever with `follow`; ends early when nobody listens.
    fn logs<'a>(&'a self, id: &'a str, asked: LogQuery, lines: mpsc::Sender<LogLine>) -> Answer<'a, ()>;

    /// Runs a command in a container that runs, and answers its exit code. `input` is what it reads: closed, it reads the end.
    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: Exec,
        input: mpsc::Receiver<Input>,
        output: mpsc::Sender<LogLine>,
    ) -> Answer<'a, i64>;
}

/// What an engine is and has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Engine {
    /// What it calls itself: `20.10.24`.
    pub version: String,
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Octets.
    pub memory: u64,
}

/// How far an image is fetched or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Octets that are there.
    pub done: u64,
    /// Octets in all, as far as that is known yet.
    pub of: u64,
}

/// What of a container's output is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// Whether what comes later is asked for too.
    pub follow: bool,
    /// How many lines of what is there, the last ones; `None`: all.
    pub tail: Option<u32>,
    /// Only what is not older than that; `None`: all.
    pub since: Option<Duration>,
    /// Whether each line is to begin with its time (RFC 3339).
    pub timestamps: bool,
}

/// A line that was printed, or a piece of output that is none yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Whether it was said on standard error.
    pub is_error: bool,
    /// The octets, a line feed at the end included where there was one. At most 64 KiB.
    pub text: Bytes,
}

/// A command to run in a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exec {
    /// The words of it.
    pub words: Vec<String>,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// Whether it has an input.
    pub input: bool,
}

/// What reaches a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// What it reads.
    Octets(Bytes),
    /// Its terminal has another size now.
    Size {
        /// Lines.
        rows: u16,
        /// Characters of a line.
        columns: u16,
    },
}
