//! `/v1/export` and `/v1/backup`: everything, as one file of facts or as a copy of the store.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use registry::{Backup, BackupError};
use tokio::sync::mpsc;

use super::{history, writing};
use crate::doors::App;
use crate::problem::Problem;

/// How much of a copy is read at once, in octets.
const CHUNK: usize = 64 << 10;
/// How many chunks may wait for the client; the reader waits with the rest.
const CHUNKS: usize = 4;

/// `GET /v1/export`
pub(crate) async fn export(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let snapshot = writing::snapshot(&app)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = history::rfc3339(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    let revision = snapshot.revision().number();
    let written = tokio::task::spawn_blocking(move || registry::format::facts::write(&snapshot, &at));
    let text = written.await.map_err(|error| {
        let remedy = "this is a defect of portico; please report it";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string(), remedy)
    })?;
    Ok(file("application/json", revision, text.into()))
}

/// `GET /v1/backup`
pub(crate) async fn backup(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Backup { revision, octets, file: copy } =
        app.doors.registry.backup().await.map_err(|error| refused(&error))?;
    let (sender, chunks) = mpsc::channel(CHUNKS);
    // Ends with the file, or when the client is gone.
    tokio::task::spawn_blocking(move || send(&copy, &sender));
    let mut response =
        file("application/octet-stream", revision.number(), Body::new(Chunks { chunks, left: octets }));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(octets));
    Ok(response)
}

fn file(kind: &'static str, revision: u64, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("portico-revision", HeaderValue::from(revision));
    response
}

fn send(copy: &File, to: &mpsc::Sender<io::Result<Bytes>>) {
    let (mut at, mut buffer) = (0, vec![0; CHUNK]);
    loop {
        let read = match copy.read_at(&mut buffer, at) {
            Ok(0) => return,
            Ok(read) => Ok(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        at += read.as_ref().map_or(0, |read| *read as u64);
        let failed = read.is_err();
        if to.blocking_send(read.map(|read| Bytes::copy_from_slice(&buffer[..read]))).is_err() || failed {
            return;
        }
    }
}

/// A body that another thread reads from a file.
struct Chunks {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let chunk = std::task::ready!(self.chunks.poll_recv(context));
        if let Some(Ok(octets)) = &chunk {
            self.left = self.left.saturating_sub(octets.len() as u64);
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn refused(error: &BackupError) -> Problem {
    let detail = error.to_string();
    match error {
        BackupError::Elsewhere(_) => {
            let remedy = "or write the facts, without their history, to a file with `portico export`";
            Problem::new(StatusCode::CONFLICT, "elsewhere", detail, remedy)
        }
        BackupError::Unavailable(_) => {
            let remedy = "look at `portico status`, then try again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail, remedy)
        }
        BackupError::Full(_) => {
            let remedy = "make room for a second copy in the registry's folder, then try again";
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, "full", detail, remedy)
        }
    }
}
