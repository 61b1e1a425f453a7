//! Names that no zone of ours holds, for clients that may ask for them: forwarded to resolvers that know (RFC 1034 §4.3.1, RFC 5625).
//!
//! In: a question that zones do not answer, or whose alias leaves them. Out: what an upstream said, as record sets, or that nobody could
//! say. Never here: a zone's own answer; a name below the zone of the registry, or of this machine, sent away; the question's own thread:
//! all of it but [`Policy`] happens later.
//!
//! ```text
//! query ─► Policy (may this client? is it ours?) ─► later ─► local names ─► cache ─► on its way already? ─► upstreams (UDP, TCP)
//! ```

mod ask;
mod cache;
mod counters;
mod local;
mod peers;
mod policy;
mod resolve;
mod upstream;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use model::{DomainName, RecordType};

pub use counters::Forwarded;
pub use policy::Policy;
pub(crate) use upstream::resolve;
pub use upstream::{ForwardError, RESOLV_CONF, Upstream, UpstreamError};

use crate::config::Config;
use crate::guard::{Guards, Now};
use crate::query::{self, Client};
use crate::respond::{self, Sent};
use crate::wire::upstream::{Ask, Told};
use crate::wire::{Code, Query, Section, decode, flags};
use crate::zone::{self, Answer, Entry, Outcome, Question, ZoneSet};
use cache::{Kept, Known};
use policy::outside;
use resolve::Resolver;

/// Forwarding, switched on.
#[derive(Debug)]
pub(crate) struct Forward {
    /// Whose questions are forwarded, and which.
    pub(crate) policy: Policy,
    local: ZoneSet,
    resolver: Resolver,
}

impl Forward {
    /// To these; `None` where there is none.
    pub(crate) fn to(upstreams: &[SocketAddr], config: &Config) -> Option<Self> {
        let counters = Arc::default();
        (!upstreams.is_empty()).then(|| Self {
            policy: Policy::new(&config.forward_allow, config.zone.clone(), Arc::clone(&counters)),
            local: local::zones(config.forward_private),
            resolver: Resolver::new(upstreams, config.cache_bytes, counters),
        })
    }

    /// What was counted so far.
    pub(crate) fn totals(&self) -> Forwarded {
        self.policy.counters.totals(self.resolver.kept())
    }

    /// Answers a message of a client that may ask. The order of records is drawn from `seed`.
    pub(crate) async fn answer(
        &self,
        zones: &ZoneSet,
        guards: &Guards,
        message: &[u8],
        client: &Client,
        seed: u64,
        out: &mut Vec<u8>,
    ) -> Option<Sent> {
        let query = decode(message).ok()?;
        let (over, told) = (client.over, guards.receive(client, &query.options, Now::read()).told);
        let question = query.question();
        let mut answer = zone::answer(zones, &question);
        let start = out.len();
        let mut known = true;
        if let Some(name) = outside(zones, &question, &answer) {
            let question = Question { name, ..question };
            match self.look_up(&query, &question).await {
                Some(found) => go_on(&mut answer, found),
                None => known = false,
            }
        }
        let sent = if known {
            respond::respond(&query, &answer, &told, query::limit(&query, over), seed, out)
        } else {
            respond::refuse(&query.refused(Code::Failure), &told, out)
        };
        respond::offer_recursion(out, start);
        Some(sent)
    }

    /// What is known of a name that is not ours; `None` where nobody could say.
    async fn look_up(&self, query: &Query<'_>, question: &Question) -> Option<Answer<'_>> {
        let local = zone::answer(&self.local, question);
        if local.outcome != Outcome::NotOurs {
            return Some(local);
        }
        let ask = Ask {
            name: question.name.clone(),
            record_type: question.record_type,
            dnssec: query.edns.is_some_and(|edns| edns.dnssec),
            unchecked: query.flags & flags::CD != 0,
        };
        let Kept { known, age } = self.resolver.known(&ask).await;
        match known {
            Known::Told(told) => Some(as_answer(&told, age, ask.dnssec)),
            Known::Failed => None,
        }
    }
}

/// Puts what is known of an alias' target behind the alias. Who is authoritative for the alias stays so (RFC 1035 §4.1.1).
fn go_on<'a>(answer: &mut Answer<'a>, found: Answer<'a>) {
    answer.authoritative |= answer.answers.is_empty() && found.authoritative;
    answer.outcome = found.outcome;
    answer.answers.extend(found.answers);
    answer.authority = found.authority;
    answer.additional = found.additional;
}

/// What an upstream said `age` seconds ago.
fn as_answer<'a>(told: &Told, age: u32, dnssec: bool) -> Answer<'a> {
    let outcome = match told.code {
        code if code == Code::NoName as u16 => Outcome::NoName,
        code if code == Code::NameExists as u16 => Outcome::TooLong,
        _ => Outcome::Fine,
    };
    let mut answer = Answer { outcome, ..Answer::default() };
    for (section, set) in &told.sets {
        let ttl = set.ttl().saturating_sub(age);
        let Some(set) = cache::with_ttl(set, ttl) else { continue };
        // A SOA says that something is not there, and proofs are of use only whole.
        let needed = match section {
            Section::Answer => true,
            Section::Authority => dnssec || set.record_type() == RecordType::SOA,
            Section::Additional => false,
        };
        let owner: DomainName = set.name().clone();
        let entry = Entry { owner, set: Cow::Owned(set), weights: &[], needed };
        match section {
            Section::Answer => answer.answers.push(entry),
            Section::Authority => answer.authority.push(entry),
            Section::Additional => answer.additional.push(entry),
        }
    }
    answer
}
