//! What this node found out of endpoints, said in the store as hipache and its checkers say it.
//!
//! A frontend in portico's JSON has no places to mark: other portico nodes find out by themselves, so nothing is written for it.

use model::{Address, FactKey, HealthReport, HealthVerdict};
use redis::{RedisError, Value};
use tokio::sync::mpsc;

use super::connect::{Stop, octets};
use super::content::MAX_ENTRIES;
use super::follow::Session;
use super::names::RawKey;
use super::plain::describe;
use super::scripts::{ALIVE, MARK};
use super::settle::refuses;
use crate::format::hipache;

/// How many reports are taken at once.
const BATCH: usize = 32;

/// How an endpoint is marked; `mark.lua` says what each means.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Passive,
    Failed,
    Again,
    Announced,
}

impl How {
    fn name(self) -> &'static str {
        match self {
            Self::Passive => "passive",
            Self::Failed => "failed",
            Self::Again => "again",
            Self::Announced => "announced",
        }
    }
}

impl Session<'_> {
    /// Says what `first` says, and the reports that wait behind it.
    pub(super) async fn report_health(
        &mut self,
        first: HealthReport,
        waiting: &mut mpsc::Receiver<HealthReport>,
    ) -> Result<(), Stop> {
        let mut reports = vec![first];
        while reports.len() < BATCH {
            let Ok(report) = waiting.try_recv() else { break };
            // What is said twice in a row is said once; what came in between counts.
            if reports.last() != Some(&report) {
                reports.push(report);
            }
        }
        for report in reports {
            let HealthReport { host, frontend, address, verdict } = &report;
            let said = match *verdict {
                HealthVerdict::Dead { ttl_seconds } => {
                    self.mark(host, frontend, address, How::Passive, ttl_seconds).await
                }
                HealthVerdict::CheckFailed { ttl_seconds, again } => {
                    let how = if again { How::Again } else { How::Failed };
                    self.mark(host, frontend, address, how, ttl_seconds).await
                }
                HealthVerdict::CheckPassed => self.unmark(host, frontend, address).await,
            };
            self.said(said, host)?;
        }
        Ok(())
    }

    /// Goes on after what was said of `host`, unless the store is lost.
    pub(super) fn said(&mut self, said: Result<u64, RedisError>, host: &str) -> Result<(), Stop> {
        match said {
            Ok(places) => tracing::debug!(host, places, "dead marks"),
            Err(error) if refuses(&error) => {
                tracing::debug!(host, error = describe(&error), "no dead mark was written");
            }
            Err(error) if self.writer_is_reader() => return Err(error.into()),
            Err(_) => self.writer = None,
        }
        Ok(())
    }

    /// Marks an endpoint of `frontend` under `host`; answers at how many places of the list it was found.
    pub(super) async fn mark(
        &mut self,
        host: &str,
        frontend: &FactKey,
        address: &Address,
        how: How,
        ttl_seconds: u32,
    ) -> Result<u64, RedisError> {
        let Some(Entries { list, spellings, junk }) = self.entries_of(frontend, address).await? else {
            return Ok(0);
        };
        let Some(writer) = &mut self.writer else { return Ok(0) };
        let mut call = MARK.prepare_invoke();
        call.key(&*self.shared.names.dead(host)).key(&*list);
        call.arg(host).arg(ttl_seconds.max(1)).arg(u8::from(self.checkers.foreign)).arg(how.name());
        for entry in spellings {
            call.arg(&entry).arg(hipache::href(&entry));
        }
        for entry in junk {
            call.arg(entry).arg("");
        }
        call.invoke_async(writer).await
    }

    /// Takes all marks of an endpoint of `frontend` under `host` back; answers how many there were.
    async fn unmark(&mut self, host: &str, frontend: &FactKey, address: &Address) -> Result<u64, RedisError> {
        let Some(Entries { list, spellings, .. }) = self.entries_of(frontend, address).await? else {
            return Ok(0);
        };
        let Some(writer) = &mut self.writer else { return Ok(0) };
        let mut call = ALIVE.prepare_invoke();
        call.key(&*self.shared.names.dead(host)).key(&*list);
        for entry in spellings {
            call.arg(entry);
        }
        call.invoke_async(writer).await
    }

    /// The list that states `frontend`, and its entries as they regard `address`; `None`: there is no such list, or none means it.
    async fn entries_of(
        &mut self,
        frontend: &FactKey,
        address: &Address,
    ) -> Result<Option<Entries>, RedisError> {
        let served = self.known.served(&self.shared.names, frontend).map(|(list, _)| list);
        let list = served.filter(|list| list.starts_with(&self.shared.names.lists));
        let Some(list) = list.filter(|_| self.writer.is_some()) else { return Ok(None) };
        let read = redis::cmd("LRANGE").arg(&*list).arg(1).arg(MAX_ENTRIES).to_owned();
        let entries: Vec<Value> = read.query_async(&mut self.connection).await?;
        let entries: Vec<Vec<u8>> = entries.into_iter().filter_map(octets).collect();
        let mut junk: Vec<Vec<u8>> =
            entries.iter().filter(|entry| hipache::read_entry(entry).is_err()).cloned().collect();
        junk.sort();
        junk.dedup();
        let spellings = spellings(entries.into_iter(), address);
        Ok((!spellings.is_empty()).then_some(Entries { list, spellings, junk }))
    }
}

/// The entries of a list, as they regard one address.
struct Entries {
    list: RawKey,
    /// Those that mean it, each spelling once.
    spellings: Vec<String>,
    /// Those that mean no endpoint.
    junk: Vec<Vec<u8>>,
}

/// The entries that mean `address`, each spelling once.
fn spellings(entries: impl Iterator<Item = Vec<u8>>, address: &Address) -> Vec<String> {
    let meant = entries.filter(|entry| hipache::read_entry(entry).as_ref() == Ok(address));
    let mut spellings: Vec<String> = meant.filter_map(|entry| String::from_utf8(entry).ok()).collect();
    spellings.sort();
    spellings.dedup();
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_under_each_of_its_spellings() {
        let entries = ["http://a:80", "http://b", "http://A", "http://a:80", "http://a/x"];
        let address = Address::parse_url("http://a").expect("address");
        let entries = entries.into_iter().map(|entry| entry.as_bytes().to_vec());
        assert_eq!(spellings(entries, &address), ["http://A", "http://a/x", "http://a:80"]);
    }
}
