//! Messages that are answered later, off the way of questions: an upstream is asked first, for example.
//!
//! In: what [`crate::query::answer`] hands over. Out: the octets of an answer, or none. Never here: a socket of a client; a wait without a
//! limit. Whoever does such work is a field of [`Doer`], what is to be done a variant of [`Work`].

use std::sync::Arc;

use crate::asker::Asker;
use crate::listen::Shared;
use crate::query::{Client, Context, Done};
use crate::respond::{self, Sent};
use crate::transfer::{self, Updater};
use crate::wire::{Code, refusal};

/// What is to be done before a message can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A name that no zone of ours holds is asked for upstream.
    Forward,
    /// A zone is to be changed.
    Update,
}

/// A message that is answered later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What is to be done.
    pub work: Work,
    /// The message as it came, at most [`crate::wire::LARGEST`] octets.
    pub message: Box<[u8]>,
}

impl Task {
    /// This work, for that message.
    pub fn new(work: Work, message: &[u8]) -> Self {
        Self { work, message: message.into() }
    }

    /// Writes that it cannot be done now to the end of `out`, within the limits of who asked.
    pub(crate) fn refuse(&self, context: &Context<'_>, client: &Client, out: &mut Vec<u8>) -> Done {
        let refusal = match self.work {
            Work::Forward => refusal(&self.message, Code::Failure),
            Work::Update => transfer::update_refusal(&self.message, Code::Failure),
        };
        let Some(refusal) = refusal else { return Done::Dropped };
        let start = out.len();
        let asker = Asker::of(context, client, &refusal.options, fastrand::u64(..));
        let done = asker.refuse(&refusal, out);
        if self.work == Work::Forward {
            respond::offer_recursion(out, start);
        }
        done
    }
}

/// Does what is done later.
#[derive(Debug)]
pub(crate) struct Doer {
    shared: Arc<Shared>,
    updater: Updater,
}

impl Doer {
    pub(crate) fn new(shared: Arc<Shared>, updater: Updater) -> Self {
        Self { shared, updater }
    }

    /// Does it, and writes the answer to the end of `out`; `None` where nothing is sent. Takes as long as its work's own limits say.
    pub(crate) async fn perform(&self, task: &Task, client: Client, out: &mut Vec<u8>) -> Option<Sent> {
        match task.work {
            Work::Forward => {
                let forward = self.shared.forward.as_ref()?;
                let (served, guards) = (self.shared.served.load_full(), self.shared.guards.load_full());
                forward.answer(served.zones(), &guards, &task.message, &client, fastrand::u64(..), out).await
            }
            Work::Update => self.updater.perform(&self.shared, &task.message, client, out).await,
        }
    }
}
