//! Waiting until a revision is served: by which nodes, at which doors, for how long.
//!
//! In: the nodes as the registry tells of them. Out: [`Reached`]. A wait has a place among [`crate::Config::waits`] and none among the
//! requests that are worked on, and it ends before its request does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use model::{Door, Node, Nodes, Revision};
use tokio::sync::OwnedSemaphorePermit;

use crate::doors::App;
use crate::problem::Problem;
use crate::wire::{Laggard, LeavingStatus, LostNode, NodeStatus, Others, Reached};

/// How long a wait takes that does not say so.
pub(crate) const USUAL: Duration = Duration::from_secs(5);
/// How long before its request has to end a wait ends.
const RESERVE: Duration = Duration::from_millis(250);

/// When a request has to be answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until(pub(crate) Instant);

/// A place among the requests that are worked on; free again when it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Place(#[expect(dead_code, reason = "held")] pub(crate) Arc<OwnedSemaphorePermit>);

/// A place to wait at.
///
/// # Errors
/// All are taken.
pub(crate) fn place(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&app.waits).try_acquire_owned().map_err(|_| {
        let detail = format!("{} others wait for a revision already; nothing was written", app.config.waits);
        let remedy = "ask again without a wait, or raise admin.waits";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail, remedy)
    })
}

/// Waits until every node that lives serves `revision` at `doors`, for `asked` or for as long as the request may take.
pub(crate) async fn reach(
    app: &App,
    revision: Revision,
    doors: &[Door],
    asked: Duration,
    until: Until,
) -> Reached {
    let begin = Instant::now();
    let most = until.0.saturating_duration_since(begin).saturating_sub(RESERVE);
    let timeout = asked.min(most);
    let mut nodes = app.doors.registry.nodes();
    let everywhere = async {
        // An error means that the registry is closed: nothing more is heard, and whoever asked learns that by how short it took.
        drop(nodes.wait_for(|nodes| nodes.reach(revision, doors).is_everywhere()).await);
    };
    // What was not reached in time is told below.
    let _ = tokio::time::timeout(timeout, everywhere).await;
    let nodes = Arc::clone(&nodes.borrow());
    let mut reached = told(&nodes, revision, doors, Instant::now());
    (reached.waited_ms, reached.timeout_ms) = (millis(begin.elapsed()), millis(timeout));
    reached
}

fn told(nodes: &Nodes, revision: Revision, doors: &[Door], now: Instant) -> Reached {
    let reach = nodes.reach(revision, doors);
    let laggards = reach.laggards.iter().map(|laggard| Laggard {
        node: laggard.node.to_string(),
        door: laggard.door.name().to_owned(),
        serving: laggard.serving.number(),
    });
    let lost = reach.lost.iter().map(|name| {
        let heard = nodes.by_name.get(name).map(|node| now.saturating_duration_since(node.heard));
        LostNode { node: name.to_string(), heard_ms: millis(heard.unwrap_or_default()) }
    });
    Reached {
        revision: revision.number(),
        served: reach.is_everywhere(),
        doors: reach.serving,
        waited_ms: 0,
        timeout_ms: 0,
        laggards: laggards.collect(),
        lost: lost.collect(),
        others: others(reach.others),
    }
}

/// In the words of the wire.
pub(crate) fn others(others: model::Others) -> Others {
    match others {
        model::Others::None => Others::None,
        model::Others::Heard => Others::Heard,
        model::Others::Away => Others::Away,
        model::Others::Unknown => Others::Unknown,
    }
}

/// All nodes, as they are told at `now`.
pub(crate) fn list(nodes: &Nodes, now: Instant) -> Vec<NodeStatus> {
    let status = |(name, node): (&model::NodeId, &Node)| {
        let is_own = *name == nodes.own;
        let heard = if is_own { Duration::ZERO } else { now.saturating_duration_since(node.heard) };
        NodeStatus {
            node: name.to_string(),
            this: is_own,
            proxy: node.report.serving(Door::Proxy).map(Revision::number),
            dns: node.report.serving(Door::Dns).map(Revision::number),
            addresses: node.report.addresses.iter().map(ToString::to_string).collect(),
            heard_ms: millis(heard),
            lost: node.lost,
            draining: node.report.draining,
            oldest: node.report.proxy.as_ref().map(|proxy| proxy.oldest.number()),
            leaving: node.report.proxy.iter().flat_map(|proxy| &proxy.leaving).map(leaving).collect(),
        }
    };
    nodes.by_name.iter().map(status).collect()
}

fn leaving(endpoint: &model::LeavingEndpoint) -> LeavingStatus {
    LeavingStatus {
        endpoint: endpoint.address.url(),
        in_flight: endpoint.in_flight,
        tunnels: endpoint.tunnels,
    }
}

/// A time as configuration files write it: `500ms`, `5s`, `1m`; nothing is the usual one.
///
/// # Errors
/// It is no time.
pub(crate) fn parse_time(field: &str, text: &str) -> Result<Duration, Problem> {
    if text.is_empty() {
        return Ok(USUAL);
    }
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let ms = factor.and_then(|factor: u64| digits.parse::<u64>().ok()?.checked_mul(factor));
    ms.map(Duration::from_millis).ok_or_else(|| {
        Problem::invalid(field, format!("`{text}` is no time"), "write a time such as 500ms, 5s or 1m")
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_configuration_files() {
        for (text, ms) in [("", 5000), ("500ms", 500), ("5s", 5000), ("0s", 0), ("2m", 120_000)] {
            assert_eq!(parse_time("wait", text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["5", "s", "-1s", "1.5s", "5 s", "1h", "99999999999999999999s", "9999999999999999999m"] {
            assert!(parse_time("wait", text).is_err(), "{text}");
        }
    }
}
