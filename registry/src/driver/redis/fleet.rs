//! The nodes that share the store: what this one says of itself, and what it hears of others.
//!
//! Each writes its report under a key of its own, with a TTL as long as it is worth naming when it is lost, into an index of such keys,
//! and onto a channel. Who hears its own word on the channel hears the others'; who does not reads them, a few times a second.

use std::sync::Arc;
use std::time::Duration;

use model::{Door, NodeId, Others, Report};
use redis::{RedisResult, Value};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Shared;
use super::connect::{Stop, octets};
use super::follow::Session;
use super::number::now_ms;
use super::plain::describe;
use super::report::{MAX_DOCUMENT, Said, Terms, read};
use super::settle::refuses;
use crate::MAX_NODES;
use crate::driver::{Heard, Word};

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
    /// When the store last showed that it is there.
    contact: Instant,
    /// When the others are read.
    read_at: Instant,
    /// Whether they were, in this session.
    read: bool,
}

impl Fleet {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { written: None, news: None, echo: None, contact: now, read_at: now, read: false }
    }

    /// When the store last showed that it is there.
    pub(super) fn contact(&self) -> Instant {
        self.contact
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
        && (one.draining, &one.addresses) == (other.draining, &other.addresses)
}

/// Waits for another report; for ever, when none will come.
pub(super) async fn news(report: &mut watch::Receiver<Arc<Report>>) {
    if report.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Shared {
    fn terms(&self) -> Terms<'_> {
        let Self { place, config, .. } = self;
        let kept = config.lease.saturating_add(config.lost);
        Terms { node: &config.node, db: place.read.db, lease: config.lease, kept }
    }
}

/// The store cannot be reached, since `contact`: what was heard until then stands.
pub(super) fn away(nodes: &watch::Sender<Arc<Heard>>, contact: Instant) {
    nodes.send_modify(|heard| {
        let heard = Arc::make_mut(heard);
        heard.others = Others::Away;
        heard.away.get_or_insert(contact.into_std());
    });
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
        let write_at = self.fleet.write_at(&report, self.shared.config.lease);
        if write_at.is_none_or(|at| at <= now) {
            self.write_report(report, now).await?;
        }
        if self.fleet.read_at <= now {
            self.read_fleet().await?;
        }
        Ok(())
    }

    /// Writes the report; a store that takes none is left alone.
    async fn write_report(&mut self, report: Arc<Report>, now: Instant) -> Result<(), Stop> {
        let terms = self.shared.terms();
        let names = &self.shared.names;
        let (stored, told) = terms.write(&report);
        let kept = u64::try_from(terms.kept.as_millis()).unwrap_or(u64::MAX).max(1);
        let most = isize::try_from(MAX_NODES).unwrap_or(isize::MAX);
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(names.node(terms.node)).arg(stored).arg("PX").arg(kept);
        pipeline.cmd("ZADD").arg(&names.nodes).arg(now_ms()).arg(&*terms.node.0);
        pipeline.cmd("ZREMRANGEBYRANK").arg(&names.nodes).arg(0).arg(-most - 1);
        pipeline.cmd("PEXPIRE").arg(&names.nodes).arg(kept);
        pipeline.cmd("PUBLISH").arg(&names.nodes).arg(told);
        (self.fleet.written, self.fleet.news) = (Some((report, now)), None);
        self.say(pipeline).await
    }

    /// Takes the report back: this node is gone, and not lost.
    pub(super) async fn leave(&mut self) {
        let terms = self.shared.terms();
        let names = &self.shared.names;
        let mut pipeline = redis::pipe();
        pipeline.cmd("DEL").arg(names.node(terms.node));
        pipeline.cmd("ZREM").arg(&names.nodes).arg(&*terms.node.0);
        pipeline.cmd("PUBLISH").arg(&names.nodes).arg(terms.write_end());
        // A store that is gone by now keeps the report until it ends by itself: the node is lost then.
        let _ = tokio::time::timeout(LEAVE, self.say(pipeline)).await;
    }

    async fn say(&mut self, mut pipeline: redis::Pipeline) -> Result<(), Stop> {
        if self.read_only.is_some() {
            return Ok(());
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let said = pipeline.ignore_errors().query_async::<Vec<RedisResult<Value>>>(writer).await;
        let error = match said {
            Ok(said) => said.into_iter().find_map(Result::err),
            Err(error) => Some(error),
        };
        match error {
            None => {
                self.fleet.contact = Instant::now();
                Ok(())
            }
            Some(error) if refuses(&error) => {
                tracing::debug!(error = describe(&error), "the report was not written as a whole");
                Ok(())
            }
            Some(error) if self.writer_is_reader() => Err(error.into()),
            Some(_) => {
                self.writer = None;
                Ok(())
            }
        }
    }

    /// A node said something on the channel.
    pub(super) fn hear_node(&mut self, octets: &[u8]) {
        let Some(said) = read(octets).filter(|said| said.db == self.shared.place.read.db) else { return };
        if said.node == self.shared.config.node {
            self.fleet.echo = Some(Instant::now());
            return;
        }
        // What comes before the first reading is in it.
        if !self.fleet.read {
            return;
        }
        let now = std::time::Instant::now();
        self.nodes.send_modify(|heard| take(Arc::make_mut(heard), said, now));
    }

    /// Reads the words of all others.
    async fn read_fleet(&mut self) -> Result<(), Stop> {
        if self.read_only.is_some() {
            self.fleet.read_at = Instant::now() + BEAT;
            self.fleet.read = false;
            self.nodes.send_replace(Arc::new(Heard { others: Others::Unknown, ..Heard::default() }));
            return Ok(());
        }
        let mut index = redis::pipe();
        index.cmd("ZREVRANGE").arg(&self.shared.names.nodes).arg(0).arg(MAX_NODES - 1);
        let listed = match self.ask(index).await?.into_iter().next() {
            Some(Ok(Value::Array(names))) => names.into_iter().filter_map(octets).collect(),
            _ => Vec::new(),
        };
        let names = listed.into_iter().filter_map(|name| String::from_utf8(name).ok());
        let names: Vec<NodeId> = names.map(|name| NodeId(name.into())).collect();
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
        words.retain(|(said, _)| said.node != self.shared.config.node && said.report.is_some());
        let is_first = !std::mem::replace(&mut self.fleet.read, true);
        let now = std::time::Instant::now();
        self.nodes.send_modify(|heard| replace(Arc::make_mut(heard), words, is_first, now));
        let (now, reconcile) = (Instant::now(), self.shared.config.reconcile);
        self.fleet.contact = now;
        let lately = beat(self.shared.config.lease) * BEATS;
        let hears = self.fleet.echo.is_some_and(|echo| now.duration_since(echo) < lately);
        self.fleet.read_at = now + if hears { reconcile.max(POLL) } else { POLL };
        Ok(())
    }
}

/// A word that was read, and how long ago it was said, by the store's clock.
fn word(text: RedisResult<Value>, ttl: RedisResult<Value>) -> Option<(Said, Duration)> {
    let said = read(&octets(text.ok()?)?)?;
    let Ok(Value::Int(left)) = ttl else { return None };
    let left = Duration::from_millis(u64::try_from(left).ok()?);
    let age = said.kept.saturating_sub(left);
    Some((said, age))
}

/// Takes in what a node said just now.
fn take(heard: &mut Heard, said: Said, now: std::time::Instant) {
    match said.report {
        Some(report) => heard.take(said.node, Word { report, heard: now, lease: said.lease }),
        None => drop(heard.words.remove(&said.node)),
    }
}

/// Takes in all that is in the store. Whoever was not lost before the store was away has had no way to speak since: its lease begins anew.
fn replace(heard: &mut Heard, words: Vec<(Said, Duration)>, is_first: bool, now: std::time::Instant) {
    let before = std::mem::take(heard);
    heard.others = Others::Heard;
    for (said, age) in words {
        let Some(report) = said.report else { continue };
        let at = now.checked_sub(age).unwrap_or(now);
        let at = match before.words.get(&said.node) {
            Some(known) if is_first && before.away.is_some() && !before.is_lost(known, now) => now,
            Some(known) => at.max(known.heard),
            None => at,
        };
        heard.take(said.node, Word { report, heard: at, lease: said.lease });
    }
}

#[cfg(test)]
mod tests {
    use model::{ProxyReport, Revision};

    use super::*;

    fn report(proxy: Option<u64>, dns: Option<u64>) -> Arc<Report> {
        let proxy =
            proxy.map(|n| Arc::new(ProxyReport { serving: Revision::new(n), ..ProxyReport::default() }));
        Arc::new(Report { proxy, dns: dns.map(Revision::new), ..Report::default() })
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

    #[test]
    fn who_could_not_speak_while_the_store_was_away_has_a_whole_lease_again() {
        let now = std::time::Instant::now();
        let seconds = Duration::from_secs;
        let lease = seconds(15);
        let ago = |age: u64| now.checked_sub(seconds(age)).expect("the machine runs that long");
        let said = |name: &str, age: u64| {
            let (node, report) = (NodeId(name.into()), Some(report(Some(1), None)));
            (Said { node, db: 0, report, lease, kept: seconds(3615) }, seconds(age))
        };
        let mut heard = Heard { others: Others::Away, away: Some(ago(50)), ..Heard::default() };
        for (name, age) in [("lived", 51), ("lost", 70), ("left", 51)] {
            let word = Word { report: report(Some(1), None), heard: ago(age), lease };
            heard.take(NodeId(name.into()), word);
        }

        replace(&mut heard, vec![said("lived", 51), said("lost", 70), said("new", 3)], true, now);

        let at: Vec<_> =
            heard.words.iter().map(|(name, word)| (&*name.0, (now - word.heard).as_secs())).collect();
        assert_eq!(at, [("lived", 0), ("lost", 70), ("new", 3)]);
        assert_eq!((heard.others, heard.away), (Others::Heard, None));
    }
}
