//! `/v1/events`: what happens, told as it does, one JSON object a line, for as long as a connection may last.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use model::{ServiceType, Snapshot};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::extract::Params;
use super::writing;
use crate::doors::App;
use crate::events::Telling;
use crate::problem::Problem;
use crate::server::Lifetime;

/// How many lines may wait for a client; who reads slower is told what differs by then, and of nothing that came and went.
const LINES: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    #[serde(rename = "type")]
    service_type: Option<String>,
}

/// `GET /v1/events?type=`
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    Extension(until): Extension<Lifetime>,
    Params(query): Params<EventsQuery>,
) -> Result<Response, Problem> {
    let of = query.service_type.as_deref().map(ServiceType::parse).transpose();
    let of = of.map_err(|error| Problem::invalid("type", error.to_string(), "write it like _http._tcp"))?;
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        let detail = format!("{} others are told of events already", app.config.events);
        let remedy = "end one of them, or raise admin.events";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail, remedy)
    })?;
    let first = writing::snapshot(&app)?;
    let (sender, lines) = mpsc::channel(LINES);
    let teller = Teller { of, sender, draining: app.doors.draining.clone(), _place: place };
    let snapshots = app.doors.registry.snapshots();
    tokio::spawn(async move {
        // The end of a connection's time is the end of what is told on it, and not a line cut in two.
        let _ = tokio::time::timeout_at(until.0, teller.tell(first, snapshots)).await;
    });
    let mut response = Body::new(Lines { lines }).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Who tells one client.
struct Teller {
    of: Option<ServiceType>,
    sender: mpsc::Sender<Bytes>,
    draining: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Teller {
    /// Tells until the client, the registry or this node takes its leave.
    async fn tell(mut self, first: Arc<Snapshot>, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
        let mut told = Arc::clone(&first);
        if self.send(Telling::present(first, self.of.clone())).await.is_none() {
            return;
        }
        loop {
            let newest = Arc::clone(&snapshots.borrow_and_update());
            let telling = Telling::between(told, Arc::clone(&newest), self.of.clone());
            if self.send(telling).await.is_none() {
                return;
            }
            told = newest;
            let goes_on = tokio::select! {
                changed = snapshots.changed() => changed.is_ok(),
                () = self.sender.closed() => false,
                _ = self.draining.wait_for(|draining| *draining) => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Tells it, step by step; `None`: the client is gone, or this node leaves.
    async fn send(&mut self, telling: Telling) -> Option<()> {
        let mut rest = Some(telling);
        while let Some(telling) = rest {
            // A step may look at all facts there are: others are worked on meanwhile.
            let (events, left) = tokio::task::spawn_blocking(|| telling.step()).await.ok()?;
            rest = left;
            for event in events {
                let mut line = serde_json::to_vec(&event).ok()?;
                line.push(b'\n');
                tokio::select! {
                    sent = self.sender.send(line.into()) => sent.ok()?,
                    _ = self.draining.wait_for(|draining| *draining) => return None,
                }
            }
        }
        Some(())
    }
}

/// A body of lines, as they come.
struct Lines {
    lines: mpsc::Receiver<Bytes>,
}

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.lines.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
