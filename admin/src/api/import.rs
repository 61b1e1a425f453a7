//! `/v1/import`: facts from a file, from another Redis, from a dump of key/value pairs. All of them or none, unless told otherwise.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use registry::format::facts as file;
use registry::import::{Gathered, ImportError, Layout, Refused, read_dump, read_redis};
use serde::Deserialize;

use super::apply::{Order, Wanted, apply};
use super::extract::{self, Params};
use super::{json, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::server::Peer;
use crate::wire::{self, ImportFrom};

/// How many refused entries an error names.
const NAMED: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportQuery {
    /// Left out: a file of `portico export`, or hipache's lists of a Redis.
    layout: Option<LayoutName>,
    #[serde(default)]
    replace: bool,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    keep_going: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum LayoutName {
    Portico,
    Hipache,
    Traefik,
}

/// `POST /v1/import?layout=&replace=&dry_run=&keep_going=`
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Params(query): Params<ImportQuery>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the file is larger than {} octets", app.config.import_bytes);
            let remedy = "import it in several files, or raise admin.import";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail, remedy)
        }
        _ => extract::bad_body(&rejection),
    })?;
    let Gathered { facts, refused, ignored } = gather(query.layout, body).await?;
    let order = Order {
        who: format!("import by {}", writing::who(&headers, peer)),
        dry_run: query.dry_run,
        in_parts: query.keep_going,
        parts_flag: "--keep-going (API: keep_going=true)",
    };
    if !refused.is_empty() && !query.dry_run && (query.replace || !query.keep_going) {
        return Err(not_whole(&refused, query.replace));
    }
    if query.replace && facts.is_empty() {
        let detail = "there is no fact in it: replacing would remove all that are there";
        let remedy = "look whether it is the right one; `portico frontend rm` removes what shall go";
        return Err(Problem::invalid("replace", detail, remedy));
    }
    let facts = facts.into_iter().map(Arc::new).collect();
    let mut applied = apply(&app, &order, &Wanted::Facts { facts, replace: query.replace }).await?;
    applied.refused = shown(refused);
    applied.ignored = shown(ignored);
    Ok(json(StatusCode::OK, &applied))
}

/// What the body names or holds.
async fn gather(layout: Option<LayoutName>, body: Bytes) -> Result<Gathered, Problem> {
    let source: Result<ImportFrom, _> = serde_json::from_slice(&body);
    if let Ok(ImportFrom { from }) = source {
        let layout = match layout {
            None | Some(LayoutName::Hipache) => Layout::Hipache,
            Some(LayoutName::Traefik) => Layout::Traefik,
            Some(LayoutName::Portico) => {
                let detail = "a Redis of portico's own is laid out as hipache's, with JSON beside the lists";
                return Err(Problem::invalid("layout", detail, "say layout=hipache, or leave it out"));
            }
        };
        return read_redis(&from, layout).await.map_err(unread);
    }
    let read = tokio::task::spawn_blocking(move || match layout {
        None | Some(LayoutName::Portico) => file::read(&body).map_err(extract::bad_format),
        Some(LayoutName::Traefik) => read_dump(&body).map_err(extract::bad_format),
        Some(LayoutName::Hipache) => {
            let remedy = r#"name the Redis that has them: {"from": "redis://HOST:PORT/DB#PREFIX"}"#;
            Err(Problem::invalid("layout", "hipache's lists are read from a Redis, not from a file", remedy))
        }
    });
    read.await.unwrap_or_else(|error| {
        let remedy = "this is a defect of portico; please report it";
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string(), remedy))
    })
}

fn unread(error: ImportError) -> Problem {
    match error {
        ImportError::Url(error) => Problem::invalid("from", error.to_string(), "correct the URL"),
        ImportError::Format(error) => extract::bad_format(error),
        ImportError::Source(_) => {
            let remedy = "see to it that this portico reaches it and may read it, then try again";
            Problem::new(StatusCode::BAD_GATEWAY, "source", error.to_string(), remedy)
        }
    }
}

fn not_whole(refused: &[Refused], replace: bool) -> Problem {
    let (named, rest) = refused.split_at(refused.len().min(NAMED));
    let mut said: Vec<String> = named
        .iter()
        .map(|Refused { place, reason, remedy }| format!("{place}: {reason} ({remedy})"))
        .collect();
    if !rest.is_empty() {
        said.push(format!("{} more", rest.len()));
    }
    let detail = format!("nothing was written: {} cannot be taken in: {}", refused.len(), said.join("; "));
    let remedy = match replace {
        true => "correct them: what is there is only replaced by a whole; --dry-run lists them all",
        false => {
            "correct them, or say --keep-going (API: keep_going=true) to write the others; --dry-run lists them all"
        }
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-whole", detail, remedy)
}

fn shown(refused: Vec<Refused>) -> Vec<wire::Refused> {
    let each = refused.into_iter();
    each.map(|Refused { place, reason, remedy }| wire::Refused { place, reason, remedy }).collect()
}
