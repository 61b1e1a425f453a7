//! An engine without one: for tests of what uses engines.
//!
//! In: what images do ([`Behaviour`]), what goes wrong ([`Fault`]), chance as a seed. Out: what an engine would answer, and which calls it
//! got. Never here: a process, a socket, a clock but tokio's, so that it is the same each time when that is paused.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::launch::{Image, Signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Answer, BoxFuture, Container, Engine, Exec, Exit, Input, LogLine, LogQuery, Progress, Runtime,
    RuntimeError, Spec,
};

mod behaviour;
mod state;

pub use behaviour::{Behaviour, Pull, line};
use state::State;

/// What goes wrong with an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing. The default.
    #[default]
    None,
    /// Nobody reaches it.
    Unreachable,
    /// Whatever is asked is not answered in time, and not done.
    Hangs,
    /// What is asked is done, and the answer does not arrive.
    AnswersLost,
}

/// A call that reached an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it was done.
    pub at: Instant,
    /// What was asked.
    pub asked: Asked,
}

/// What was asked of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// What it is, or has; which changes nothing.
    Tell,
    /// To fetch an image.
    Pull(String),
    /// To send this image.
    Push(String),
    /// To make a container of this name.
    Create(String),
    /// To start the container with this identifier.
    Start(String),
    /// To signal it.
    Signal(String),
    /// To take it away.
    Remove(String),
    /// To run a command in it.
    Exec(String),
}

/// What those who follow hear of.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    events: u64,
    /// How often all that followed were cut off.
    cuts: u64,
}

/// An engine without one.
pub struct Fake {
    timeout: Duration,
    state: Mutex<State>,
    heard: watch::Sender<Heard>,
}

impl Fake {
    /// Nothing on it yet, not even an image; `seed` decides what is left to chance, a call is given up after `timeout`.
    pub fn new(seed: u64, timeout: Duration) -> Self {
        Self { timeout, state: Mutex::new(State::new(seed)), heard: watch::Sender::new(Heard::default()) }
    }

    /// Says what it has: cores and memory.
    pub fn set_engine(&self, engine: Engine) {
        self.lock().engine = engine;
    }

    /// Says what containers of an image do that are made from now on.
    pub fn set_image(&self, name: &str, behaviour: Behaviour) {
        self.lock().images.insert(name.to_owned(), behaviour);
    }

    /// Has something go wrong from now on, or nothing any more. Who follows is cut off by all but lost answers.
    pub fn set_fault(&self, fault: Fault) {
        self.lock().fault = fault;
        if matches!(fault, Fault::Unreachable | Fault::Hangs) {
            self.cut();
        }
    }

    /// Has each call take up to so long from now on.
    pub fn set_slow(&self, at_most: Duration) {
        self.lock().slow = at_most;
    }

    /// The engine starts again: all that ran is killed, who follows is cut off.
    pub fn restart(&self) {
        self.lock().restart();
        self.cut();
    }

    /// A container that runs ends by itself, now.
    pub fn die(&self, id: &str, exit: Exit) {
        self.lock().die(id, exit);
        self.tell();
    }

    /// Somebody else makes a container, and starts it; its identifier.
    ///
    /// # Errors
    /// As [`Runtime::create`].
    pub fn foreign(&self, spec: &Spec) -> Result<String, RuntimeError> {
        let id = {
            let mut state = self.lock();
            let id = state.create(spec)?;
            state.start(&id)?;
            id
        };
        self.tell();
        Ok(id)
    }

    /// Somebody else takes a container away.
    pub fn take(&self, id: &str) {
        self.lock().remove(id);
        self.tell();
    }

    /// All containers as they are, also those without labels, whatever goes wrong.
    pub fn containers(&self) -> Vec<Container> {
        self.lock().all()
    }

    /// The calls it got since this was last asked, in order.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.lock().calls)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.heard.send_modify(|heard| heard.events += 1);
    }

    fn cut(&self) {
        self.heard.send_modify(|heard| heard.cuts += 1);
    }

    /// Does what is asked, unless something is wrong. A caller that goes away half way through does not know whether it was done.
    async fn ask<T>(
        &self,
        asked: Asked,
        work: impl FnOnce(&mut State) -> Result<T, RuntimeError>,
    ) -> Result<T, RuntimeError> {
        self.pause().await;
        let fault = self.reach().await?;
        let is_told = !matches!(asked, Asked::Tell | Asked::Exec(_));
        let done = {
            let mut state = self.lock();
            state.note(asked);
            work(&mut state)
        };
        if is_told {
            self.tell();
        }
        self.pause().await;
        if fault == Fault::AnswersLost {
            sleep(self.timeout).await;
            return Err(RuntimeError::Unreachable("it did not answer in time".to_owned()));
        }
        done
    }

    /// The half of what a slow call takes.
    async fn pause(&self) {
        let pause = {
            let mut state = self.lock();
            let at_most = state.slow / 2;
            at_most.mul_f64(state.chance.f64())
        };
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }

    /// Whether it is reached at all; what goes wrong then.
    async fn reach(&self) -> Result<Fault, RuntimeError> {
        let fault = self.lock().fault;
        match fault {
            Fault::None | Fault::AnswersLost => Ok(fault),
            Fault::Unreachable => Err(RuntimeError::Unreachable("connection refused".to_owned())),
            Fault::Hangs => {
                sleep(self.timeout).await;
                Err(RuntimeError::Unreachable("it did not answer in time".to_owned()))
            }
        }
    }

    async fn follow_events(&self, changed: &Notify) -> RuntimeError {
        let mut heard = self.heard.subscribe();
        if let Err(error) = self.reach().await {
            return error;
        }
        let cuts = heard.borrow_and_update().cuts;
        changed.notify_one();
        loop {
            let next = self.lock().next();
            let by_itself = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = heard.changed() => {}
                () = by_itself => { self.lock().pass(); }
            }
            if heard.borrow_and_update().cuts != cuts {
                return RuntimeError::Unreachable("it ended the stream of events".to_owned());
            }
            changed.notify_one();
        }
    }

    async fn fetch(&self, image: &Image, progress: &watch::Sender<Progress>) -> Result<(), RuntimeError> {
        let name = image.as_str().to_owned();
        let pull = self
            .ask(Asked::Pull(name.clone()), |state| Ok(state.images.get(&name).map(|it| it.pull.clone())))
            .await?;
        match pull {
            None => return Err(state::no_image(image)),
            Some(Pull::Fails(reason)) => return Err(RuntimeError::NoImage { image: name, reason }),
            Some(Pull::Hangs) => std::future::pending().await,
            Some(Pull::Takes(time)) => sleep(time).await,
        }
        self.reach().await?;
        progress.send_replace(Progress { done: 1, of: 1 });
        self.lock().fetched(image);
        Ok(())
    }

    async fn read_logs(
        &self,
        id: &str,
        asked: LogQuery,
        lines: mpsc::Sender<LogLine>,
    ) -> Result<(), RuntimeError> {
        let mut heard = self.heard.subscribe();
        let (mut printed, mut runs) = self.ask(Asked::Tell, |state| state.printed(id)).await?;
        let tail = asked.tail.and_then(|tail| usize::try_from(tail).ok()).unwrap_or(usize::MAX);
        let mut told = printed.len().saturating_sub(tail);
        loop {
            for line in printed.drain(told.min(printed.len())..) {
                told += 1;
                if lines.send(line).await.is_err() {
                    return Ok(());
                }
            }
            if !asked.follow || !runs {
                return Ok(());
            }
            let _ = heard.changed().await;
            (printed, runs) = self.lock().printed(id)?;
        }
    }

    async fn run(
        &self,
        id: &str,
        command: Exec,
        mut input: mpsc::Receiver<Input>,
        output: mpsc::Sender<LogLine>,
    ) -> Result<i64, RuntimeError> {
        let mut heard = self.heard.subscribe();
        let known = self.ask(Asked::Exec(id.to_owned()), |state| state.exec(id, &command.words)).await?;
        if self.lock().goes_on(id, &command.words) {
            while self.lock().goes_on(id, &command.words) {
                let _ = heard.changed().await;
            }
            return Ok(state::KILLED);
        }
        let Some((printed, code)) = known else {
            while let Some(piece) = input.recv().await {
                if let Input::Octets(text) = piece {
                    let _ = output.send(LogLine { is_error: false, text }).await;
                }
            }
            return Ok(0);
        };
        for line in printed {
            let _ = output.send(line).await;
        }
        Ok(code)
    }
}

impl Runtime for Fake {
    fn about(&self) -> Answer<'_, Engine> {
        Box::pin(self.ask(Asked::Tell, |state| Ok(state.engine.clone())))
    }

    fn list(&self) -> Answer<'_, Vec<Container>> {
        Box::pin(self.ask(Asked::Tell, |state| Ok(state.list())))
    }

    fn follow<'a>(&'a self, changed: &'a Notify) -> BoxFuture<'a, RuntimeError> {
        Box::pin(self.follow_events(changed))
    }

    fn pull<'a>(&'a self, image: &'a Image, progress: &'a watch::Sender<Progress>) -> Answer<'a, ()> {
        Box::pin(self.fetch(image, progress))
    }

    fn push<'a>(&'a self, image: &'a Image, progress: &'a watch::Sender<Progress>) -> Answer<'a, ()> {
        Box::pin(self.ask(Asked::Push(image.as_str().to_owned()), |state| {
            if !state.has(image) {
                return Err(state::no_image(image));
            }
            progress.send_replace(Progress { done: 1, of: 1 });
            Ok(())
        }))
    }

    fn image<'a>(&'a self, image: &'a Image) -> Answer<'a, Option<String>> {
        Box::pin(self.ask(Asked::Tell, |state| Ok(state.has(image).then(|| digest(image.as_str())))))
    }

    fn create<'a>(&'a self, spec: &'a Spec) -> Answer<'a, String> {
        Box::pin(self.ask(Asked::Create(spec.name.clone()), |state| state.create(spec)))
    }

    fn start<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(self.ask(Asked::Start(id.to_owned()), |state| state.start(id)))
    }

    fn signal<'a>(&'a self, id: &'a str, signal: Option<Signal>) -> Answer<'a, ()> {
        Box::pin(self.ask(Asked::Signal(id.to_owned()), move |state| state.signal(id, signal)))
    }

    fn remove<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        let remove = |state: &mut State| {
            state.remove(id);
            Ok(())
        };
        Box::pin(self.ask(Asked::Remove(id.to_owned()), remove))
    }

    fn logs<'a>(&'a self, id: &'a str, asked: LogQuery, lines: mpsc::Sender<LogLine>) -> Answer<'a, ()> {
        Box::pin(self.read_logs(id, asked, lines))
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: Exec,
        input: mpsc::Receiver<Input>,
        output: mpsc::Sender<LogLine>,
    ) -> Answer<'a, i64> {
        Box::pin(self.run(id, command, input, output))
    }
}

/// Of each name another one, and always the same (FNV-1a, from four beginnings).
fn digest(image: &str) -> String {
    let mix = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    let word = |begin: u64| format!("{:016x}", image.bytes().fold(0xcbf2_9ce4_8422_2325 ^ begin, mix));
    format!("sha256:{}", (0..4).map(word).collect::<String>())
}
