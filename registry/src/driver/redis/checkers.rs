//! Active checkers, as hipache knows them: who proves itself alive, and what a checker owes the proxies that trust in one.
//!
//! While this node's proxy checks endpoints it says so in `hchecker_ping`, unless a foreign checker does: portico notes beside it what it
//! wrote itself, so that its own word is never taken for another's. hipache nodes that see the ping mark nothing themselves, but announce
//! what failed and leave the marks to the checker: so announcements of frontends without a check are marked here.

use std::collections::VecDeque;
use std::time::Duration;

use model::Address;
use tokio::time::Instant;

use super::checker::Checker;
use super::connect::{Stop, octets};
use super::follow::Session;
use super::health::How;
use super::marks::understand;
use super::names::{CHECKER_KEY, OUR_CHECKER_KEY};
use super::number::now_ms;
use super::plain::describe;
use super::scripts::PING;
use super::settle::refuses;
use crate::driver::Event;

/// How often ours says so (hipache-hchecker's number).
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long what another proxy announced stays marked, in seconds: hipache's default.
const ANNOUNCED_SECONDS: u32 = 30;
/// How many announcements may wait; what comes beyond is announced again by the next request that fails.
const MAX_ANNOUNCED: usize = 1024;

/// What is known of active checkers.
#[derive(Debug, Default)]
pub(super) struct Checkers {
    /// A foreign one proves itself alive.
    pub(super) foreign: bool,
    looked: Checker,
    /// The word of a foreign one that was looked at last.
    word: Vec<u8>,
    /// When we last said that ours runs; `None`: it does not, or a foreign one does.
    pinged: Option<Instant>,
    /// The next time to try.
    due: Option<Instant>,
    announced: VecDeque<(Box<str>, Address)>,
}

impl Checkers {
    /// Another proxy, or this one, announced a dead endpoint.
    pub(super) fn hear(&mut self, announcement: &[u8]) {
        let waits = self.announced.len();
        if self.pinged.is_some() && waits < MAX_ANNOUNCED {
            let heard = understand(announcement).map(|(host, _, address)| (host, address));
            self.announced.extend(heard);
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.announced.is_empty()
    }
}

impl Session<'_> {
    /// Tells when a foreign active checker began or stopped, and says that ours runs.
    pub(super) async fn watch_checkers(&mut self) -> Result<(), Stop> {
        let active = self.foreign_checker_is_active().await?;
        if active != self.checkers.foreign {
            self.checkers.foreign = active;
            self.send(Event::ActiveChecker(active)).await?;
        }
        self.ping().await
    }

    /// Whether an active checker other than portico's proves itself alive.
    pub(super) async fn foreign_checker_is_active(&mut self) -> Result<bool, Stop> {
        if !self.shared.config.active_checks {
            return Ok(false);
        }
        let mut pipeline = redis::pipe();
        pipeline.cmd("GET").arg(CHECKER_KEY).cmd("GET").arg(OUR_CHECKER_KEY);
        let mut said = self.ask(pipeline).await?.into_iter().map(|said| said.ok().and_then(octets));
        let (ping, ours) = (said.next().flatten(), said.next().flatten());
        let word = ping.filter(|ping| Some(ping) != ours.as_ref()).unwrap_or_default();
        let said: Option<u64> = std::str::from_utf8(&word).ok().and_then(|word| word.trim().parse().ok());
        self.checkers.word = word;
        Ok(self.checkers.looked.look(said, now_ms() / 1000, Instant::now()))
    }

    /// Says that our checks run, every now and then while they do.
    async fn ping(&mut self) -> Result<(), Stop> {
        let checked = self.report.borrow().proxy.as_ref().map_or(0, |proxy| proxy.checked);
        let checks = self.shared.config.active_checks && checked > 0;
        if !checks || self.checkers.foreign {
            (self.checkers.pinged, self.checkers.due) = (None, None);
            return Ok(());
        }
        let now = Instant::now();
        if self.checkers.due.is_some_and(|due| now < due) {
            return Ok(());
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        self.checkers.due = Some(now + PING_EVERY);
        let mut call = PING.prepare_invoke();
        call.key(CHECKER_KEY).key(OUR_CHECKER_KEY).arg(now_ms() / 1000).arg(&self.checkers.word);
        match call.invoke_async::<u64>(writer).await {
            Ok(said) => self.checkers.pinged = (said > 0).then_some(now),
            Err(error) if refuses(&error) => {
                tracing::debug!(error = describe(&error), "no sign of life of the checks was written");
                self.checkers.pinged = None;
            }
            Err(error) if self.writer_is_reader() => return Err(error.into()),
            Err(_) => self.writer = None,
        }
        Ok(())
    }

    /// Marks what others announced and left to the checker, where no check of ours decides.
    pub(super) async fn mark_announced(&mut self) -> Result<(), Stop> {
        let announced = std::mem::take(&mut self.checkers.announced);
        for (host, address) in announced {
            let Some((key, stated)) = self.served_for(&host) else { continue };
            let Some(frontend) = stated.fact.as_frontend() else { continue };
            if frontend.policy.check.is_some() || frontend.backend.endpoints.len() < 2 {
                continue;
            }
            let said = self.mark(&host, &key, &address, How::Announced, ANNOUNCED_SECONDS).await;
            self.said(said, &host)?;
        }
        Ok(())
    }
}
