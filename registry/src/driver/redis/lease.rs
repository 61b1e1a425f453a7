//! Leases: TTLs of the keys that state facts. Redis alone ends them.

use std::sync::Arc;
use std::time::Duration;

use model::{Fact, FactKey};
use redis::RedisError;

use super::connect::{Refusal, Stop};
use super::follow::Session;
use super::settle::refuses;
use crate::PublishError;

/// How long a fact holds by itself.
pub(super) fn lease(fact: &Fact) -> Option<Duration> {
    fact.lease().map(|lease| Duration::from_secs(lease.seconds().into()))
}

/// A lease as Redis takes it.
pub(super) fn milliseconds(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)
}

impl Session<'_> {
    /// Has a lease hold for its whole time from now on; false: there is none. Outer error: the store is lost. Inner error: it answered,
    /// and not with yes.
    ///
    /// The key is told to have changed and is read again, by every node: so each knows when it ends now.
    pub(super) async fn renew(&mut self, key: &FactKey) -> Result<Result<bool, PublishError>, Stop> {
        let Some((raw, stated)) = self.known.served(&self.shared.names, key) else { return Ok(Ok(false)) };
        let Some(lease) = lease(&stated.fact) else { return Ok(Ok(false)) };
        let Some(writer) = &mut self.writer else {
            let why = "the server to write to cannot be reached".to_owned();
            return Ok(Err(PublishError::Unavailable(why)));
        };
        let mut command = redis::cmd("PEXPIRE");
        command.arg(&*raw).arg(milliseconds(lease));
        let renewed: Result<u8, RedisError> = command.query_async(writer).await;
        match renewed {
            Ok(renewed) => {
                self.touched(Arc::clone(&raw));
                Ok(Ok(renewed == 1))
            }
            Err(error) if self.is_demoted(&error) => Err(error.into()),
            Err(error) if refuses(&error) => Ok(Err(self.refusal(&error).await.into())),
            Err(error) if self.writer_is_reader() => Err(error.into()),
            Err(error) => {
                self.writer = None;
                Ok(Err(Refusal::of(&error).into()))
            }
        }
    }
}
