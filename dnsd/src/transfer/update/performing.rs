//! An update, made: one after the other, each on what the one before left.

use std::collections::VecDeque;
use std::sync::Arc;

use model::{RecordType, Revision, Snapshot};
use tokio::sync::{Mutex, Semaphore, oneshot, watch};
use tokio::time::timeout;

use super::message::{self, read};
use super::state::State;
use super::{UpdateEdit, UpdateError, UpdateGuard, UpdateRequest, Updates, changes, prerequisites, tell};
use crate::config::{UPDATE_EDITS, UPDATE_REPLAYS, UPDATE_TRIES, UPDATE_WAIT, UPDATES_AT_ONCE};
use crate::guard::Now;
use crate::listen::Shared;
use crate::query::Client;
use crate::respond::Sent;
use crate::served::Served;
use crate::transfer::signing::{self, Signer, Unverified, now};
use crate::wire::{Code, tsig};
use crate::zone::facts::{Grounds, Home};

/// How long a signature may be seen again, in seconds: twice what clocks may differ.
const AGAIN: u64 = 600;

/// Makes updates.
#[derive(Debug)]
pub(crate) struct Updater {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    serves: watch::Receiver<Revision>,
    grounds: watch::Receiver<Arc<Grounds>>,
    /// Whoever writes; `None`: nobody does.
    updates: Option<Updates>,
    /// Room for those that are made, or wait for their turn.
    room: Semaphore,
    /// Signatures of those that were made, when they were made, and with which code.
    made: Mutex<Made>,
}

/// When, signed how, with which code.
type Made = VecDeque<(u64, Box<[u8]>, Code)>;

/// What became of an update.
enum Outcome {
    /// It is answered so, and changes nothing.
    Decided(Code),
    /// The registry has it.
    Written(Revision),
    /// The registry was given it, and does not say whether it has it.
    Unknown,
    /// It was not made; it may be sent again as it is.
    NotMade,
}

/// What an update is decided by, all at one revision.
type Together = (Arc<Snapshot>, Arc<Served>, Arc<Grounds>);

/// What is to be written, and what that hangs on.
type Decided = (Vec<UpdateEdit>, Vec<UpdateGuard>);

impl Updater {
    /// Over what the registry says, what is served, and what record facts stand on.
    pub(crate) fn new(
        snapshots: watch::Receiver<Arc<Snapshot>>,
        serves: watch::Receiver<Revision>,
        grounds: watch::Receiver<Arc<Grounds>>,
        updates: Option<Updates>,
    ) -> Self {
        let room = Semaphore::new(UPDATES_AT_ONCE);
        Self { snapshots, serves, grounds, updates, room, made: Mutex::default() }
    }

    /// Makes the update of a message, and writes the answer to the end of `out`.
    pub(crate) async fn perform(
        &self,
        shared: &Shared,
        message: &[u8],
        client: Client,
        out: &mut Vec<u8>,
    ) -> Option<Sent> {
        let (refusal, _) = message::zone(message).ok()?;
        let guards = shared.guards.load_full();
        let told = guards.receive(&client, &refusal.options, Now::read()).told;
        let (code, mut signer) = self.decide(shared, message, client).await?;
        Some(tell(&refusal, code, &told, &mut signer, out))
    }

    /// What is answered, and who signs it.
    async fn decide(&self, shared: &Shared, message: &[u8], client: Client) -> Option<(Code, Signer)> {
        let verify = || match signing::verify(shared.access.keys(), message, now()) {
            Ok(signer) => Ok(signer),
            Err(Unverified::Wrong(_, signer)) => Err(Some((Code::NotAuthoritative, *signer))),
            Err(Unverified::Malformed) => Err(None),
        };
        let signer = match verify() {
            Ok(signer) => signer,
            Err(wrong) => return wrong,
        };
        let Ok(_room) = self.room.try_acquire() else { return Some((Code::Failure, signer)) };
        // One at a time: what comes twice finds what became of it the first time.
        let Ok(mut made) = timeout(UPDATE_WAIT, self.made.lock()).await else {
            return Some((Code::Failure, signer));
        };
        // It may have waited until its time was over.
        let signer = match verify() {
            Ok(signer) => signer,
            Err(wrong) => return wrong,
        };
        let who = format!("dns:{}@{}", signer.key().map(ToString::to_string)?, client.address);
        let mac = tsig(message)?.mac;
        while made.front().is_some_and(|(at, ..)| at + AGAIN < now()) {
            made.pop_front();
        }
        if let Some((.., code)) = made.iter().find(|(_, other, _)| **other == *mac) {
            return Some((*code, signer));
        }
        if made.len() >= UPDATE_REPLAYS {
            return Some((Code::Failure, signer));
        }
        let outcome = self.make(shared, message, &who).await;
        let code = match outcome {
            Outcome::Decided(code) => code,
            Outcome::Written(_) => Code::NoError,
            Outcome::Unknown | Outcome::NotMade => Code::Failure,
        };
        if !matches!(outcome, Outcome::NotMade) {
            made.push_back((now(), mac.into(), code));
        }
        // The next one is made on what this one left: it has its turn once that is served.
        if let Outcome::Written(revision) = outcome
            && let Err(UpdateError::Unavailable(why)) = self.served(revision).await
        {
            tracing::warn!(%who, %why, "an update is written and answered before it is served");
        }
        Some((code, signer))
    }

    async fn make(&self, shared: &Shared, message: &[u8], who: &str) -> Outcome {
        for _ in 0..UPDATE_TRIES {
            match self.once(shared, message, who).await {
                Ok(outcome) => return outcome,
                // Somebody else was faster.
                Err(UpdateError::Conflict) => {}
                Err(UpdateError::Refused(why)) => {
                    tracing::warn!(%who, %why, "an update is refused by the registry");
                    return Outcome::Decided(Code::Refused);
                }
                Err(UpdateError::Unavailable(why)) => {
                    tracing::warn!(%who, %why, "an update cannot be written");
                    return Outcome::NotMade;
                }
            }
        }
        Outcome::NotMade
    }

    async fn once(&self, shared: &Shared, message: &[u8], who: &str) -> Result<Outcome, UpdateError> {
        let together = timeout(UPDATE_WAIT, self.together(shared)).await;
        let late = || UpdateError::Unavailable("what is served does not reach what the registry says".into());
        let together = together.map_err(|_| late())??;
        let (edits, guards) = match decided(message, &together) {
            Ok((edits, _)) if edits.is_empty() => return Ok(Outcome::Decided(Code::NoError)),
            Ok(decided) => decided,
            Err(code) => return Ok(Outcome::Decided(code)),
        };
        let nobody = || UpdateError::Unavailable("nobody writes into the registry".into());
        let slow = |_| UpdateError::Unavailable("the registry still writes updates before it".into());
        let (answer, answered) = oneshot::channel();
        let updates = self.updates.as_ref().ok_or_else(nobody)?;
        let request = UpdateRequest { who: who.to_owned(), edits, guards, answer };
        timeout(UPDATE_WAIT, updates.send(request)).await.map_err(slow)?.map_err(|_| nobody())?;
        match timeout(UPDATE_WAIT, answered).await {
            Ok(answered) => Ok(Outcome::Written(answered.map_err(|_| nobody())??)),
            Err(_) => {
                tracing::warn!(%who, "the registry does not say in time whether an update is written");
                Ok(Outcome::Unknown)
            }
        }
    }

    /// A snapshot, the zones as they are at it, and what record facts stand on there.
    async fn together(&self, shared: &Shared) -> Result<Together, UpdateError> {
        loop {
            let snapshot = Arc::clone(&self.snapshots.borrow());
            self.served(snapshot.revision()).await?;
            let (served, grounds) = (shared.served.load_full(), Arc::clone(&self.grounds.borrow()));
            if [served.zones().revision(), grounds.revision] == [snapshot.revision(); 2] {
                return Ok((snapshot, served, grounds));
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until this revision is served.
    async fn served(&self, revision: Revision) -> Result<(), UpdateError> {
        let mut serves = self.serves.clone();
        let served = timeout(UPDATE_WAIT, serves.wait_for(|serving| *serving >= revision)).await;
        match served {
            Ok(Ok(_)) => Ok(()),
            _ => Err(UpdateError::Unavailable(format!("revision {revision} is not served yet"))),
        }
    }
}

/// What is to be written, and what that hangs on.
fn decided(message: &[u8], (snapshot, served, grounds): &Together) -> Result<Decided, Code> {
    let update = read(message).ok_or(Code::Malformed)?;
    let Some(zone) = served.zones().at(&update.zone) else {
        return Err(if served.zones().is_known() { Code::NotAuthoritative } else { Code::Failure });
    };
    // What a file says is the file's.
    let home = grounds.homes.of(&update.zone, RecordType::SOA).and_then(Home::taker);
    if home.as_ref() != Some(&update.zone) {
        return Err(Code::Refused);
    }
    let mut state = State::new(zone, snapshot, grounds);
    prerequisites::check(&mut state, &update.prerequisites, message)?;
    changes::apply(&mut state, &update.changes, message)?;
    let edits = state.edits()?;
    if edits.len() > UPDATE_EDITS {
        return Err(Code::Refused);
    }
    let guards = state.guards(&edits);
    Ok((edits, guards))
}
