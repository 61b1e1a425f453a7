//! The nodes that share the store: what this one says of itself, and what it hears of others.
//!
//! Each writes its report under a key of its own, with a TTL as long as it is worth naming when it is lost, into an index of such keys,
//! and onto a channel. Who hears its own word on the channel hears the others'; who does not reads them, a few times a second. Leases
//! are measured over the time in which it was listened: up to a word of our own that the store took, and what it told before that.

use std::sync::Arc;
use std::time::Duration;

use model::{Door, NodeId, Others, Report};
use redis::{RedisError, RedisResult, Value};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Shared;
use super::connect::{Refusal, Stop, octets};
use super::follow::Session;
use super::plain::describe;
use super::report::{MAX_DOCUMENT, MAX_NAME, Said, Terms, read};
use super::scripts::{ENTER, MEMBERS};
use super::settle::refuses;
use super::words::{begin_anew, listened, merge, stand, take};
use crate::driver::Voice;
use crate::{Config, MAX_NODES};

/// How often a report is written though it says nothing new, where the lease leaves time for it.
const BEAT: Duration = Duration::from_secs(1);
/// The beats in a lease: one or two may be late.
const BEATS: u32 = 4;
/// The shortest time between two reports, whatever changes: a hundred a second at most.
const REST: Duration = Duration::from_millis(10);
/// How long a report waits for the other door, once one serves another revision.
const SETTLE: Duration = Duration::from_millis(5);
/// How often the others are read where the channel is not heard.
const POLL: Duration = Duration::from_millis(250);
/// How many reports are read at once.
const BATCH: usize = 100;
/// How far ahead of the store's clock a node in the index may have spoken: a replica that became master may have another one.
const AHEAD: Duration = Duration::from_secs(3600);
/// The longest time that a report is kept, whatever the settings: the store counts milliseconds from 1970.
const MAX_KEPT: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How long taking leave may take.
const LEAVE: Duration = Duration::from_millis(500);

/// What a session knows of reports.
#[derive(Debug)]
pub(super) struct Fleet {
    written: Option<(Arc<Report>, Instant)>,
    /// Since when the report says something that others wait for, and that is not written.
    news: Option<Instant>,
    /// When our own word was last heard on the channel.
    echo: Option<Instant>,
    /// When the others are read.
    read_at: Instant,
    /// Whether they were, since the store takes words.
    read: bool,
    /// What was last refused, as it was logged.
    refused: Option<String>,
    /// Why the index was last not read, as it was logged.
    unread: Option<String>,
    /// Whether another process of this node's name was logged.
    namesake: bool,
}

impl Fleet {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            written: None,
            news: None,
            echo: None,
            read_at: now,
            read: false,
            refused: None,
            unread: None,
            namesake: false,
        }
    }

    /// Whether the channel is heard.
    fn hears(&self, now: Instant, lease: Duration) -> bool {
        let lately = beat(lease) * BEATS;
        self.echo.is_some_and(|echo| now.duration_since(echo) < lately)
    }

    /// When the report is to be written.
    fn write_at(&self, report: &Report, lease: Duration) -> Option<Instant> {
        let (_, at) = self.written.as_ref()?;
        let beat = *at + beat(lease);
        let Some(news) = self.news else { return Some(beat) };
        let serving = Door::ALL.map(|door| report.serving(door));
        let is_settled = matches!(serving, [None, _] | [_, None]) || serving[0] == serving[1];
        let news = if is_settled { news } else { news + SETTLE };
        Some(beat.min(news.max(*at + REST)))
    }
}

fn beat(lease: Duration) -> Duration {
    BEAT.min(lease / BEATS)
}

/// Whether others would wait for the one and not for the other.
fn says_the_same(one: &Report, other: &Report) -> bool {
    Door::ALL.iter().all(|door| one.serving(*door) == other.serving(*door))
        && holds_the_same(one, other)
        && (one.draining, &one.addresses) == (other.draining, &other.addresses)
}

/// Whether both say the same of what the proxy has not let go of.
fn holds_the_same(one: &Report, other: &Report) -> bool {
    match (&one.proxy, &other.proxy) {
        (Some(one), Some(other)) => (one.oldest, &one.leaving) == (other.oldest, &other.leaving),
        _ => true,
    }
}

/// Waits for another report; for ever, when none will come.
pub(super) async fn news(report: &mut watch::Receiver<Arc<Report>>) {
    if report.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Shared {
    /// At `now`.
    fn terms(&self, now: Instant) -> Terms<'_> {
        let Self { place, config, process, began, .. } = self;
        let kept = config.lease.saturating_add(config.lost).min(MAX_KEPT);
        let said_us = u64::try_from(now.duration_since(*began).as_micros()).unwrap_or(u64::MAX);
        let voice = Voice { process: *process, said_us };
        Terms { node: &config.node, db: place.read.db, voice, lease: config.lease, kept }
    }

    fn is_ours(&self, said: &Said) -> bool {
        said.voice.process == self.process
    }
}

impl Session<'_> {
    /// When there is something to do here.
    pub(super) fn fleet_due(&self) -> Instant {
        let lease = self.shared.config.lease;
        let write_at = self.fleet.write_at(&self.report.borrow(), lease);
        write_at.map_or_else(Instant::now, |at| at.min(self.fleet.read_at))
    }

    /// Writes what is new of this node, and reads what is new of others.
    pub(super) async fn keep_fleet(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        let report = Arc::clone(&self.report.borrow());
        let is_news = self.fleet.written.as_ref().is_none_or(|(said, _)| !says_the_same(said, &report));
        self.fleet.news = if is_news { self.fleet.news.or(Some(now)) } else { None };
        self.tell_standing();
        let write_at = self.fleet.write_at(&report, self.shared.config.lease);
        if write_at.is_none_or(|at| at <= now) {
            self.write_report(report, now).await?;
        }
        if self.fleet.read_at <= now {
            match self.read_only {
                Some(_) => self.fleet.read_at = now + BEAT,
                None => self.read_fleet().await?,
            }
        }
        Ok(())
    }

    /// Says what this node is before it has listed the store; nothing, where nobody has said yet what that is.
    pub(super) async fn introduce(&mut self) -> Result<(), Stop> {
        let report = Arc::clone(&self.report.borrow());
        if *report == Report::default() {
            return Ok(());
        }
        self.write_report(report, Instant::now()).await
    }

    /// Tells how far others can be known while the store takes no writes, and until they are read again.
    pub(super) fn tell_standing(&mut self) {
        self.fleet.read &= self.read_only.is_none();
        match &self.read_only {
            Some(Refusal::ReadOnly(_)) => stand(self.nodes, Others::Unknown),
            None if self.fleet.read => {}
            Some(_) | None => stand(self.nodes, Others::Away),
        }
    }

    /// Writes the report; a store that takes none is left alone.
    async fn write_report(&mut self, report: Arc<Report>, now: Instant) -> Result<(), Stop> {
        let terms = self.shared.terms(now);
        let (stored, told) = terms.write(&report);
        let pipeline = self.word(&terms, stored, told, terms.kept);
        (self.fleet.written, self.fleet.news) = (Some((report, now)), None);
        let is_answered = self.say(pipeline).await?;
        // What the server told before it answered is here by now; what another one copies may not be.
        if is_answered && self.writer_is_reader() {
            self.absorb_waiting()?;
            listened(self.nodes, now.into_std());
        }
        Ok(())
    }

    /// A word of this node: kept, entered into the index, told.
    fn word(&self, terms: &Terms<'_>, stored: String, told: String, kept: Duration) -> redis::Pipeline {
        let names = &self.shared.names;
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(names.node(terms.node)).arg(stored).arg("PX").arg(millis(kept).max(1));
        pipeline.cmd("EVAL").arg(ENTER).arg(1).arg(&names.nodes);
        pipeline.arg(&*terms.node.0).arg(MAX_NODES).arg(millis(terms.kept).max(1)).arg(millis(AHEAD));
        pipeline.cmd("PUBLISH").arg(&names.nodes).arg(told);
        pipeline
    }

    /// Takes leave: this node is gone, and not lost. Its last word is kept for a lease, for those who do not hear the channel.
    pub(super) async fn leave(&mut self) {
        let terms = self.shared.terms(Instant::now());
        let last = terms.write_end();
        let pipeline = self.word(&terms, last.clone(), last, terms.lease);
        // A store that is gone by now keeps the report until it ends by itself: the node is lost then.
        let _ = tokio::time::timeout(LEAVE, self.say(pipeline)).await;
    }

    /// Whether the store answered; it may have refused.
    async fn say(&mut self, mut pipeline: redis::Pipeline) -> Result<bool, Stop> {
        if self.read_only.is_some() {
            return Ok(false);
        }
        let Some(writer) = &mut self.writer else { return Ok(false) };
        let said = pipeline.ignore_errors().query_async::<Vec<RedisResult<Value>>>(writer).await;
        let error = match said {
            Ok(said) => said.into_iter().find_map(Result::err),
            Err(error) => Some(error),
        };
        match error {
            None => {
                self.fleet.refused = None;
                Ok(true)
            }
            Some(error) if refuses(&error) => {
                self.refused(&error);
                Ok(true)
            }
            Some(error) if self.writer_is_reader() => Err(error.into()),
            Some(_) => {
                self.writer = None;
                Ok(false)
            }
        }
    }

    /// Says once why the store does not take the report. That it may only be read is said elsewhere.
    fn refused(&mut self, error: &RedisError) {
        let why = describe(error);
        if error.code() != Some("READONLY") && self.fleet.refused.as_ref() != Some(&why) {
            let (place, node) = (&self.shared.place, &self.shared.config.node);
            tracing::warn!(%place, %node, error = why, "the registry refuses this node's report: others may not know of it");
        }
        self.fleet.refused = Some(why);
    }

    /// A node said something on the channel.
    pub(super) fn hear_node(&mut self, octets: &[u8]) {
        let Some(said) = read(octets).filter(|said| said.db == self.shared.place.read.db) else { return };
        let now = Instant::now();
        if said.node != self.shared.config.node {
            self.nodes.send_modify(|heard| take(Arc::make_mut(heard), said, now.into_std()));
        } else if self.shared.is_ours(&said) {
            self.fleet.echo = Some(now);
            // All that came before is heard by now.
            if let Some(at) = self.shared.began.checked_add(Duration::from_micros(said.voice.said_us)) {
                listened(self.nodes, at.min(now).into_std());
            }
        } else if said.report.is_some() {
            self.hear_namesake();
        }
    }

    /// Another process has this node's name: each takes the other's word for its own.
    fn hear_namesake(&mut self) {
        if !std::mem::replace(&mut self.fleet.namesake, true) {
            let (place, node) = (&self.shared.place, &self.shared.config.node);
            tracing::warn!(%place, %node, "another process has this node's name; give each its own registry.node");
        }
    }

    /// Reads the words of all others.
    async fn read_fleet(&mut self) -> Result<(), Stop> {
        let begun = Instant::now();
        let Some(names) = self.read_index().await? else { return Ok(()) };
        let mut words = Vec::new();
        for batch in names.chunks(BATCH) {
            let mut pipeline = redis::pipe();
            for node in batch {
                let key = self.shared.names.node(node);
                pipeline.cmd("GETRANGE").arg(&key).arg(0).arg(MAX_DOCUMENT);
                pipeline.cmd("PTTL").arg(&key);
            }
            let mut replies = self.ask(pipeline).await?.into_iter();
            while let (Some(text), Some(ttl)) = (replies.next(), replies.next()) {
                words.extend(word(text, ttl));
            }
        }
        let Config { node, lease, lost, reconcile, .. } = &self.shared.config;
        let is_heard = |said: &Said, age: Duration| self.shared.is_ours(said) && age < *lease;
        let sees_own = words.iter().any(|(said, age)| said.node == *node && is_heard(said, *age));
        words.retain(|(said, _)| said.node != *node);
        let is_first = !std::mem::replace(&mut self.fleet.read, true);
        let now = Instant::now();
        // A server that copies another one may have stopped doing so.
        let until = (is_first || sees_own || self.writer_is_reader()).then_some(begun);
        self.nodes.send_modify(|heard| {
            let heard = Arc::make_mut(heard);
            if is_first {
                begin_anew(heard, now.into_std());
            }
            heard.others = Others::Heard;
            heard.listened = heard.listened.max(until.map(Instant::into_std));
            merge(heard, words, *lost, now.into_std());
        });
        let hears = self.fleet.hears(now, *lease);
        self.fleet.read_at = now + if hears { (*reconcile).max(POLL) } else { POLL };
        Ok(())
    }

    /// The names in the index; `None` where the store does not tell: then what was heard stands, and stays heard only by the channel.
    async fn read_index(&mut self) -> Result<Option<Vec<NodeId>>, Stop> {
        let names = &self.shared.names;
        let mut index = redis::pipe();
        index.cmd("EVAL").arg(MEMBERS).arg(1).arg(&names.nodes).arg(millis(AHEAD)).arg(MAX_NODES);
        index.arg(MAX_NAME).arg(names.node(&NodeId("".into())));
        let why = match self.ask(index).await?.into_iter().next() {
            Some(Ok(Value::Array(names))) => {
                self.fleet.unread = None;
                let names = names.into_iter().filter_map(octets);
                let names = names.filter_map(|name| String::from_utf8(name).ok());
                return Ok(Some(names.map(|name| NodeId(name.into())).collect()));
            }
            Some(Err(error)) if !refuses(&error) => return Err(error.into()),
            Some(Err(error)) => describe(&error),
            Some(Ok(_)) | None => "it said something strange".to_owned(),
        };
        let now = Instant::now();
        let hears = self.fleet.hears(now, self.shared.config.lease);
        self.fleet.read_at = now + BEAT;
        self.fleet.read &= hears;
        self.tell_standing();
        if self.fleet.unread.as_ref() != Some(&why) {
            let (place, key) = (&self.shared.place, &self.shared.names.nodes);
            tracing::warn!(%place, key, error = why, "the registry does not tell its nodes: others may not be known");
        }
        self.fleet.unread = Some(why);
        Ok(None)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A word that was read, and how long ago it was said, by the store's clock.
fn word(text: RedisResult<Value>, ttl: RedisResult<Value>) -> Option<(Said, Duration)> {
    let said = read(&octets(text.ok()?)?)?;
    let Ok(Value::Int(left)) = ttl else { return None };
    let left = Duration::from_millis(u64::try_from(left).ok()?);
    let age = said.kept.saturating_sub(left);
    Some((said, age))
}

#[cfg(test)]
mod tests {
    use model::{DnsReport, LeavingEndpoint, ProxyReport, Revision};

    use super::*;

    fn report(proxy: Option<u64>, dns: Option<u64>) -> Arc<Report> {
        let proxy =
            proxy.map(|n| Arc::new(ProxyReport { serving: Revision::new(n), ..ProxyReport::default() }));
        let serves = |n| DnsReport { serving: Revision::new(n), ..DnsReport::default() };
        Arc::new(Report { proxy, dns: dns.map(serves), ..Report::default() })
    }

    #[test]
    fn what_others_wait_for_is_news() {
        let proxy = |change: fn(&mut ProxyReport)| {
            let mut proxy = ProxyReport::default();
            change(&mut proxy);
            Report { proxy: Some(Arc::new(proxy)), ..Report::default() }
        };
        let is_news = |change: fn(&mut ProxyReport)| !says_the_same(&proxy(|_| ()), &proxy(change));
        assert!(is_news(|proxy| proxy.serving = Revision::new(1)));
        assert!(is_news(|proxy| proxy.oldest = Revision::new(1)));
        assert!(is_news(|proxy| {
            let address = model::Address::parse_url("http://10.0.0.1:1").unwrap();
            proxy.leaving.push(LeavingEndpoint { address, in_flight: 1, tunnels: 0 });
        }));
        assert!(!is_news(|proxy| proxy.in_flight = 9));
    }

    #[test]
    fn a_report_is_written_at_once_but_not_too_often_and_else_with_the_beat() {
        let begin = Instant::now();
        let lease = Duration::from_secs(15);
        let check = |news: Option<u64>, report: &Report, expected: u64| {
            let mut fleet = Fleet::new();
            fleet.written = Some((Arc::default(), begin));
            fleet.news = news.map(|ms| begin + Duration::from_millis(ms));
            let at = fleet.write_at(report, lease).expect("a time");
            assert_eq!(at.duration_since(begin).as_millis(), u128::from(expected), "{news:?} {report:?}");
        };
        let (both, one) = (report(Some(7), Some(7)), report(Some(7), Some(6)));
        check(None, &both, 1000);
        check(Some(3), &both, 10);
        check(Some(300), &both, 300);
        check(Some(300), &one, 305);
        check(Some(3), &one, 10);
        check(Some(300), &report(Some(7), None), 300);
        check(Some(300), &report(None, Some(7)), 300);
        assert!(Fleet::new().write_at(&both, lease).is_none(), "the first is written now");
        assert_eq!(beat(Duration::from_secs(1)), Duration::from_millis(250));
    }
}
