//! Writes of this node: what they expect is decided on what was read, and the script writes only if that still stands.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use model::{Fact, FactKey, Frontend, Revision};
use redis::{RedisError, ScriptInvocation, Value};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::connect::{Refusal, Stop, octets};
use super::content::{Content, Digest, MAX_OCTETS, Reading};
use super::follow::Session;
use super::known::Entry;
use super::lease::{lease, milliseconds};
use super::list::Taken;
use super::names::{Meaning, RawKey};
use super::number::{document, now_ms};
use super::scripts::WRITE;
use super::settle::{BATCH, Found, Gathered, refuses};
use crate::format::hipache;
use crate::{Edit, Expected, PublishError, Write};

/// How often a write is tried again when somebody else writes the same facts at the same time.
pub(super) const ATTEMPTS: usize = 8;
/// The most edits of one write: the script passes on their keys in one call.
const MAX_EDITS: usize = 1000;

/// What is asked of the task that follows the store.
#[derive(Debug)]
pub(super) enum Command {
    /// Write, then answer.
    Write(Write, oneshot::Sender<Result<Revision, PublishError>>),
    /// Renew the lease of this fact, if it is at this revision where one is named, then answer.
    Renew(FactKey, Option<Revision>, oneshot::Sender<Result<bool, PublishError>>),
}

impl Command {
    /// Answers that the store cannot be reached.
    pub(super) fn refuse(self, error: &str) {
        let error = PublishError::Unavailable(error.to_owned());
        // A caller that went away needs no answer.
        match self {
            Self::Write(_, answer) => drop(answer.send(Err(error))),
            Self::Renew(_, _, answer) => drop(answer.send(Err(error))),
        }
    }
}

/// An edit with the keys it touches, the one to write first.
struct Step {
    keys: Vec<RawKey>,
    content: Content,
    /// How long it holds by itself.
    lease: Option<Duration>,
    before: String,
    after: String,
}

enum Attempt {
    Written {
        first: u64,
        last: u64,
    },
    /// These keys say something else by now.
    Stale(Vec<RawKey>),
}

impl Session<'_> {
    pub(super) async fn obey(&mut self, command: Command) -> Result<(), Stop> {
        match command {
            Command::Write(write, answer) => reply(answer, self.write(write).await),
            Command::Renew(key, expected, answer) => reply(answer, self.renew(&key, expected).await),
        }
    }

    /// Outer error: the store is lost. Inner error: it answered, and not with yes.
    async fn write(&mut self, write: Write) -> Result<Result<Revision, PublishError>, Stop> {
        if let Some(why) = &self.read_only {
            return Ok(Err(why.clone().into()));
        }
        if write.edits.len() > MAX_EDITS {
            let reason = format!("{} edits are more than {MAX_EDITS}", write.edits.len());
            return Ok(Err(PublishError::Invalid(reason)));
        }
        let mut looked = false;
        for _ in 0..ATTEMPTS {
            if let Some(conflict) = self.conflict(&write) {
                // What we know may be behind; the store decides.
                if std::mem::replace(&mut looked, true) {
                    return Ok(Err(conflict));
                }
                let keys = write.expectations().flat_map(|(key, _)| self.keys_of(key)).collect();
                self.look_again(keys).await?;
                continue;
            }
            let steps: Vec<Step> = write.edits.iter().filter_map(|edit| self.step(edit)).collect();
            if let Some(step) = steps.iter().find(|step| !self.fits(&step.content)) {
                let reason =
                    format!("{} would be larger than the registry takes", super::names::shown(&step.keys[0]));
                return Ok(Err(PublishError::Invalid(reason)));
            }
            match self.attempt(&write, &steps).await? {
                Ok(Attempt::Written { first, last }) => {
                    return self.written(steps, first, last).await.map(Ok);
                }
                Ok(Attempt::Stale(keys)) => {
                    self.look_again(keys).await?;
                    looked = true;
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Err(contended()))
    }

    pub(super) async fn look_again(&mut self, keys: Vec<RawKey>) -> Result<(), Stop> {
        self.dirty.extend(keys);
        for _ in 0..=self.dirty.len() / BATCH {
            self.settle().await?;
        }
        Ok(())
    }

    /// The first expectation that does not hold.
    fn conflict(&self, write: &Write) -> Option<PublishError> {
        write.expectations().find_map(|(key, expected)| {
            let actual = self.known.served(&self.shared.names, key).map(|(_, stated)| stated.revision);
            (!expected.holds(actual)).then(|| PublishError::Conflict { key: key.clone(), actual })
        })
    }

    /// All keys that state a fact, or could: hipache's list, portico's JSON, other spellings that were found.
    pub(super) fn keys_of(&self, key: &FactKey) -> Vec<RawKey> {
        let names = &self.shared.names;
        let mut keys = vec![names.native(key)];
        if let FactKey::Frontend { host, path } = key
            && path.is_root()
        {
            keys.push(names.list(host));
            let check = names.check(host);
            keys.extend(self.known.contains(names, &check).then_some(check));
        }
        for claimant in self.known.claimants(names, key) {
            if !keys.contains(&claimant) {
                keys.push(claimant);
            }
        }
        keys
    }

    /// What an edit does; `None`: it removes what is not there.
    fn step(&self, edit: &Edit) -> Option<Step> {
        let mut keys = self.keys_of(&edit.key);
        let served = self.known.served(&self.shared.names, &edit.key);
        let before = served.as_ref().map(|(_, stated)| document(&stated.fact)).unwrap_or_default();
        let Some(fact) = &edit.fact else {
            let (raw, _) = served?;
            // The history names the key that stated the fact.
            keys.retain(|key| *key != raw);
            keys.insert(0, raw);
            return Some(Step { keys, content: Content::Absent, lease: None, before, after: String::new() });
        };
        let (wanted, list) = self.place_of(&edit.key, fact, &mut keys);
        keys.retain(|key| *key != wanted);
        keys.insert(0, wanted);
        let after = document(fact);
        let content = match list {
            Some(entries) => Content::List(entries.into_iter().map(String::into_bytes).collect()),
            None => Content::Text(after.clone().into_bytes()),
        };
        Some(Step { keys, content, lease: lease(fact), before, after })
    }

    /// The key to write a fact to, and hipache's list of it where there is one.
    fn place_of(&self, key: &FactKey, fact: &Fact, keys: &mut Vec<RawKey>) -> (RawKey, Option<Vec<String>>) {
        if let Fact::Frontend(frontend) = fact
            && let Some(list) = self.list_of_check(frontend, keys).or_else(|| hipache::write_list(frontend))
        {
            return (self.shared.names.list(&frontend.host), Some(list));
        }
        (self.shared.names.native(key), None)
    }

    /// The list of a frontend whose check planb's hash states already: the hash stays beside it.
    fn list_of_check(&self, frontend: &Frontend, keys: &mut Vec<RawKey>) -> Option<Vec<String>> {
        let names = &self.shared.names;
        let (check, _) = self.known.check(names, &frontend.key())?;
        let mut plain = frontend.clone();
        let wanted = plain.policy.check.take()?;
        let list = hipache::write_list(&plain).filter(|_| *wanted == *check)?;
        let hash = names.check(&frontend.host);
        keys.retain(|key| *key != hash);
        Some(list)
    }

    fn fits(&self, content: &Content) -> bool {
        let octets = match content {
            Content::List(entries) => entries.iter().map(Vec::len).sum(),
            Content::Text(text) => text.len(),
            _ => 0,
        };
        octets <= self.shared.config.max_value.min(MAX_OCTETS)
    }

    async fn attempt(
        &mut self,
        write: &Write,
        steps: &[Step],
    ) -> Result<Result<Attempt, PublishError>, Stop> {
        let (keys, exact) = (self.touched_keys(write, steps), self.exact_keys(write));
        let (names, floor, keep) = (&self.shared.names, self.floor(), self.shared.config.history);
        let mut call = WRITE.prepare_invoke();
        call.key(&names.revision).key(&names.revisions).key(&names.history);
        call.arg(&names.lists).arg(floor).arg(now_ms()).arg(keep).arg(&names.changes).arg(&write.who);
        for key in &keys {
            self.pass_known(&mut call, key, exact.contains(key));
        }
        for step in steps {
            let values: &[Vec<u8>] = match &step.content {
                Content::List(entries) => entries,
                Content::Text(text) => std::slice::from_ref(text),
                _ => &[],
            };
            call.arg(match &step.content {
                Content::List(_) => "list",
                Content::Text(_) => "json",
                _ => "remove",
            });
            let places = step.keys.iter().filter_map(|key| keys.binary_search(key).ok());
            let places: Vec<usize> = places.map(|place| place + 1).collect();
            call.arg(places.len()).arg(places).arg(&step.before).arg(&step.after);
            let lease = step.lease.map(milliseconds);
            call.arg(values.len() + usize::from(lease.is_some()));
            for value in values {
                call.arg(value.as_slice());
            }
            if let Some(lease) = lease {
                call.arg(lease);
            }
        }
        let Some(writer) = &mut self.writer else {
            return Ok(Err(PublishError::Unavailable("the server to write to cannot be reached".to_owned())));
        };
        match call.invoke_async::<Vec<Value>>(writer).await {
            Ok(reply) => Ok(understand(reply, &keys)),
            Err(error) => self.failed(error).await.map(Err),
        }
    }

    /// What a caller is told when the server to write to answers with an error. Outer error: the store is lost.
    pub(super) async fn failed(&mut self, error: RedisError) -> Result<PublishError, Stop> {
        if self.is_demoted(&error) {
            return Err(error.into());
        }
        if refuses(&error) {
            let why = self.refusal(&error).await;
            if matches!(why, Refusal::Damaged(_)) {
                self.become_read_only(why.clone());
            }
            return Ok(why.into());
        }
        if self.writer_is_reader() {
            return Err(error.into());
        }
        self.writer = None;
        Ok(Refusal::of(&error).into())
    }

    /// Passes a key to a script with what is known of it, as stands.lua reads that; `exact`: with its revision.
    pub(super) fn pass_known(&self, call: &mut ScriptInvocation<'_>, key: &RawKey, exact: bool) {
        let known = self.known.get(&self.shared.names, key);
        let revision = known.as_ref().filter(|_| exact).map(|known| known.revision.to_string());
        let digest = known.as_ref().map_or("", |known| known.digest.as_str());
        call.key(&**key).arg(digest).arg(revision.unwrap_or_default());
    }

    /// The keys of all guards and edits, also of edits that do nothing: that, too, is decided on what they say.
    fn touched_keys(&self, write: &Write, steps: &[Step]) -> Vec<RawKey> {
        let mut keys: Vec<RawKey> = steps.iter().flat_map(|step| step.keys.iter().cloned()).collect();
        keys.extend(write.expectations().flat_map(|(key, _)| self.keys_of(key)));
        keys.sort();
        keys.dedup();
        keys
    }

    /// The keys of facts that are expected at a revision: what says the same anew is at another one.
    fn exact_keys(&self, write: &Write) -> HashSet<RawKey> {
        let exact = write.expectations().filter(|(_, expected)| matches!(expected, Expected::At(_)));
        exact.flat_map(|(key, _)| self.keys_of(key)).collect()
    }

    /// Tells what was written before anyone else can, so that the writer reads it back at once.
    async fn written(&mut self, steps: Vec<Step>, first: u64, last: u64) -> Result<Revision, Stop> {
        if steps.is_empty() {
            return Ok(Revision::new(self.highest));
        }
        let mut gathered = Gathered { at: last, ..Gathered::default() };
        for (revision, step) in (first + 1..).zip(steps) {
            for (i, key) in step.keys.iter().enumerate() {
                let entry = if i == 0 { self.entry_of(key, &step, revision) } else { None };
                gathered.found.insert(Arc::clone(key), Found { entry, revision, seen_at: revision });
            }
        }
        let missed = self.missed(&gathered, &Taken::default()).await?;
        if !missed.is_empty() {
            let again = self.gather(missed, &mut gathered).await?;
            self.dirty.extend(again);
        }
        self.tell(gathered).await?;
        Ok(Revision::new(last))
    }

    fn entry_of(&self, key: &RawKey, step: &Step, revision: u64) -> Option<Entry> {
        let (content, ends) = (&step.content, step.lease.map(|lease| Instant::now() + lease));
        let meaning: Meaning = self.shared.names.meaning(key);
        let reading: Reading = content.read(key, &meaning, self.shared.config.max_value)?;
        let digest: Digest = content.digest();
        Some(Entry { digest, revision: Revision::new(revision), reading, ends })
    }
}

/// Answers; a caller that went away needs none.
fn reply<T>(
    to: oneshot::Sender<Result<T, PublishError>>,
    answered: Result<Result<T, PublishError>, Stop>,
) -> Result<(), Stop> {
    let (answered, stop) = match answered {
        Ok(answered) => (answered, Ok(())),
        Err(stop) => (Err(PublishError::Unavailable(stop.to_string())), Err(stop)),
    };
    let _ = to.send(answered);
    stop
}

fn understand(reply: Vec<Value>, keys: &[RawKey]) -> Result<Attempt, PublishError> {
    let strange = || PublishError::Unavailable("redis answered something strange".to_owned());
    let mut reply = reply.into_iter();
    let verdict = reply.next().and_then(octets).ok_or_else(strange)?;
    if verdict == b"stale" {
        return Ok(Attempt::Stale(stale(reply, keys)));
    }
    let mut number = || {
        let digits = reply.next().and_then(octets)?;
        std::str::from_utf8(&digits).ok()?.parse::<u64>().ok()
    };
    match (number(), number()) {
        (Some(first), Some(last)) => Ok(Attempt::Written { first, last }),
        _ => Err(strange()),
    }
}

/// The keys at these places.
pub(super) fn stale(places: impl Iterator<Item = Value>, keys: &[RawKey]) -> Vec<RawKey> {
    let places = places.filter_map(|place| match place {
        Value::Int(place) => usize::try_from(place).ok()?.checked_sub(1),
        _ => None,
    });
    places.filter_map(|place| keys.get(place).cloned()).collect()
}

/// What is answered when every attempt met what others wrote.
pub(super) fn contended() -> PublishError {
    PublishError::Unavailable("others write the same facts all the time".to_owned())
}
