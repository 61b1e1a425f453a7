//! Zones for other servers: who may have them, how they are handed over (RFC 5936, RFC 1995), and how messages are signed (RFC 8945).
//!
//! In: a question for a whole zone, the zone it is answered from; a signed message. Out: a [`Transfer`], which writes one message after the
//! other from that zone alone, or why there is none; a [`Signer`] for answers. Never here: a socket; a zone that is encoded whole; a change
//! of a zone; a secret in a message or a log.
//!
//! ```text
//! signed message ─► verify (key, signature, time) ─► Signer ─► signs each message of the answer
//! zones, anew ─► Schedule ─► NOTIFY for each secondary, until it answers
//! AXFR, IXFR ─► begin: allowed? known? room? ─► Transfer { Arc<Zone>, place } ─► a message whenever the connection took the last one
//! ```

mod access;
mod allowed;
mod key;
mod key_file;
mod notify;
mod outgoing;
mod signing;
#[cfg(test)]
mod tests;
mod update;

pub use access::Access;
pub use allowed::Allowed;
pub use key::{Algorithm, Key, Keys};
pub(crate) use key_file::read as read_keys;
pub use notify::Secondary;
pub(crate) use notify::{Schedule, patience};
pub(crate) use outgoing::{begin, is_newer};
pub(crate) use signing::now;
pub use signing::{Signer, TsigError, Unverified};
pub use update::{MayUpdate, UpdateEdit, UpdateError, UpdateGuard, UpdateRequest, Updates};
pub(crate) use update::{Updater, begin as update, is_update, refusal as update_refusal};

use crate::asker::Asker;
use crate::guard::Kind;
use crate::query::Done;
use crate::respond;
use crate::wire::{Code, Query};

/// Who signs answers to this message; nobody, where it is not signed itself.
///
/// # Errors
/// What was written to the end of `out` instead of an answer: its signature is not right.
pub(crate) fn signer(
    access: &Access,
    query: &Query<'_>,
    message: &[u8],
    asker: &Asker<'_>,
    out: &mut Vec<u8>,
) -> Result<Option<Signer>, Done> {
    if !query.signed {
        return Ok(None);
    }
    match signing::verify(access.keys(), message, now()) {
        Ok(signer) => Ok(Some(signer)),
        Err(Unverified::Malformed) => Err(asker.refuse(&query.refused(Code::Malformed), out)),
        Err(Unverified::Wrong(error, mut signer)) => {
            tracing::debug!(?error, key = ?signer.key(), "a signed message is refused");
            let refusal = query.refused(Code::NotAuthoritative);
            Err(asker.send(Kind::Error, &[], &refusal, out, |told, out| {
                let start = out.len();
                let sent = respond::refuse(&refusal, told, out);
                signer.sign(out, start, now());
                sent
            }))
        }
    }
}
pub use outgoing::{Next, Transfer};
