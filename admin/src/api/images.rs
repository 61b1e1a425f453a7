//! `/v1/hosts/{host}/images/push`: the engine of a host sends an image to its registry; one JSON object a line, as it goes on.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Response;
use control::runtime::{Progress, Runtime};
use model::FactKey;
use model::launch::Image;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::named::Subject;
use super::{events, extract, writing};
use crate::config::PUSH_LIFETIME;
use crate::containers;
use crate::doors::App;
use crate::problem::Problem;
use crate::server::Lifetime;
use crate::wire::{PushImage, Pushing};

/// How many lines may wait for a client. Who reads slower is told less often.
const LINES: usize = 4;

/// `POST /v1/hosts/{host}/images/push`
pub(crate) async fn push(
    State(app): State<Arc<App>>,
    Extension(until): Extension<Lifetime>,
    Subject(key): Subject,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let image = image(&body.map_err(|rejection| extract::bad_body(&rejection))?)?;
    let snapshot = writing::snapshot(&app)?;
    let FactKey::Host(host) = &key else { return Err(writing::not_found(&key)) };
    snapshot.get(&key).ok_or_else(|| writing::not_found(&key))?;
    let control = containers::control(&app, &snapshot)?;
    let runtime = control.runtime(&snapshot, host).map_err(|error| {
        let remedy = "look at it with `portico host show`, or name another host";
        Problem::new(StatusCode::CONFLICT, "no-engine", error.to_string(), remedy)
    })?;
    let place = events::place(&app)?;
    let (progress, told) = watch::channel(Progress::default());
    // It goes on without a client: who asks again, because a connection was old enough, finds it further.
    let pushing = tokio::spawn(async move {
        let _place = place;
        sent(&*runtime, &image, &progress).await
    });
    let (sender, lines) = mpsc::channel(LINES);
    let mut draining = app.doors.draining.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::time::timeout_at(until.0, tell(pushing, told, sender)) => {}
            _ = draining.wait_for(|draining| *draining) => {}
        }
    });
    Ok(events::ndjson(lines))
}

fn image(body: &[u8]) -> Result<Image, Problem> {
    let remedy = r#"write it like {"image": "registry.example.com/shop/web:1"}"#;
    let object = extract::parse_object(body).map_err(|problem| problem.with_remedy(remedy))?;
    let asked: PushImage =
        extract::parse_json(object.into()).map_err(|problem| problem.with_remedy(remedy))?;
    Image::parse(&asked.image).map_err(|error| Problem::invalid("image", error.to_string(), remedy))
}

/// Sends it, and answers the last line that is told of it.
async fn sent(runtime: &dyn Runtime, image: &Image, progress: &watch::Sender<Progress>) -> Pushing {
    let push = async {
        runtime.push(image, progress).await?;
        runtime.image(image).await
    };
    match tokio::time::timeout(PUSH_LIFETIME, push).await {
        Ok(Ok(digest)) => Pushing::Pushed { pushed: image.to_string(), digest: digest.unwrap_or_default() },
        Ok(Err(error)) => Pushing::Failed { failed: error.to_string() },
        Err(_) => {
            let hours = PUSH_LIFETIME.as_secs() / 3600;
            Pushing::Failed { failed: format!("{image} was not sent within {hours} hours; ask again") }
        }
    }
}

/// Tells how far it is, to its end or the client's.
async fn tell(
    mut pushing: JoinHandle<Pushing>,
    mut told: watch::Receiver<Progress>,
    sender: mpsc::Sender<Bytes>,
) {
    let mut goes_on = true;
    let last = loop {
        tokio::select! {
            last = &mut pushing => break last,
            changed = told.changed(), if goes_on => {
                goes_on = changed.is_ok();
                let Progress { done, of } = *told.borrow_and_update();
                if let Some(line) = line(&Pushing::Progress { done, of }) {
                    // What a slow client does not hear, the next line says too.
                    let _ = sender.try_send(line);
                }
            }
            () = sender.closed() => return,
        }
    };
    let last = last.unwrap_or_else(|_| Pushing::Failed {
        failed: "it ended by a defect of portico; please report it".to_owned(),
    });
    if let Some(line) = line(&last) {
        let _ = sender.send(line).await;
    }
}

fn line(told: &Pushing) -> Option<Bytes> {
    let mut line = serde_json::to_vec(told).ok()?;
    line.push(b'\n');
    Some(line.into())
}
