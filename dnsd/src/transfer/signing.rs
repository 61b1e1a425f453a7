//! Messages that are signed, and answers to them (RFC 8945 §5).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use model::DomainName;

use super::key::{Key, Keys};
use crate::wire::{HEAD, Tsig, tsig};

/// How far clocks may differ, in seconds (RFC 8945 §10); a client that allows more is not believed more.
const FUDGE: u16 = 300;
/// The shortest signature that can be looked at, in octets (RFC 8945 §5.2.2.1).
const SHORTEST: usize = 10;

/// What is wrong with a signature, by its number (RFC 8945 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TsigError {
    /// BADSIG: it is not of that key, or not of this message.
    Signature = 16,
    /// BADKEY: there is no such key.
    Key = 17,
    /// BADTIME: it was signed too long ago, or in the future.
    Time = 18,
    /// BADTRUNC: it was cut.
    Cut = 22,
}

/// Signs answers to one message: each with the signature before it.
#[derive(Debug)]
pub struct Signer {
    /// `None`: they are not signed, since the client's key, or signature, is not known to be its own.
    key: Option<Arc<Key>>,
    name: DomainName,
    algorithm: DomainName,
    /// The signature before.
    prior: Vec<u8>,
    /// Whether one was signed already.
    begun: bool,
    /// What is wrong with the message's own signature, and, where that is its time, when it says that it was signed.
    error: Option<(TsigError, u64)>,
}

/// Why a signed message is not answered.
#[derive(Debug)]
pub enum Unverified {
    /// Its signature cannot be read.
    Malformed,
    /// Its signature is not right; the signer says so in the answer.
    Wrong(TsigError, Box<Signer>),
}

/// Seconds since 1970, as clocks say.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Whether a message that has a TSIG record is signed with one of these keys, `now`.
///
/// # Errors
/// [`Unverified`] says what is wrong with the signature.
pub(crate) fn verify(keys: &Keys, message: &[u8], now: u64) -> Result<Signer, Unverified> {
    let signed = tsig(message).ok_or(Unverified::Malformed)?;
    let mut signer = Signer {
        key: None,
        name: signed.key.clone(),
        algorithm: signed.algorithm.clone(),
        prior: signed.mac.to_vec(),
        begun: false,
        error: None,
    };
    let wrong = |error, mut signer: Signer| {
        signer.error = Some((error, signed.time));
        Err(Unverified::Wrong(error, Box::new(signer)))
    };
    let Some(key) = keys.get(&signed.key).filter(|key| *key.algorithm() == signed.algorithm) else {
        return wrong(TsigError::Key, signer);
    };
    if signed.mac.len() > key.length() || signed.mac.len() < SHORTEST.max(key.length() / 2) {
        return Err(Unverified::Malformed);
    }
    let head = head(&signed).ok_or(Unverified::Malformed)?;
    if !key.verify(&[&head, &signed.before[HEAD..], &signed.variables()], signed.mac) {
        return wrong(TsigError::Signature, signer);
    }
    signer.key = Some(Arc::clone(key));
    if !is_near(&signed, now) {
        return wrong(TsigError::Time, signer);
    }
    if signed.mac.len() < key.length() {
        return wrong(TsigError::Cut, signer);
    }
    Ok(signer)
}

/// The head of a signed message as it was before it was signed.
fn head(signed: &Tsig<'_>) -> Option<[u8; HEAD]> {
    let mut head = *signed.before.first_chunk::<HEAD>()?;
    head[..2].copy_from_slice(&signed.original_id.to_be_bytes());
    let additional = u16::from_be_bytes([head[10], head[11]]).checked_sub(1)?;
    head[10..].copy_from_slice(&additional.to_be_bytes());
    Some(head)
}

fn is_near(signed: &Tsig<'_>, now: u64) -> bool {
    now.abs_diff(signed.time) <= u64::from(signed.fudge.min(FUDGE))
}

impl Signer {
    /// Of a message of ours: it is nobody's answer.
    pub(crate) fn of(key: &Arc<Key>) -> Self {
        Self {
            name: key.name().clone(),
            algorithm: key.algorithm().clone(),
            key: Some(Arc::clone(key)),
            prior: Vec::new(),
            begun: false,
            error: None,
        }
    }

    /// The key that the message was signed with.
    pub(crate) fn key(&self) -> Option<&DomainName> {
        self.key.as_ref().map(|key| key.name())
    }

    /// How many octets its record takes.
    pub(crate) fn room(&self) -> usize {
        let mac = self.key.as_ref().map_or(0, |key| key.length());
        Tsig::length(&self.name, &self.algorithm, mac, self.other(0).map_or(0, |other| other.len()))
    }

    /// Where the message's time was wrong: our own.
    fn other(&self, now: u64) -> Option<[u8; 6]> {
        let (error, _) = self.error?;
        let [_, _, time @ ..] = now.to_be_bytes();
        (error == TsigError::Time).then_some(time)
    }

    /// Signs the message that begins at `start` of `out`, `now`.
    pub(crate) fn sign(&mut self, out: &mut Vec<u8>, start: usize, now: u64) {
        let other = self.other(now);
        let time = self.error.filter(|_| other.is_some()).map_or(now, |(_, time)| time);
        let id =
            out.get(start..start + 2).and_then(|id| id.first_chunk()).map_or(0, |id| u16::from_be_bytes(*id));
        let mut record = Tsig {
            key: self.name.clone(),
            algorithm: self.algorithm.clone(),
            time,
            fudge: FUDGE,
            mac: &[],
            // As it is sent: whoever handed the message on may have changed its id.
            original_id: id,
            error: self.error.map_or(0, |(error, _)| error as u16),
            other: other.as_ref().map_or(&[], |other| &other[..]),
            before: &[],
        };
        let Some(key) = &self.key else { return record.write(out, start) };
        let length = u16::try_from(self.prior.len()).unwrap_or(0).to_be_bytes();
        let length = if self.prior.is_empty() { &[] } else { &length[..] };
        let (timers, variables) = (record.timers(), record.variables());
        let said = if self.begun { &timers[..] } else { &variables[..] };
        let mac = key.sign(&[length, &self.prior, out.get(start..).unwrap_or_default(), said]);
        record.mac = mac.as_ref();
        record.write(out, start);
        self.prior = mac.as_ref().to_vec();
        self.begun = true;
    }

    /// Whether `answer` is the answer to the message that was signed last, `now`.
    pub(crate) fn verify(&self, answer: &[u8], now: u64) -> bool {
        let (Some(key), Some(signed)) = (&self.key, tsig(answer)) else { return false };
        let Some(head) = head(&signed) else { return false };
        let length = u16::try_from(self.prior.len()).unwrap_or(0).to_be_bytes();
        let said = signed.variables();
        let parts = [&length[..], &self.prior, &head, &signed.before[HEAD..], &said];
        signed.key == self.name
            && signed.algorithm == self.algorithm
            && signed.mac.len() == key.length()
            && key.verify(&parts, signed.mac)
            && is_near(&signed, now)
            && signed.error == 0
    }
}

#[cfg(test)]
#[path = "signing_tests.rs"]
mod tests;
