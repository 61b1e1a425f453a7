//! Who asked: what the guards say of it, and an answer that is sent to it within its limits.

use crate::guard::{Kind, Stop, Verdict, Visit};
use crate::query::{Client, Context, Done};
use crate::ready::Ready;
use crate::respond::{self, Sent};
use crate::wire::{Code, Extended, Options, Query, Refusal, Told};
use crate::zone::{Answer, Outcome};

/// Who asked.
pub(crate) struct Asker<'c> {
    pub(crate) context: &'c Context<'c>,
    visit: Visit<'c>,
    /// What is drawn from where chance decides.
    seed: u64,
}

impl<'c> Asker<'c> {
    pub(crate) fn of(context: &'c Context<'c>, client: &Client, options: &Options<'_>, seed: u64) -> Self {
        Self { context, visit: context.guards.receive(client, options, context.now), seed }
    }

    /// Why its question is not looked at.
    pub(crate) fn stop(&self) -> Option<Stop> {
        self.context.guards.stop(&self.visit)
    }

    /// What the options of its answer say.
    pub(crate) fn told(&self) -> &Told<'c> {
        &self.visit.told
    }

    /// The same; it signed its message, which nobody else could.
    pub(crate) fn signed(mut self, is_signed: bool) -> Self {
        self.visit.proven |= is_signed;
        self
    }

    /// What is ready for its question; nothing is while zones may be too old to be told, or are still to come.
    pub(crate) fn ready(&self, query: &Query<'_>) -> Option<Ready<'c>> {
        let Context { ready, zones, .. } = self.context;
        (zones.too_old() == 0 && zones.is_known()).then(|| ready.get(query.name, query.record_type))?
    }

    /// Sends what `write` writes, if that is within the limit of what is counted by `kind` and `name`; else, now and then, that `bare`
    /// message is to be sent again over TCP.
    pub(crate) fn send(
        &self,
        kind: Kind,
        name: &[u8],
        bare: &Refusal<'_>,
        out: &mut Vec<u8>,
        write: impl FnOnce(&Told<'_>, &mut Vec<u8>) -> Sent,
    ) -> Done {
        let withheld = self.withhold(kind, name, bare, out);
        withheld.unwrap_or_else(|| Done::Answered(write(&self.visit.told, out)))
    }

    /// What is done instead, where an answer that is counted by `kind` and `name` is not within the limit: asked before work is done for
    /// it.
    pub(crate) fn withhold(
        &self,
        kind: Kind,
        name: &[u8],
        bare: &Refusal<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Done> {
        match self.context.guards.verdict(&self.visit, kind, name, self.context.now, self.seed) {
            Verdict::Send => None,
            Verdict::Cut => Some(Done::Slipped(respond::cut(bare, &self.visit.told, out))),
            Verdict::Drop => Some(Done::Limited),
        }
    }

    /// Tells that a message is not answered.
    pub(crate) fn refuse(&self, refusal: &Refusal<'_>, out: &mut Vec<u8>) -> Done {
        self.send(Kind::Error, &[], refusal, out, |told, out| respond::refuse(refusal, told, out))
    }

    /// Tells why a question is not looked at.
    pub(crate) fn turn_away(&self, query: &Query<'_>, stop: Stop, out: &mut Vec<u8>) -> Done {
        let code = match stop {
            Stop::Prohibited => Code::Refused,
            Stop::BadCookie => Code::BadCookie,
            Stop::Cut => Code::NoError,
        };
        let refusal = query.refused(code);
        self.send(Kind::Error, &[], &refusal, out, |told, out| match stop {
            Stop::Prohibited => {
                respond::refuse(&refusal, &Told { error: Some(Extended::Prohibited), ..*told }, out)
            }
            Stop::BadCookie => respond::refuse(&refusal, told, out),
            Stop::Cut => respond::cut(&refusal, told, out),
        })
    }

    /// Answers a message that asks for a cookie alone (RFC 7873 §5.4).
    pub(crate) fn tell_cookie(&self, refusal: Refusal<'_>, out: &mut Vec<u8>) -> Done {
        let code = match self.visit.told.cookie {
            Some(_) if self.visit.bad_cookie => Code::BadCookie,
            Some(_) => Code::NoError,
            None => refusal.code,
        };
        self.refuse(&Refusal { code, ..refusal }, out)
    }
}

/// What an answer is counted by: its kind, and a name in wire form.
pub(crate) fn counted<'a>(query: &Query<'a>, answer: &'a Answer<'_>) -> (Kind, &'a [u8]) {
    let apex = answer.apex.map_or(&[][..], |apex| apex.as_wire());
    match answer.outcome {
        Outcome::NotOurs | Outcome::NotYet | Outcome::TooOld => (Kind::Error, &[]),
        Outcome::NoName => (Kind::NoName, apex),
        Outcome::TooLong => (Kind::Made, apex),
        Outcome::Fine if !answer.authoritative => {
            (Kind::Referral, answer.authority.first().map_or(apex, |servers| servers.owner.as_wire()))
        }
        Outcome::Fine if answer.made => (Kind::Made, apex),
        Outcome::Fine => (Kind::Data, query.name),
    }
}
