//! `/v1/services/{service}/instances/{instance}/exec`: a command in a container, on a connection that is upgraded for it.

use std::io::Cursor;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use control::runtime::{self, Input};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use model::{Fact, FactKey};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Chain, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::named::Subject;
use super::{events, extract, writing};
use crate::config::EXEC_LIFETIME;
use crate::containers::{self, Found};
use crate::doors::App;
use crate::problem::Problem;
use crate::wire::{EXEC_PROTOCOL, Exec, Frame};

/// How many pieces may wait, for a command or for a client.
const PIECES: usize = 16;

/// `POST /v1/services/{service}/instances/{instance}/exec`
pub(crate) async fn exec(
    State(app): State<Arc<App>>,
    Subject(key): Subject,
    mut request: Request,
) -> Result<Response, Problem> {
    let is_asked = request.headers().get(header::UPGRADE).is_some_and(|to| to == EXEC_PROTOCOL);
    if !is_asked {
        let detail = "a command is run on a connection that is upgraded for it";
        let remedy = "send `Connection: Upgrade` and `Upgrade: portico-exec` (command line: portico exec)";
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade", detail, remedy));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let body = axum::body::to_bytes(request.into_body(), app.config.body_bytes).await;
    let remedy = r#"write it like {"words": ["ls", "/"], "terminal": false, "input": false}"#;
    let body = body.map_err(|error| Problem::invalid("body", error.to_string(), remedy))?;
    let object = extract::parse_object(&body).map_err(|problem| problem.with_remedy(remedy))?;
    let asked: Exec = extract::parse_json(object.into()).map_err(|problem| problem.with_remedy(remedy))?;
    if asked.words.is_empty() {
        return Err(Problem::invalid("words", "there is none", remedy));
    }
    let found = container(&app, &key).await?;
    let place = events::place(&app)?;
    let draining = app.doors.draining.clone();
    tokio::spawn(async move {
        let session = session(upgrade, found, asked, place);
        let leaves = async {
            let mut draining = draining;
            drop(draining.wait_for(|draining| *draining).await);
        };
        tokio::select! {
            _ = tokio::time::timeout(EXEC_LIFETIME, session) => {}
            () = leaves => {}
        }
    });
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, Body::empty()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(EXEC_PROTOCOL));
    Ok(response)
}

/// The container of the instance that a request is about.
async fn container(app: &App, key: &FactKey) -> Result<Found, Problem> {
    let snapshot = writing::snapshot(app)?;
    let stated = snapshot.get(key).ok_or_else(|| writing::not_found(key))?;
    let Fact::Instance(instance) = &*stated.fact else { return Err(writing::not_found(key)) };
    let control = containers::control(app, &snapshot)?;
    containers::find(control, &snapshot, instance).await.map_err(|error| {
        let detail = format!("nothing can be run in {}/{}: {error}", instance.service, instance.name);
        let remedy = "look at it with `portico instance show`, or name another with SERVICE/INSTANCE";
        Problem::new(StatusCode::CONFLICT, "no-container", detail, remedy)
    })
}

/// Runs the command, until it ends or the client is gone.
async fn session(upgrade: OnUpgrade, found: Found, asked: Exec, _place: OwnedSemaphorePermit) {
    let Ok(upgraded) = upgrade.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
        return tracing::error!("a command's connection is none that this listener accepts");
    };
    let (reader, mut writer) = parts.io.into_inner().into_split();
    let reader = Cursor::new(parts.read_buf).chain(reader);
    let (sender, input) = mpsc::channel(PIECES);
    let (output, mut printed) = mpsc::channel(PIECES);
    let command = runtime::Exec { words: asked.words, terminal: asked.terminal, input: asked.input };
    let mut running = found.runtime.exec(&found.id, command, input, output);
    let feeding = feed(reader, sender);
    tokio::pin!(feeding);
    let mut ended = None;
    let ended = loop {
        tokio::select! {
            piece = printed.recv() => match (piece, ended.take()) {
                (Some(line), end) => {
                    ended = end;
                    if send(&mut writer, &frame(&line)).await.is_none() {
                        return;
                    }
                }
                (None, Some(end)) => break end,
                (None, None) => break running.as_mut().await,
            },
            end = &mut running, if ended.is_none() => ended = Some(end),
            // Who asked is gone.
            () = &mut feeding => return,
        }
    };
    let last = match ended {
        Ok(code) => Frame::Exit(code),
        Err(error) => Frame::Failed(error.to_string()),
    };
    // There is nobody else to tell it to.
    let _ = send(&mut writer, &last).await;
    let _ = writer.shutdown().await;
}

fn frame(line: &runtime::LogLine) -> Frame {
    let octets = line.text.to_vec();
    if line.is_error { Frame::Error(octets) } else { Frame::Output(octets) }
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> Option<()> {
    writer.write_all(&frame.encode()).await.ok()?;
    writer.flush().await.ok()
}

/// What was read together with the request's head, and the connection.
type Reader = Chain<Cursor<Bytes>, OwnedReadHalf>;

/// Passes on what a client sends, until it is gone, or sends what it should not.
async fn feed(mut reader: Reader, sender: mpsc::Sender<Input>) {
    let mut sender = Some(sender);
    while let Some(frame) = receive(&mut reader).await {
        let piece = match frame {
            Frame::Input(octets) => Input::Octets(octets.into()),
            Frame::Size { rows, columns } => Input::Size { rows, columns },
            Frame::End => {
                sender = None;
                continue;
            }
            _ => return,
        };
        let Some(sender) = &sender else { continue };
        let (_, connection) = reader.get_ref();
        tokio::select! {
            biased;
            // A command that reads no more goes on without.
            _ = sender.send(piece) => {}
            // While a command does not read, the connection's end is not read either: it stands behind what waits. This tells of it.
            _ = connection.ready(Interest::PRIORITY) => return,
        }
    }
}

async fn receive(reader: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let mut head = [0; 5];
    reader.read_exact(&mut head).await.ok()?;
    let mut rest = vec![0; Frame::rest(head)?];
    reader.read_exact(&mut rest).await.ok()?;
    Frame::decode(head[0], rest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_client_that_goes_is_noticed_while_the_command_does_not_read() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (reader, _writer) = listener.accept().await.unwrap().0.into_split();
        let first = Frame::Input(b"head".to_vec()).encode();
        let (sender, mut unread) = mpsc::channel(1);
        let mut feeding = tokio::spawn(feed(Cursor::new(first.into()).chain(reader), sender));
        for _ in 0..3 {
            send(&mut client, &Frame::Input(b"more".to_vec())).await.unwrap();
        }

        let stays = tokio::time::timeout(Duration::from_millis(100), &mut feeding).await;
        drop(client);
        let ended = tokio::time::timeout(DEADLINE, feeding).await;

        assert!(stays.is_err() && ended.is_ok());
        assert!(matches!(unread.recv().await, Some(Input::Octets(octets)) if octets == b"head"[..]));
        assert!(unread.recv().await.is_none());
    }
}
