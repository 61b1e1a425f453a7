//! Dead endpoints that this node found, marked in the store as hipache marks them.
//!
//! A frontend in portico's JSON has no places to mark: other portico nodes find out by themselves, so nothing is written for it.

use model::{Address, HealthReport, HealthVerdict};
use redis::{RedisError, Value};
use tokio::sync::mpsc;

use super::connect::{Stop, octets};
use super::content::MAX_ENTRIES;
use super::follow::Session;
use super::names::RawKey;
use super::plain::describe;
use super::scripts::MARK;
use super::settle::refuses;
use crate::format::hipache;

/// How many reports are taken at once.
const BATCH: usize = 32;

impl Session<'_> {
    /// Marks the endpoint of `first`, and those of the reports that wait behind it.
    pub(super) async fn mark_dead(
        &mut self,
        first: HealthReport,
        waiting: &mut mpsc::Receiver<HealthReport>,
    ) -> Result<(), Stop> {
        let mut reports = vec![first];
        while reports.len() < BATCH {
            let Ok(report) = waiting.try_recv() else { break };
            if !reports.contains(&report) {
                reports.push(report);
            }
        }
        for report in reports {
            match self.mark(&report).await {
                Ok(places) => {
                    tracing::debug!(host = %report.host, address = %report.address, places, "marked dead")
                }
                Err(error) if refuses(&error) => {
                    tracing::debug!(host = %report.host, error = describe(&error), "no dead mark was written");
                }
                Err(error) if self.writer_is_reader() => return Err(error.into()),
                Err(_) => self.writer = None,
            }
        }
        Ok(())
    }

    /// Answers at how many places of the list the endpoint was found.
    async fn mark(&mut self, report: &HealthReport) -> Result<u64, RedisError> {
        let names = &self.shared.names;
        let Some((list, _)) = self.known.served(&report.frontend) else { return Ok(0) };
        let Some(writer) = self.writer.as_mut().filter(|_| list.starts_with(&names.lists)) else {
            return Ok(0);
        };
        let list = RawKey::clone(list);
        let read = redis::cmd("LRANGE").arg(&*list).arg(1).arg(MAX_ENTRIES).to_owned();
        let entries: Vec<Value> = read.query_async(&mut self.connection).await?;
        let spellings = spellings(entries.into_iter().filter_map(octets), &report.address);
        if spellings.is_empty() {
            return Ok(0);
        }
        let HealthVerdict::Dead { ttl_seconds } = report.verdict;
        let mut call = MARK.prepare_invoke();
        call.key(&*names.dead(&report.host)).key(&*list);
        call.arg(&*report.host).arg(ttl_seconds.max(1)).arg(u8::from(self.marks.has_active_checker()));
        for entry in spellings {
            call.arg(&entry).arg(hipache::href(&entry));
        }
        call.invoke_async(writer).await
    }
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
