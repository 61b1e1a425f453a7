//! `/v1/events`: what happens, told as it does, one JSON object a line, for as long as a connection may last.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use model::{ChangeRecord, Revision, ServiceType, Snapshot};
use registry::{HistoryQuery, Registry};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::extract::Params;
use super::writing;
use crate::doors::App;
use crate::events::{Past, Telling};
use crate::problem::Problem;
use crate::server::Lifetime;
use crate::weight::weight;

/// How many lines may wait for a client. Who reads slower is told more at once later.
const LINES: usize = 16;
/// How many changes are read of the history at once, and how many in all; who is further behind is told what differs, and of nothing that
/// came and went.
const PAGE: usize = 256;
const RECORDS: usize = 4096;

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
    let place = place(&app)?;
    let first = writing::snapshot(&app)?;
    let (sender, lines) = mpsc::channel(LINES);
    let teller = Teller {
        of,
        sender,
        registry: app.doors.registry.clone(),
        endpoints: app.config.page_endpoints,
        draining: app.doors.draining.clone(),
        _place: place,
    };
    let snapshots = app.doors.registry.snapshots();
    tokio::spawn(async move {
        // The end of a connection's time is the end of what is told on it, and not a line cut in two.
        let _ = tokio::time::timeout_at(until.0, teller.tell(first, snapshots)).await;
    });
    Ok(ndjson(lines))
}

/// A place among those who are told of something as it comes.
///
/// # Errors
/// All are taken.
pub(super) fn place(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        let most = app.config.events;
        let detail = format!("{most} others follow events or logs, run commands or send images already");
        let remedy = "end one of them, or raise admin.events";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail, remedy)
    })
}

/// An answer of lines, as they come.
pub(super) fn ndjson(lines: mpsc::Receiver<Bytes>) -> Response {
    let mut response = Body::new(Lines { lines }).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Who tells one client.
struct Teller {
    of: Option<ServiceType>,
    sender: mpsc::Sender<Bytes>,
    registry: Registry,
    /// What the records that are held may weigh, in endpoints.
    endpoints: usize,
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
            let past = self.past(&told, &newest).await;
            let telling = Telling::between(told, Arc::clone(&newest), self.of.clone(), past);
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

    /// What the history tells of the way from one snapshot to the other: snapshots alone hide what came and went between them.
    async fn past(&self, told: &Snapshot, newest: &Snapshot) -> Past {
        let hides_nothing = newest.revision() <= told.revision().next();
        let is_local = self.registry.state().borrow().read_only;
        let records = match self.of.is_some() || hides_nothing || is_local {
            true => Vec::new(),
            false => self.records(told.revision(), newest.revision()).await.unwrap_or_default(),
        };
        Past::new(now_ms(), records, newest)
    }

    /// The changes behind `from` up to `to`, newest first; `None`: they cannot be read, or are too many.
    async fn records(&self, from: Revision, to: Revision) -> Option<Vec<ChangeRecord>> {
        let (mut records, mut before, mut weighs) = (Vec::new(), to.next(), 0);
        loop {
            let query = HistoryQuery { limit: PAGE, before: Some(before), key: None };
            let page = self.registry.history(query).await.ok()?;
            let (is_full, last) = (page.len() == PAGE, page.last().map(|record| record.revision));
            let of_it = page.into_iter().take_while(|record| record.revision > from);
            let had = records.len();
            records.extend(of_it);
            weighs +=
                records[had..].iter().filter_map(|record| record.after.as_deref()).map(weight).sum::<usize>();
            match last {
                Some(last) if is_full && last > from => before = last,
                _ => return Some(records),
            }
            if records.len() > RECORDS || weighs > self.endpoints {
                return None;
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

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
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
