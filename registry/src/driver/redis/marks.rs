//! hipache's dead marks, as addresses.
//!
//! In: sets `dead:<host>` of places in a list, announcements on the channel `dead`. Out: the marked addresses of each host. A place becomes
//! an address when its mark is first read; when only the list is reordered later, the mark stays with its address.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;
use model::{Address, DeadMarks, FactKey, HostPattern, PathPrefix, Stated};
use redis::{RedisError, RedisResult, Value};
use tokio::time::Instant;

use super::connect::{Stop, octets};
use super::content::MAX_ENTRIES;
use super::follow::Session;
use super::names::RawKey;
use crate::driver::Event;
use crate::format::hipache;

/// How many hosts' marks are read at once.
const BATCH: usize = 128;
/// The largest set that is read; a list has no more places than this.
const MAX_MARKS: i64 = 1024;
/// How many announcements are remembered until their marks are read.
const MAX_HINTS: usize = 1024;
/// How long an announcement says which address a place meant.
const HINT: Duration = Duration::from_secs(2);

/// The marks of one host.
#[derive(Debug, Default)]
struct Marked {
    /// By place in the list; `None`: nothing usable stood there.
    places: BTreeMap<usize, Option<Address>>,
    ends: Option<Instant>,
    told: Vec<Address>,
}

/// All marks, and whose may have changed.
#[derive(Debug, Default)]
pub(super) struct Marks {
    hosts: HashMap<Box<str>, Marked>,
    touched: BTreeSet<Box<str>>,
    hints: HashMap<(Box<str>, usize), (Address, Instant)>,
}

impl Marks {
    /// The marks of `host` may have changed.
    pub(super) fn touched(&mut self, host: Box<str>) {
        self.touched.insert(host);
    }

    /// All marks may have changed.
    pub(super) fn touch_all(&mut self) {
        self.touched.extend(self.hosts.keys().cloned());
    }

    /// Lists changed: places that meant nothing may mean something now.
    pub(super) fn lists_changed(&mut self) {
        let unresolved = self.hosts.iter().filter(|(_, marked)| marked.places.values().any(Option::is_none));
        let unresolved: Vec<_> = unresolved.map(|(host, _)| host.clone()).collect();
        self.touched.extend(unresolved);
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.touched.is_empty()
    }

    pub(super) fn knows(&self, host: &str) -> bool {
        self.hosts.contains_key(host)
    }

    /// An announcement `<frontend>;<url>;<place>;<length>` says which address a place means.
    pub(super) fn hint(&mut self, announcement: &[u8]) {
        let Some((host, place, address)) = understand(announcement) else { return };
        let now = Instant::now();
        self.hints.retain(|_, (_, heard)| now.duration_since(*heard) < HINT);
        if self.hints.len() < MAX_HINTS {
            self.hints.insert((host.clone(), place), (address, now));
            self.touched.insert(host);
        }
    }

    /// The address that a place of `host`'s list means by what was announced of it lately.
    fn hinted(&mut self, host: &str, place: usize) -> Option<Address> {
        let (address, heard) = self.hints.remove(&(host.into(), place))?;
        (heard.elapsed() < HINT).then_some(address)
    }
}

/// `<frontend>;<url>;<place>;<length>`: the host, the place in its list, the address that stands there.
pub(super) fn understand(announcement: &[u8]) -> Option<(Box<str>, usize, Address)> {
    let (host, rest) = std::str::from_utf8(announcement).ok()?.split_once(';')?;
    let (rest, _length) = rest.rsplit_once(';')?;
    let (url, place) = rest.rsplit_once(';')?;
    Some((host.into(), place.parse().ok()?, hipache::read_entry(url.as_bytes()).ok()?))
}

/// What was read of one host.
struct Read {
    /// Places marked dead.
    places: Vec<usize>,
    /// The list they are places of, without its head.
    entries: Vec<Vec<u8>>,
    ends: Option<Instant>,
}

impl Session<'_> {
    /// Reads marks that may have changed and tells what did.
    pub(super) async fn read_marks(&mut self) -> Result<(), Stop> {
        let mut hosts = Vec::new();
        while hosts.len() < BATCH {
            let Some(host) = self.marks.touched.pop_first() else { break };
            hosts.push(host);
        }
        for (host, dead) in self.reread(hosts).await? {
            self.send(Event::Marks { host, dead }).await?;
        }
        Ok(())
    }

    /// Reads all marks afresh and tells them as a whole.
    pub(super) async fn list_marks(&mut self, hosts: BTreeSet<Box<str>>) -> Result<(), Stop> {
        let gone: Vec<Box<str>> =
            self.marks.hosts.keys().filter(|host| !hosts.contains(*host)).cloned().collect();
        for host in gone {
            self.marks.hosts.remove(&host);
        }
        let hosts: Vec<Box<str>> = hosts.into_iter().collect();
        for batch in hosts.chunks(BATCH) {
            self.reread(batch.to_vec()).await?;
        }
        self.marks.touched.clear();
        self.checkers.foreign = self.foreign_checker_is_active().await?;
        let told = self.marks.hosts.iter().map(|(host, marked)| (host.clone(), Arc::from(&*marked.told)));
        let by_host: OrdMap<Box<str>, Arc<[Address]>> =
            told.filter(|(_, dead): &(_, Arc<[Address]>)| !dead.is_empty()).collect();
        let active_checker = self.checkers.foreign;
        self.send(Event::MarksListed(DeadMarks { by_host, active_checker })).await
    }

    /// Reads the marks of `hosts`; answers whose are different, and how.
    async fn reread(&mut self, hosts: Vec<Box<str>>) -> Result<Vec<(Box<str>, Vec<Address>)>, Stop> {
        let read = self.ask_marks(&hosts).await?;
        let mut different = Vec::new();
        for (host, read) in hosts.into_iter().zip(read) {
            let mut marked = self.marks.hosts.remove(&host).unwrap_or_default();
            let mut places = BTreeMap::new();
            for place in read.places {
                let before = marked.places.remove(&place).flatten();
                let listed = || hipache::read_entry(read.entries.get(place)?).ok();
                let address = self.marks.hinted(&host, place).or(before).or_else(listed);
                places.insert(place, address);
            }
            marked.places = places;
            let mut dead: Vec<Address> = marked.places.values().flatten().cloned().collect();
            dead.sort();
            dead.dedup();
            self.deadlines.moved(&self.shared.names.dead(&host), marked.ends, read.ends);
            marked.ends = read.ends;
            if dead != marked.told {
                marked.told = dead.clone();
                different.push((host.clone(), dead));
            }
            if !marked.places.is_empty() {
                self.marks.hosts.insert(host, marked);
            }
        }
        Ok(different)
    }

    async fn ask_marks(&mut self, hosts: &[Box<str>]) -> Result<Vec<Read>, Stop> {
        if hosts.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<RawKey> = hosts.iter().map(|host| self.shared.names.dead(host)).collect();
        let lists: Vec<Option<RawKey>> = hosts.iter().map(|host| self.list_of(host)).collect();
        let mut pipeline = redis::pipe();
        for key in &keys {
            pipeline.cmd("SCARD").arg(&**key);
            pipeline.cmd("PTTL").arg(&**key);
        }
        let mut sizes = self.ask(pipeline).await?.into_iter();
        let mut pipeline = redis::pipe();
        let mut ends = Vec::with_capacity(keys.len());
        for (key, list) in keys.iter().zip(&lists) {
            let fits = matches!(sizes.next(), Some(Ok(Value::Int(1..=MAX_MARKS))));
            ends.push(match sizes.next() {
                Some(Ok(Value::Int(ms @ 0..))) if fits => {
                    Some(Instant::now() + Duration::from_millis(ms.unsigned_abs()))
                }
                _ => None,
            });
            match fits {
                true => pipeline.cmd("SMEMBERS").arg(&**key),
                false => pipeline.cmd("ECHO").arg(""),
            };
            match list {
                Some(list) => pipeline.cmd("LRANGE").arg(&**list).arg(1).arg(MAX_ENTRIES),
                None => pipeline.cmd("ECHO").arg(""),
            };
        }
        let mut replies = self.ask(pipeline).await?.into_iter();
        let read = ends.into_iter().map(|ends| {
            let places =
                strings(replies.next()).filter_map(|place| std::str::from_utf8(&place).ok()?.parse().ok());
            let places = places.collect();
            Read { places, entries: strings(replies.next()).collect(), ends }
        });
        Ok(read.collect())
    }

    pub(super) async fn ask(
        &mut self,
        mut pipeline: redis::Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, RedisError> {
        pipeline.ignore_errors().query_async(&mut self.connection).await
    }

    /// The list that requests for `host` are answered from, by hipache's lookup; `None`: no list, or not one of hipache's.
    fn list_of(&self, host: &str) -> Option<RawKey> {
        let (raw, _) = self.known.served(&self.shared.names, &self.served_for(host)?.0)?;
        Some(raw).filter(|raw| raw.starts_with(&self.shared.names.lists))
    }

    /// The frontend that requests for `host` are answered from, by hipache's lookup.
    pub(super) fn served_for(&self, host: &str) -> Option<(FactKey, Stated)> {
        lookups(host).find_map(|host| {
            let key = FactKey::Frontend { host, path: PathPrefix::root() };
            let (_, stated) = self.known.served(&self.shared.names, &key)?;
            Some((key, stated))
        })
    }
}

fn strings(reply: Option<RedisResult<Value>>) -> impl Iterator<Item = Vec<u8>> {
    let values = match reply {
        Some(Ok(Value::Array(values) | Value::Set(values))) => values,
        _ => Vec::new(),
    };
    values.into_iter().filter_map(octets)
}

/// The patterns that hipache looks a host up by, in order: itself, its suffixes of five labels at most, everything. planb's marks of
/// `host:port` are of that frontend alone.
fn lookups(host: &str) -> impl Iterator<Item = HostPattern> {
    let exact = HostPattern::parse(host).ok();
    let alone = matches!(exact, Some(HostPattern::OnPort(_)));
    let host = if alone { "" } else { host };
    let dots: Vec<usize> = host.match_indices('.').map(|(at, _)| at).collect();
    let suffixes: Vec<HostPattern> = dots[dots.len().saturating_sub(5)..]
        .iter()
        .filter_map(|&dot| HostPattern::parse(&format!("*{}", &host[dot..])).ok())
        .collect();
    exact.into_iter().chain(suffixes).chain((!alone).then_some(HostPattern::Any))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_understood() {
        let check = |said: &str, expected: Option<(&str, usize, &str)>| {
            let understood = understand(said.as_bytes());
            let understood =
                understood.as_ref().map(|(host, place, address)| (&**host, *place, address.to_string()));
            assert_eq!(
                understood,
                expected.map(|(host, place, address)| (host, place, address.to_owned())),
                "{said}"
            );
        };
        check("www.a;http://10.0.0.1:80/;0;2", Some(("www.a", 0, "10.0.0.1:80")));
        check("www.a;http://10.0.0.1:80/x;y;3;4", Some(("www.a", 3, "10.0.0.1:80")));
        check("www.a;junk;0;2", None);
        check("www.a;http://10.0.0.1;x;2", None);
        check("", None);
    }

    #[test]
    fn hosts_are_looked_up_as_hipache_does() {
        let check = |host: &str, expected: &[&str]| {
            assert_eq!(lookups(host).map(|pattern| pattern.to_string()).collect::<Vec<_>>(), expected);
        };
        check("localhost", &["localhost", "*"]);
        check("a.b.c", &["a.b.c", "*.b.c", "*.c", "*"]);
        check("a.b.c:8080", &["a.b.c:8080"]);
        check(
            "a.b.c.d.e.f.g.h",
            &["a.b.c.d.e.f.g.h", "*.d.e.f.g.h", "*.e.f.g.h", "*.f.g.h", "*.g.h", "*.h", "*"],
        );
    }
}
