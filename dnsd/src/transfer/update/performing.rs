//! An update, made: one after the other, each on what the one before left.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex as Lock, PoisonError};

use model::{RecordType, Revision, Snapshot};
use tokio::sync::{Mutex, oneshot, watch};
use tokio::time::timeout;

use super::message::{self, read};
use super::state::State;
use super::{UpdateError, UpdateRequest, Updates, changes, prerequisites, told};
use crate::config::{UPDATE_EDITS, UPDATE_REPLAYS, UPDATE_TRIES, UPDATE_WAIT};
use crate::files::FileZones;
use crate::listen::Shared;
use crate::query::Client;
use crate::respond::Sent;
use crate::served::Served;
use crate::transfer::signing::{self, now};
use crate::wire::{Code, tsig};

/// How long a signature may be seen again, in seconds: twice what clocks may differ.
const AGAIN: u64 = 600;

/// Makes updates.
#[derive(Debug)]
pub(crate) struct Updater {
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) serves: watch::Receiver<Revision>,
    /// Locked when files are read and when zones are put together, never for a question.
    pub(crate) files: Arc<Lock<FileZones>>,
    /// Whoever writes; `None`: nobody does.
    pub(crate) updates: Option<Updates>,
    /// Signatures of those that were made, when they were made, and with which code.
    pub(crate) made: Mutex<Made>,
}

/// When, signed how, with which code.
pub(crate) type Made = VecDeque<(u64, Box<[u8]>, Code)>;

impl Updater {
    /// Makes the update of a message, and writes the answer to the end of `out`.
    pub(crate) async fn perform(
        &self,
        shared: &Shared,
        message: &[u8],
        client: Client,
        out: &mut Vec<u8>,
    ) -> Option<Sent> {
        let (refusal, _) = message::zone(message).ok()?;
        let mut signer = signing::verify(shared.access.keys(), message, now()).ok()?;
        let who = format!("dns:{}@{}", signer.key().map(ToString::to_string)?, client.address);
        let mac = tsig(message)?.mac;
        // One at a time: what comes twice finds what became of it the first time.
        let mut made = self.made.lock().await;
        while made.front().is_some_and(|(at, ..)| at + AGAIN < now()) {
            made.pop_front();
        }
        let known = made.iter().find(|(_, other, _)| **other == *mac).map(|(.., code)| *code);
        let code = match known {
            Some(code) => code,
            None if made.len() >= UPDATE_REPLAYS => Code::Failure,
            None => {
                let code = self.make(shared, message, &who).await;
                if code != Code::Failure {
                    made.push_back((now(), mac.into(), code));
                }
                code
            }
        };
        drop(made);
        Some(told(&refusal, code, &mut signer, out))
    }

    async fn make(&self, shared: &Shared, message: &[u8], who: &str) -> Code {
        for _ in 0..UPDATE_TRIES {
            match self.once(shared, message, who).await {
                Ok(code) => return code,
                // Somebody else was faster.
                Err(UpdateError::Conflict) => {}
                Err(UpdateError::Refused(why)) => {
                    tracing::warn!(%who, %why, "an update is refused by the registry");
                    return Code::Refused;
                }
                Err(UpdateError::Unavailable(why)) => {
                    tracing::warn!(%who, %why, "an update cannot be written");
                    return Code::Failure;
                }
            }
        }
        Code::Failure
    }

    async fn once(&self, shared: &Shared, message: &[u8], who: &str) -> Result<Code, UpdateError> {
        let together = timeout(UPDATE_WAIT, self.together(shared)).await;
        let late = || UpdateError::Unavailable("what is served does not reach what the registry says".into());
        let (snapshot, served) = together.map_err(|_| late())??;
        let edits = match self.edits(shared, message, &snapshot, &served) {
            Ok(edits) => edits,
            Err(code) => return Ok(code),
        };
        if edits.is_empty() {
            return Ok(Code::NoError);
        }
        let nobody = || UpdateError::Unavailable("nobody writes into the registry".into());
        let (answer, answered) = oneshot::channel();
        let updates = self.updates.as_ref().ok_or_else(nobody)?;
        let request = UpdateRequest { who: who.to_owned(), edits, answer };
        updates.send(request).await.map_err(|_| nobody())?;
        let revision = answered.await.map_err(|_| nobody())??;
        self.served(revision).await?;
        Ok(Code::NoError)
    }

    /// A snapshot, and the zones as they are at it.
    async fn together(&self, shared: &Shared) -> Result<(Arc<Snapshot>, Arc<Served>), UpdateError> {
        loop {
            let snapshot = Arc::clone(&self.snapshots.borrow());
            self.served(snapshot.revision()).await?;
            let served = shared.served.load_full();
            if served.zones().revision() == snapshot.revision() {
                return Ok((snapshot, served));
            }
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

    /// What is to be written.
    fn edits(
        &self,
        shared: &Shared,
        message: &[u8],
        snapshot: &Snapshot,
        served: &Served,
    ) -> Result<Vec<super::UpdateEdit>, Code> {
        let update = read(message).ok_or(Code::Malformed)?;
        let Some(zone) = served.zones().at(&update.zone) else {
            return Err(if served.zones().is_known() { Code::NotAuthoritative } else { Code::Failure });
        };
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).apexes();
        let of_registry = shared.config.zone.as_ref() == Some(&update.zone)
            || snapshot.record(&update.zone.folded(), RecordType::SOA).is_some();
        // What a file says is the file's.
        if files.contains(&update.zone) || !of_registry {
            return Err(Code::Refused);
        }
        let mut state = State::new(zone, snapshot);
        prerequisites::check(&state, &update.prerequisites, message)?;
        changes::apply(&mut state, &update.changes, message)?;
        let edits = state.edits()?;
        if edits.len() > UPDATE_EDITS { Err(Code::Refused) } else { Ok(edits) }
    }
}
