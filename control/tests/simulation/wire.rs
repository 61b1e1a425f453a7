//! The way from a controller to an engine: whoever changes something must hold the lease then, and hears of nothing while it stands still.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use control::runtime::fake::Fake;
use control::runtime::{
    Answer, BoxFuture, Container, Engine, Exec, Input, LogLine, LogQuery, Progress, Runtime, Spec,
};
use model::NodeId;
use model::launch::{Image, Signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use crate::registry::Registry;
use crate::world::Gate;

/// What was noted on all ways.
#[derive(Default)]
pub(crate) struct Notes {
    /// What never may happen, and did.
    wrong: Mutex<Option<String>>,
    /// When a check of a container last passed, by its identifier.
    passed: Mutex<BTreeMap<String, Instant>>,
}

impl Notes {
    pub(crate) fn take_wrong(&self) -> Option<String> {
        self.wrong.lock().unwrap().take()
    }

    pub(crate) fn passed(&self, container: &str) -> Option<Instant> {
        self.passed.lock().unwrap().get(container).copied()
    }
}

/// One controller's way to one engine.
pub(crate) struct Wire {
    pub(crate) fake: Arc<Fake>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) registry: Registry,
    pub(crate) node: NodeId,
    pub(crate) term: u32,
    pub(crate) notes: Arc<Notes>,
}

impl Wire {
    /// The answer, once the controller stands still no more.
    fn tell<'a, T: Send + 'a>(&'a self, call: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let answer = call.await;
            self.gate.opened().await;
            answer
        })
    }

    /// The same of what changes something.
    fn change<'a, T: Send + 'a>(&'a self, what: String, call: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            if let Err(holder) = self.registry.leads(&self.node, self.term) {
                let (node, term) = (&self.node, self.term);
                let wrong = format!("{node} of term {term} asks to {what}, and the lease is {holder}");
                self.notes.wrong.lock().unwrap().get_or_insert(wrong);
            }
            self.tell(call).await
        })
    }
}

impl Runtime for Wire {
    fn about(&self) -> Answer<'_, Engine> {
        self.tell(self.fake.about())
    }

    fn list(&self) -> Answer<'_, Vec<Container>> {
        self.tell(self.fake.list())
    }

    fn follow<'a>(&'a self, changed: &'a Notify) -> BoxFuture<'a, control::runtime::RuntimeError> {
        self.fake.follow(changed)
    }

    fn pull<'a>(&'a self, image: &'a Image, progress: &'a watch::Sender<Progress>) -> Answer<'a, ()> {
        self.tell(self.fake.pull(image, progress))
    }

    fn push<'a>(&'a self, image: &'a Image, progress: &'a watch::Sender<Progress>) -> Answer<'a, ()> {
        self.tell(self.fake.push(image, progress))
    }

    fn image<'a>(&'a self, image: &'a Image) -> Answer<'a, Option<String>> {
        self.tell(self.fake.image(image))
    }

    fn create<'a>(&'a self, spec: &'a Spec) -> Answer<'a, String> {
        self.change(format!("create {}", spec.name), self.fake.create(spec))
    }

    fn start<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        self.change(format!("start {id}"), self.fake.start(id))
    }

    fn signal<'a>(&'a self, id: &'a str, signal: Option<Signal>) -> Answer<'a, ()> {
        self.change(format!("signal {id}"), self.fake.signal(id, signal))
    }

    fn remove<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        self.change(format!("remove {id}"), self.fake.remove(id))
    }

    fn logs<'a>(&'a self, id: &'a str, asked: LogQuery, lines: mpsc::Sender<LogLine>) -> Answer<'a, ()> {
        self.tell(self.fake.logs(id, asked, lines))
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: Exec,
        input: mpsc::Receiver<Input>,
        output: mpsc::Sender<LogLine>,
    ) -> Answer<'a, i64> {
        Box::pin(async move {
            let answer = self.fake.exec(id, command, input, output).await;
            if let Ok(0) = answer {
                self.notes.passed.lock().unwrap().insert(id.to_owned(), Instant::now());
            }
            self.gate.opened().await;
            answer
        })
    }
}
