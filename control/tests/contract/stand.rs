//! A place to run containers, and what promises ask of it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use control::runtime::{Container, Exec, Input, LogLine, LogQuery, Runtime, RuntimeError, Spec};
use model::launch::Image;
use tokio::sync::mpsc;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// It serves `one` over HTTP at port 8080, and ends with 143 when it is told to.
pub(crate) const WEB: &str = "contract-web:1";
/// It prints `one`, `two` and `three`, then `oops` on standard error, and ends with 3.
pub(crate) const PRINTER: &str = "contract-printer:1";
/// It takes ever more memory.
pub(crate) const GLUTTON: &str = "contract-glutton:1";
/// Its own check fails, and prints `no page`.
pub(crate) const SICK: &str = "contract-sick:1";
/// Its own check passes.
pub(crate) const WELL: &str = "contract-well:1";
/// There is none of that name.
pub(crate) const NOWHERE: &str = "contract-nowhere:1";

/// One runtime that has the images above, for one test.
pub(crate) struct Stand {
    pub(crate) runtime: Arc<dyn Runtime>,
    /// What makes names the test's own: others use the same engine at the same time.
    own: String,
    _kept: Box<dyn Any + Send>,
}

impl Stand {
    /// `kept`: what must live as long as the runtime is used.
    pub(crate) fn new(runtime: Arc<dyn Runtime>, kept: impl Any + Send) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let own = format!("contract-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self { runtime, own, _kept: Box::new(kept) }
    }

    /// What a container of this test's may be.
    pub(crate) fn spec(&self, name: &str, image: &str) -> Spec {
        let labels = BTreeMap::from([("portico.contract".to_owned(), self.own.clone())]);
        let name = format!("{}-{name}", self.own);
        Spec { labels, ..Spec::new(name, Image::parse(image).unwrap(), 64) }
    }

    /// A container that was started; its identifier.
    pub(crate) async fn run(&self, name: &str, image: &str) -> String {
        self.start(&self.spec(name, image)).await
    }

    /// A container that was started; its identifier.
    pub(crate) async fn start(&self, spec: &Spec) -> String {
        let id = self.runtime.create(spec).await.unwrap();
        self.runtime.start(&id).await.unwrap();
        id
    }

    /// This test's containers.
    pub(crate) async fn list(&self) -> Vec<Container> {
        let own = |container: &Container| container.labels.get("portico.contract") == Some(&self.own);
        self.runtime.list().await.unwrap().into_iter().filter(own).collect()
    }

    /// A container, once it is as `expected`.
    pub(crate) async fn until(&self, id: &str, expected: impl Fn(&Container) -> bool) -> Container {
        let mut last = None;
        let wait = async {
            loop {
                last = self.list().await.into_iter().find(|container| container.id == id);
                match &last {
                    Some(container) if expected(container) => return container.clone(),
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let found = tokio::time::timeout(DEADLINE, wait).await;
        found.unwrap_or_else(|_| panic!("{id} is not as expected: {last:?}"))
    }

    /// What a container printed, until that ends.
    pub(crate) async fn logs(&self, id: &str, asked: LogQuery) -> Result<Vec<LogLine>, RuntimeError> {
        let (sender, receiver) = mpsc::channel(4);
        let (done, lines) = tokio::join!(self.runtime.logs(id, asked, sender), all(receiver));
        done.map(|()| lines)
    }

    /// What a command printed, given an input, and its exit code.
    pub(crate) async fn exec(
        &self,
        id: &str,
        command: Exec,
        input: Vec<Input>,
    ) -> Result<(Vec<LogLine>, i64), RuntimeError> {
        let (sender, receiver) = mpsc::channel(4);
        let (feed, fed) = mpsc::channel(input.len().max(1));
        for piece in input {
            feed.send(piece).await.unwrap();
        }
        drop(feed);
        let run = async { tokio::join!(self.runtime.exec(id, command, fed, sender), all(receiver)) };
        let (code, lines) = tokio::time::timeout(DEADLINE, run).await.expect("the command ends");
        code.map(|code| (lines, code))
    }
}

async fn all(mut receiver: mpsc::Receiver<LogLine>) -> Vec<LogLine> {
    let mut lines = Vec::new();
    while let Some(line) = receiver.recv().await {
        lines.push(line);
    }
    lines
}

/// A command of these words.
pub(crate) fn command(words: &[&str]) -> Exec {
    Exec { words: words.iter().map(|&word| word.to_owned()).collect(), ..Exec::default() }
}

pub(crate) fn line(text: &'static str) -> LogLine {
    LogLine { is_error: false, text: Bytes::from_static(text.as_bytes()) }
}

pub(crate) fn complaint(text: &'static str) -> LogLine {
    LogLine { is_error: true, ..line(text) }
}
