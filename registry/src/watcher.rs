//! Lists, follows, folds, publishes: the task between a driver and everybody who watches.
//!
//! In: a driver's events, and an operator's word on a held view. Out: `watch` channels. Bursts are coalesced: however many events
//! wait, one snapshot is published.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use model::{DeadMarks, Snapshot};
use tokio::sync::{mpsc, oneshot, watch};

use crate::driver::Event;
use crate::fold::Fold;
use crate::hold::End;
use crate::{Accepted, Held, Link, State};

/// The most events folded before the result is published.
const BURST: usize = 256;

pub(crate) struct Watcher {
    pub(crate) events: mpsc::Receiver<Event>,
    /// Operators who believe the held view, and wait for what became of it.
    pub(crate) accepts: mpsc::Receiver<oneshot::Sender<Option<Accepted>>>,
    pub(crate) fold: Fold,
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(crate) marks: watch::Sender<Arc<DeadMarks>>,
    pub(crate) state: watch::Sender<Arc<State>>,
    /// True once the end was asked for: a store that is lost then is no news.
    pub(crate) closing: Arc<AtomicBool>,
}

impl Watcher {
    /// Runs until `stop` is true or every sender of events is gone.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut burst = Vec::with_capacity(BURST);
        loop {
            let mut accept = None;
            tokio::select! {
                received = self.events.recv_many(&mut burst, BURST) => if received == 0 { return },
                Some(asked) = self.accepts.recv() => accept = Some(asked),
                () = time_of(self.fold.deadline()) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let now = Instant::now();
            self.fold.tick(now);
            let accepted = accept.map(|asked| (asked, self.fold.accept(now)));
            let mut barriers = Vec::new();
            for event in burst.drain(..) {
                match event {
                    Event::Barrier(reached) => barriers.push(reached),
                    event => self.fold.event(event, now),
                }
            }
            self.publish();
            if let Some((asked, accepted)) = accepted {
                // Who went away needs no answer.
                let _ = asked.send(accepted);
            }
            barriers.iter().for_each(|reached| reached.notify_one());
        }
    }

    fn publish(&mut self) {
        let ended = self.fold.ended.take();
        let Fold { snapshot, marks, state, .. } = &self.fold;
        self.snapshots.send_if_modified(|served| {
            let news = served.revision() != snapshot.revision();
            if news {
                *served = Arc::new(snapshot.clone());
            }
            news
        });
        self.marks.send_if_modified(|served| {
            let news =
                !served.by_host.ptr_eq(&marks.by_host) || served.active_checker != marks.active_checker;
            if news {
                *served = Arc::new(marks.clone());
            }
            news
        });
        self.state.send_if_modified(|served| {
            let news = **served != *state;
            if news {
                if !self.closing.load(Ordering::Relaxed) {
                    tell(&served.link, state);
                    tell_hold(served.held.as_ref(), state, ended);
                }
                *served = Arc::new(state.clone());
            }
            news
        });
    }
}

/// Waits until `time`; without one, for ever.
async fn time_of(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Says in the log that a view is held, and what became of it.
fn tell_hold(before: Option<&Held>, now: &State, ended: Option<End>) {
    let State { url, held, .. } = now;
    if before.is_some() || ended.is_some() {
        match ended {
            Some(End::Time) => {
                tracing::warn!(registry = %url, "the held view was believed: its time has come")
            }
            Some(End::Accepted) => {
                tracing::warn!(registry = %url, "the held view was believed: an operator accepted it")
            }
            Some(End::Recovered) => {
                tracing::info!(registry = %url, "the held view recovered: nothing was removed")
            }
            Some(End::Lost) => tracing::info!(registry = %url, "the held view is dropped: its store is lost"),
            None => {}
        }
    }
    if let (None, Some(Held { removes, of, since, until, older })) = (before, held) {
        let seconds = until.saturating_duration_since(*since).as_secs();
        if *older {
            tracing::error!(
                registry = %url, removes, of, seconds,
                "the registry is an older copy of itself: what is newer is served on and its view is held; \
                 `portico registry accept` believes it at once"
            );
            return;
        }
        tracing::error!(
            registry = %url, removes, of, seconds,
            "the registry suddenly lost most of its frontends: they are served on and its view is held; \
             `portico registry accept` believes it at once"
        );
    }
}

/// Says in the log when the store is lost and when it is back, once each; every failed attempt is a detail.
fn tell(before: &Link, now: &State) {
    let State { url, link, ready, from_cache, follows_by, .. } = now;
    match (before, link) {
        (Link::Live | Link::Connecting, Link::Lost { error }) if *ready => {
            tracing::warn!(registry = %url, %error, from_cache, "the registry is lost: the last routes serve");
        }
        (Link::Live | Link::Connecting, Link::Lost { error }) => {
            tracing::warn!(registry = %url, %error, "the registry cannot be reached: no routes until it can");
        }
        (Link::Lost { error: before }, Link::Lost { error }) if before != error => {
            tracing::debug!(registry = %url, %error, "the registry is still lost");
        }
        (Link::Lost { .. }, Link::Live) => {
            tracing::info!(registry = %url, follows_by, "the registry is back")
        }
        _ => {}
    }
}
