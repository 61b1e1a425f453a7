//! One stay with a reachable store, from the connection to its loss: connect, list, then follow.
//!
//! In: what Redis pushes, what writers ask, health reports, the clock. Out: events. All of it is one task, so that what is known
//! needs no lock; each turn does a bounded piece of work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::{HealthReport, Report, Snapshot};
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Shared;
use super::checkers::Checkers;
use super::connect::{Refusal, Stop, connect_reader, connect_writer};
use super::fleet::{Fleet, news};
use super::known::Known;
use super::marks::Marks;
use super::names::{Meaning, RawKey};
use super::plain::describe;
use super::pushes::{Announced, Push, Pushes, announced};
use super::sentinel;
use super::subscribe::subscribe;
use super::sweep::Sweep;
use super::write::Command;
use crate::driver::{Event, Heard};

/// How often the small things are done: the heartbeat, the active checker's sign of life.
const BEAT: Duration = Duration::from_secs(1);

/// What reaches the driver from this process; outlives connections.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) health: mpsc::Receiver<HealthReport>,
    pub(super) closed: watch::Receiver<bool>,
}

/// One stay with the store.
pub(super) struct Session<'a> {
    pub(super) shared: &'a Shared,
    pub(super) events: &'a mpsc::Sender<Event>,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) report: watch::Receiver<Arc<Report>>,
    pub(super) nodes: &'a watch::Sender<Arc<Heard>>,
    pub(super) connection: MultiplexedConnection,
    /// `None`: the other server of a pair cannot be reached.
    pub(super) writer: Option<MultiplexedConnection>,
    pushes: Option<Pushes>,
    /// Ends when the sentinels name another master.
    moved: JoinSet<String>,
    pub(super) follows_by: &'static str,
    pub(super) known: Known,
    /// The revision that was told last.
    pub(super) highest: u64,
    /// Why the store takes no writes from us.
    pub(super) read_only: Option<Refusal>,
    /// What of that was logged last.
    pub(super) said: Option<Refusal>,
    /// Whether what `read_only` says changed since it was told.
    pub(super) turned: bool,
    /// Whether everything that stands in the store was read once in this session.
    pub(super) listed: bool,
    /// Keys that may have changed.
    pub(super) dirty: BTreeSet<RawKey>,
    pub(super) deadlines: Deadlines,
    pub(super) marks: Marks,
    pub(super) checkers: Checkers,
    pub(super) sweep: Sweep,
    pub(super) fleet: Fleet,
    beat: Instant,
}

impl<'a> Session<'a> {
    /// Connects and asks to be told of changes; lists nothing yet.
    pub(super) async fn connect(
        shared: &'a Shared,
        events: &'a mpsc::Sender<Event>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        report: watch::Receiver<Arc<Report>>,
        nodes: &'a watch::Sender<Arc<Heard>>,
    ) -> Result<Self, Stop> {
        let (place, config) = (&shared.place, &shared.config);
        let server = sentinel::find(&place.read, config.timeout).await?;
        let (mut connection, mut pushes) =
            connect_reader(&server, &shared.names, &config.node, config.timeout).await?;
        if place.read.sentinels.is_some() {
            sentinel::be_master(&mut connection, &server).await?;
        }
        let follows_by = subscribe(&mut connection, &mut pushes, shared, &server).await?;
        let writer = match &place.write {
            None => Some(connection.clone()),
            Some(server) => match connect_writer(server, config.timeout).await {
                Ok(writer) => Some(writer),
                Err(error) => {
                    tracing::warn!(%server, error = describe(&error), "the server to write to cannot be reached");
                    None
                }
            },
        };
        let highest = snapshots.borrow().revision().number();
        Ok(Self {
            shared,
            events,
            snapshots,
            report,
            nodes,
            connection,
            writer,
            pushes,
            moved: sentinel::watch(&place.read, &server, config.timeout),
            follows_by,
            known: Known::default(),
            highest,
            read_only: None,
            said: None,
            turned: false,
            listed: false,
            dirty: BTreeSet::new(),
            deadlines: Deadlines::default(),
            marks: Marks::default(),
            checkers: Checkers::default(),
            sweep: Sweep::new(config.reconcile),
            fleet: Fleet::new(),
            beat: Instant::now(),
        })
    }

    /// Follows until the store is lost or nobody listens.
    pub(super) async fn follow(&mut self, inbox: &mut Inbox) -> Stop {
        loop {
            if let Err(stop) = self.turn(inbox).await {
                return stop;
            }
        }
    }

    async fn turn(&mut self, inbox: &mut Inbox) -> Result<(), Stop> {
        let busy = !self.dirty.is_empty() || self.marks.is_dirty();
        let due = self.beat.min(self.sweep.due()).min(self.deadlines.first().unwrap_or(self.beat));
        let due = due.min(self.fleet_due());
        let due = if busy { Instant::now() } else { due };
        tokio::select! {
            () = self.events.closed() => return Err(Stop::Closed),
            () = told_to_close(&mut inbox.closed) => return Err(Stop::Closed),
            Some(moved) = self.moved.join_next() => {
                return Err(Stop::Lost(moved.unwrap_or_else(|error| error.to_string())));
            }
            push = next(&mut self.pushes) => self.absorb(push)?,
            Some(command) = inbox.commands.recv() => self.obey(command).await?,
            Some(report) = inbox.health.recv() => self.report_health(report, &mut inbox.health).await?,
            () = news(&mut self.report) => {}
            () = tokio::time::sleep_until(due) => {}
        }
        // Bursts are coalesced: what waits already is read in the same batch.
        self.absorb_waiting()?;
        let now = Instant::now();
        while let Some(key) = self.deadlines.passed(now) {
            self.touched(key);
        }
        if self.sweep.begins_to_hurry() {
            self.reconcile().await?;
        }
        if !self.dirty.is_empty() {
            self.settle().await?;
        }
        if self.checkers.is_dirty() {
            self.mark_announced().await?;
        }
        if self.marks.is_dirty() {
            self.read_marks().await?;
        }
        if self.sweep.due() <= now {
            self.reconcile().await?;
        }
        self.keep_fleet().await?;
        if self.beat <= now {
            self.beat = now + BEAT;
            self.pulse().await?;
        }
        if std::mem::take(&mut self.turned) {
            self.list().await?;
        }
        Ok(())
    }

    /// Takes in what the store has pushed so far.
    pub(super) fn absorb_waiting(&mut self) -> Result<(), Stop> {
        while let Some(push) = self.pushes.as_mut().and_then(Pushes::waiting) {
            self.absorb(push)?;
        }
        Ok(())
    }

    fn absorb(&mut self, push: Push) -> Result<(), Stop> {
        match push {
            Push::Gone => return Err(Stop::Lost("the connection was closed".to_owned())),
            Push::All => self.sweep.hurry(),
            Push::Keys(keys) => keys.into_iter().for_each(|key| self.touched(key)),
            Push::Announced(announcement) => self.hear_of(announced(&announcement)),
            Push::Dead(announcement) => {
                self.marks.hint(&announcement);
                self.checkers.hear(&announcement);
            }
            Push::Node(said) => self.hear_node(&said),
        }
        Ok(())
    }

    /// Another node wrote or numbered something. What is known at the number it was given, or a later one, needs no look: two nodes
    /// that list a store at the same time tell each other of every key. Local revisions say nothing of that number.
    fn hear_of(&mut self, Announced { keys, since }: Announced) {
        let since = since.filter(|_| self.read_only.is_none());
        if keys.is_empty() {
            self.sweep.soon();
        }
        let names = &self.shared.names;
        for key in keys {
            let known = since.and_then(|_| self.known.get(names, &key));
            if known.is_none_or(|known| since.is_none_or(|since| known.revision.number() < since)) {
                self.touched(key);
            }
        }
    }

    /// A key may have changed.
    pub(super) fn touched(&mut self, key: RawKey) {
        match self.shared.names.meaning(&key) {
            Meaning::Fact { .. } | Meaning::Junk(_) | Meaning::Check(_) => {
                self.dirty.insert(key);
            }
            Meaning::Dead(host) => self.marks.touched(host),
            Meaning::Other => {}
        }
    }

    /// What is done once a second.
    async fn pulse(&mut self) -> Result<(), Stop> {
        match self.read_only {
            Some(_) => self.try_to_write().await?,
            None => self.check_books().await?,
        }
        // Should more be served than was told, the counter follows with the next comparison.
        self.highest = self.floor();
        self.watch_checkers().await?;
        if self.dirty.is_empty() {
            self.send(Event::Confirmed).await?;
        }
        Ok(())
    }

    /// Asks a store that took no writes whether it does now.
    async fn try_to_write(&mut self) -> Result<(), Stop> {
        if self.writer.is_none() {
            let server = self.shared.place.writer();
            let Ok(writer) = connect_writer(server, self.shared.config.timeout).await else { return Ok(()) };
            self.writer = Some(writer);
        }
        if self.call_number(&[], "").await?.is_some() {
            (self.read_only, self.said) = (None, None);
            self.turned = true;
        }
        Ok(())
    }

    /// From now on revisions are local.
    pub(super) fn become_read_only(&mut self, why: Refusal) {
        // What is wrong with the books is listed, so that other damage is news; other words for the rest are not.
        let listed =
            |why: &Refusal| if let Refusal::Damaged(damage) = why { Some(damage.clone()) } else { None };
        let news = self.read_only.as_ref().is_none_or(|before| listed(before) != listed(&why));
        self.turned |= news;
        // A listing asks again whether the store takes writes: the same answer is not said again.
        if news && self.said.as_ref() != Some(&why) {
            tracing::warn!(place = %self.shared.place, %why, "the registry takes no writes from us; revisions are local");
            self.said = Some(why.clone());
        }
        self.read_only = Some(why);
        self.tell_standing();
    }

    /// The highest revision this node knows.
    pub(super) fn floor(&self) -> u64 {
        self.highest.max(self.snapshots.borrow().revision().number())
    }

    /// Whether what is written can be read back at once.
    pub(super) fn writer_is_reader(&self) -> bool {
        self.shared.place.write.is_none()
    }

    /// Whether an error says that the server we follow is no master any more, where sentinels know of another: it is left.
    pub(super) fn is_demoted(&self, error: &RedisError) -> bool {
        let says = || error.code() == Some("READONLY") || describe(error).contains("READONLY");
        self.shared.place.read.sentinels.is_some() && says()
    }

    pub(super) async fn send(&self, event: Event) -> Result<(), Stop> {
        self.events.send(event).await.map_err(|_| Stop::Closed)
    }
}

/// Waits until the driver is to let go of the store.
pub(super) async fn told_to_close(closed: &mut watch::Receiver<bool>) {
    // An error means that the driver itself is gone.
    let _ = closed.wait_for(|closed| *closed).await;
}

async fn next(pushes: &mut Option<Pushes>) -> Push {
    match pushes {
        Some(pushes) => pushes.next().await.unwrap_or(Push::Gone),
        None => std::future::pending().await,
    }
}

/// When keys end by themselves.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Instant, RawKey)>);

impl Deadlines {
    /// A key that was to end at `from` ends at `to` (`None`: never).
    pub(super) fn moved(&mut self, key: &RawKey, from: Option<Instant>, to: Option<Instant>) {
        if let Some(from) = from {
            self.0.remove(&(from, Arc::clone(key)));
        }
        if let Some(to) = to {
            self.0.insert((to, Arc::clone(key)));
        }
    }

    fn first(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// The next key that has ended by `now`.
    fn passed(&mut self, now: Instant) -> Option<RawKey> {
        if self.first()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, key)| key)
    }
}
