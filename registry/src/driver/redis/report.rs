//! This node's report, kept in the store under `portico:node:<id>` with a TTL.

use serde::Serialize;

use model::Report;

use super::connect::Stop;
use super::follow::Session;
use super::number::now_ms;
use super::plain::describe;
use super::settle::refuses;

/// How long a report stays, in seconds: a node that was not heard of for so long is lost.
const TTL: u64 = 15;
/// How many dead endpoints a report names.
const MAX_DEAD: usize = 256;

/// A report as JSON.
#[derive(Serialize)]
struct ReportDoc<'a> {
    node: &'a str,
    at_ms: u64,
    serving: u64,
    in_flight: u64,
    checked: u64,
    dead: Vec<DeadDoc<'a>>,
}

#[derive(Serialize)]
struct DeadDoc<'a> {
    frontend: String,
    url: String,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    back_in_ms: Option<u64>,
}

impl Session<'_> {
    /// Writes the report; a store that takes none is left alone.
    pub(super) async fn write_report(&mut self) -> Result<(), Stop> {
        if self.read_only.is_some() {
            return Ok(());
        }
        let node = &self.shared.config.node;
        let document = document(&node.0, &self.report.borrow());
        let key = self.shared.names.node(node);
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let set = redis::cmd("SET").arg(key).arg(document).arg("EX").arg(TTL).to_owned();
        match set.query_async::<()>(writer).await {
            Ok(()) => Ok(()),
            Err(error) if refuses(&error) => {
                tracing::debug!(error = describe(&error), "the report was not written");
                Ok(())
            }
            Err(error) if self.writer_is_reader() => Err(error.into()),
            Err(_) => {
                self.writer = None;
                Ok(())
            }
        }
    }
}

fn document(node: &str, report: &Report) -> String {
    let dead = report.dead.iter().take(MAX_DEAD).map(|dead| DeadDoc {
        frontend: dead.frontend.to_string(),
        url: dead.address.url(),
        reason: &dead.reason,
        back_in_ms: dead.back_in_ms,
    });
    let document = ReportDoc {
        node,
        at_ms: now_ms(),
        serving: report.serving.number(),
        in_flight: report.in_flight,
        checked: report.checked,
        dead: dead.collect(),
    };
    // A document of strings and numbers always has a JSON form.
    serde_json::to_string(&document).unwrap_or_default()
}
