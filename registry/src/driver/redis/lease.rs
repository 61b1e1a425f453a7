//! Leases: TTLs of the keys that state facts. Redis alone ends them.

use std::sync::Arc;
use std::time::Duration;

use model::{Fact, FactKey, Revision, Stated};
use redis::Value;

use super::connect::{Stop, octets};
use super::follow::Session;
use super::names::RawKey;
use super::scripts::RENEW;
use super::write::{ATTEMPTS, contended, stale};
use crate::PublishError;

enum Renewal {
    /// Whether a lease was there.
    Done(bool),
    /// These keys say something else by now.
    Stale(Vec<RawKey>),
}

/// How long a fact holds by itself.
pub(super) fn lease(fact: &Fact) -> Option<Duration> {
    fact.lease().map(|lease| Duration::from_secs(lease.seconds().into()))
}

/// A lease as Redis takes it.
pub(super) fn milliseconds(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)
}

impl Session<'_> {
    /// Has a lease hold for its whole time from now on; false: there is none, or its fact is not at the `expected` revision. Outer error:
    /// the store is lost. Inner error: it answered, and not with yes.
    ///
    /// The key is told to have changed and is read again, by every node: so each knows when it ends now.
    pub(super) async fn renew(
        &mut self,
        key: &FactKey,
        expected: Option<Revision>,
    ) -> Result<Result<bool, PublishError>, Stop> {
        // What we know may be behind; the store decides.
        let mut looked = expected.is_none();
        for _ in 0..ATTEMPTS {
            let served = self.known.served(&self.shared.names, key);
            let is_expected = |stated: &Stated| expected.is_none_or(|expected| expected == stated.revision);
            let Some((raw, stated)) = served.filter(|(_, stated)| is_expected(stated)) else {
                if std::mem::replace(&mut looked, true) {
                    return Ok(Ok(false));
                }
                self.look_again(self.keys_of(key)).await?;
                continue;
            };
            let Some(lease) = lease(&stated.fact) else { return Ok(Ok(false)) };
            // Of a lease that holds whoever wrote it, nothing has to stand.
            let keys = expected.map(|_| self.keys_of(key)).unwrap_or_default();
            match self.renew_once(&raw, lease, &keys).await? {
                Ok(Renewal::Done(renewed)) => return Ok(Ok(renewed)),
                Ok(Renewal::Stale(keys)) => {
                    self.look_again(keys).await?;
                    looked = true;
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Err(contended()))
    }

    /// `keys`: what has to stand as it is known.
    async fn renew_once(
        &mut self,
        raw: &RawKey,
        lease: Duration,
        keys: &[RawKey],
    ) -> Result<Result<Renewal, PublishError>, Stop> {
        let names = &self.shared.names;
        let mut call = RENEW.prepare_invoke();
        call.key(&names.revisions).key(&**raw).arg(&names.lists).arg(milliseconds(lease));
        for key in keys {
            self.pass_known(&mut call, key, true);
        }
        let Some(writer) = &mut self.writer else {
            let why = "the server to write to cannot be reached".to_owned();
            return Ok(Err(PublishError::Unavailable(why)));
        };
        let reply = match call.invoke_async::<Vec<Value>>(writer).await {
            Ok(reply) => reply,
            Err(error) => return self.failed(error).await.map(Err),
        };
        let mut reply = reply.into_iter();
        if reply.next().and_then(octets).is_some_and(|verdict| verdict == b"stale") {
            return Ok(Ok(Renewal::Stale(stale(reply, keys))));
        }
        self.touched(Arc::clone(raw));
        Ok(Ok(Renewal::Done(reply.next() == Some(Value::Int(1)))))
    }
}
