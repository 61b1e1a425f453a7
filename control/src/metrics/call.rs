//! An engine whose calls are counted.

use std::sync::Arc;

use model::HostName;
use model::launch::{Image, Signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::{Ended, Metrics};
use crate::runtime::{
    Answer, BoxFuture, Container, Engine, Exec, Input, LogLine, LogQuery, Progress, Runtime, RuntimeError,
    Spec,
};

/// The engine of a host.
pub(crate) struct Counted {
    host: HostName,
    engine: Arc<dyn Runtime>,
    metrics: Arc<Metrics>,
}

/// A call that is under way; counted when it is dropped, however it ended.
struct Call<'a> {
    of: &'a Counted,
    name: &'static str,
    begun: Instant,
    ended: Ended,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.of.metrics.called(&self.of.host, self.name, self.ended, self.begun.elapsed());
    }
}

impl Counted {
    pub(crate) fn new(host: HostName, engine: Arc<dyn Runtime>, metrics: Arc<Metrics>) -> Self {
        Self { host, engine, metrics }
    }

    fn count<'a, T: 'a>(&'a self, name: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let mut call = Call { of: self, name, begun: Instant::now(), ended: Ended::GivenUp };
            let answer = answer.await;
            call.ended = answer.as_ref().map_or_else(ended, |_| Ended::Done);
            answer
        })
    }
}

fn ended(error: &RuntimeError) -> Ended {
    match error {
        RuntimeError::Unreachable(_) => Ended::Unreachable,
        RuntimeError::NoImage { .. }
        | RuntimeError::Taken(_)
        | RuntimeError::NoContainer(_)
        | RuntimeError::Refused(_) => Ended::Refused,
    }
}

impl Runtime for Counted {
    fn about(&self) -> Answer<'_, Engine> {
        self.count("about", self.engine.about())
    }

    fn list(&self) -> Answer<'_, Vec<Container>> {
        self.count("list", self.engine.list())
    }

    fn follow<'a>(&'a self, changed: &'a Notify) -> BoxFuture<'a, RuntimeError> {
        Box::pin(async move {
            let mut call = Call { of: self, name: "follow", begun: Instant::now(), ended: Ended::GivenUp };
            let error = self.engine.follow(changed).await;
            call.ended = ended(&error);
            error
        })
    }

    fn pull<'a>(&'a self, image: &'a Image, progress: &'a watch::Sender<Progress>) -> Answer<'a, ()> {
        self.count("pull", self.engine.pull(image, progress))
    }

    fn push<'a>(&'a self, image: &'a Image, progress: &'a watch::Sender<Progress>) -> Answer<'a, ()> {
        self.count("push", self.engine.push(image, progress))
    }

    fn image<'a>(&'a self, image: &'a Image) -> Answer<'a, Option<String>> {
        self.count("image", self.engine.image(image))
    }

    fn create<'a>(&'a self, spec: &'a Spec) -> Answer<'a, String> {
        self.count("create", self.engine.create(spec))
    }

    fn start<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        self.count("start", self.engine.start(id))
    }

    fn signal<'a>(&'a self, id: &'a str, signal: Option<Signal>) -> Answer<'a, ()> {
        self.count("signal", self.engine.signal(id, signal))
    }

    fn remove<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        self.count("remove", self.engine.remove(id))
    }

    fn logs<'a>(&'a self, id: &'a str, asked: LogQuery, lines: mpsc::Sender<LogLine>) -> Answer<'a, ()> {
        self.count("logs", self.engine.logs(id, asked, lines))
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: Exec,
        input: mpsc::Receiver<Input>,
        output: mpsc::Sender<LogLine>,
    ) -> Answer<'a, i64> {
        self.count("exec", self.engine.exec(id, command, input, output))
    }
}
