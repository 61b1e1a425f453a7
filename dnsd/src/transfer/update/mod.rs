//! Zones changed by others: UPDATE (RFC 2136), by whoever has a key that may.
//!
//! In: a message, the zone as it is served, the record facts it is made of. Out: edits of record facts, all or none, guarded by those
//! that prerequisites name, handed to whoever writes them ([`Updates`]), and a code. Never here: a registry; a record that a zone file or another fact says; a change without a key.
//!
//! ```text
//! message ─► begin: signed? allowed? ─► later: read ─► prerequisites ─► changes ─► edits ─► registry ─► served here ─► NOERROR
//! ```

mod changes;
mod message;
mod performing;
mod prerequisites;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use model::{DomainName, Fact, FactKey, Revision};
use tokio::sync::{mpsc, oneshot};

use super::Signer;
use super::allowed::Allowed;
use super::signing::{self, Unverified, now};
use crate::asker::Asker;
use crate::guard::{Kind, Stop};
use crate::later::{Task, Work};
use crate::query::{Client, Context, Done};
use crate::respond::{self, Sent};
use crate::wire::{Code, Refusal, Told};
pub(crate) use message::{is_update, refusal};
pub(crate) use performing::Updater;

/// Who may change which zone: a key, from some addresses where those are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MayUpdate {
    /// Which zone; `None`: all that can be changed.
    zone: Option<DomainName>,
    allowed: Allowed,
}

impl MayUpdate {
    /// Reads `[ZONE=][ADDRESSES] key:NAME`.
    ///
    /// # Errors
    /// What is wrong, so that it can follow the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (zone, rest) = match text.split_once('=') {
            Some((zone, rest)) => (Some(zone.trim()), rest),
            None => (None, text),
        };
        let zone = zone.map(|zone| DomainName::parse(zone).map_err(|error| format!("`{zone}`: {error}")));
        let allowed = Allowed::parse(rest)?;
        if allowed.key().is_none() {
            return Err("names no key; nobody changes a zone without one: key:NAME".into());
        }
        Ok(Self { zone: zone.transpose()?, allowed })
    }

    /// The key that is asked for.
    pub fn key(&self) -> Option<&DomainName> {
        self.allowed.key()
    }

    pub(super) fn is(&self, zone: &DomainName, address: IpAddr, signed: Option<&DomainName>) -> bool {
        self.zone.as_ref().is_none_or(|own| own == zone) && self.allowed.is(address, signed)
    }
}

impl fmt::Display for MayUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(zone) = &self.zone {
            write!(f, "{zone}=")?;
        }
        write!(f, "{}", self.allowed)
    }
}

/// A record fact put or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateEdit {
    /// Which.
    pub key: FactKey,
    /// What it shall say; `None` removes it.
    pub fact: Option<Fact>,
    /// The revision it has to be at; `None`: it has not to be there.
    pub expected: Option<Revision>,
}

/// A record fact that prerequisites name and no edit changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateGuard {
    /// Which.
    pub key: FactKey,
    /// The revision it has to be at; `None`: it has not to be there.
    pub expected: Option<Revision>,
}

/// Edits that are to be made, all or none.
#[derive(Debug)]
pub struct UpdateRequest {
    /// Who wants them, for the history.
    pub who: String,
    /// What; one for each fact, at least one.
    pub edits: Vec<UpdateEdit>,
    /// What else they hang on, at most [`UPDATE_GUARDS`](crate::config::UPDATE_GUARDS).
    pub guards: Vec<UpdateGuard>,
    /// Told what became of them.
    pub answer: oneshot::Sender<Result<Revision, UpdateError>>,
}

/// Why edits were not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateError {
    /// A fact is not as expected: read again, decide again.
    Conflict,
    /// They can never be made as they are.
    Refused(String),
    /// They may be made later.
    Unavailable(String),
}

/// Where edits are handed to: whoever writes them into the registry.
pub type Updates = mpsc::Sender<UpdateRequest>;

/// Answers an update, or lets it be made later: written to the end of `out`.
pub(crate) fn begin(
    context: &Context<'_>,
    message: &[u8],
    client: &Client,
    seed: u64,
    out: &mut Vec<u8>,
) -> Done {
    let read = message::zone(message);
    let options = match &read {
        Ok((refusal, _)) | Err(refusal) => refusal.options,
    };
    let asker = Asker::of(context, client, &options, seed);
    let (refusal, zone) = match read {
        Ok(read) => read,
        Err(refusal) => return asker.refuse(&refusal, out),
    };
    // Nobody may do it unsigned, whatever it is.
    if asker.stop() == Some(Stop::Prohibited) || !message::is_signed(message) {
        return asker.refuse(&Refusal { code: Code::Refused, ..refusal }, out);
    }
    let (code, mut signer) = match signing::verify(context.access.keys(), message, now()) {
        Ok(signer) if context.access.may_update(&zone, client.address, signer.key()) => {
            return Done::Later(Task::new(Work::Update, message));
        }
        Ok(signer) => (Code::Refused, Box::new(signer)),
        Err(Unverified::Malformed) => return asker.refuse(&refusal, out),
        Err(Unverified::Wrong(_, signer)) => (Code::NotAuthoritative, signer),
    };
    let asker = asker.signed(code == Code::Refused);
    let bare = Refusal { code, ..refusal };
    asker.send(Kind::Error, &[], &bare, out, |told, out| tell(&refusal, code, told, &mut signer, out))
}

/// Writes what became of an update, signed.
fn tell(refusal: &Refusal<'_>, code: Code, told: &Told<'_>, signer: &mut Signer, out: &mut Vec<u8>) -> Sent {
    let start = out.len();
    let sent = respond::refuse(&Refusal { code, ..*refusal }, told, out);
    signer.sign(out, start, now());
    sent
}
