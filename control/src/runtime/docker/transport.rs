//! One request over one connection: engines keep none open for long, and a stream of events or a terminal takes its own. Over `ssh` the
//! next request goes over one that is free: a login is dear.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::BollardRequest;
use bollard::errors::Error;

use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::{PathAndQuery, Uri};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use super::dial::Dial;

/// Where `docker pull` and `docker push` have credentials.
const CREDENTIALS: &str = "x-registry-auth";
/// How many connections are kept that nobody uses: as many as a listing takes.
const MOST_FREE: usize = super::AT_ONCE;

/// The minor version of the API that is spoken with an engine; 0: nobody asked yet.
pub(super) type Version = Arc<AtomicUsize>;

/// What requests go through.
#[derive(Clone)]
pub(super) struct Transport {
    dial: Dial,
    version: Version,
    /// How long it may take until an engine is reached.
    timeout: Duration,
    /// Connections that are free, or will be; those that ended are let go of with the next request.
    kept: Arc<Mutex<Vec<Sender>>>,
}

/// What a request carries: the client does not say what that is.
trait Carries {
    type Body;
}
impl<B> Carries for Request<B> {
    type Body = B;
}
type Sender = SendRequest<<BollardRequest as Carries>::Body>;

/// How a connection ended.
type Ended = JoinHandle<hyper::Result<()>>;

impl Transport {
    pub(super) fn new(dial: Dial, version: Version, timeout: Duration) -> Self {
        Self { dial, version, timeout, kept: Arc::default() }
    }

    /// Sends a request, and answers once the head of the response is there.
    pub(super) async fn send(self, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
        address(&mut request, self.version.load(Ordering::Relaxed))?;
        while let Some(mut sender) = self.free() {
            let again = again(&request);
            match sender.try_send_request(request).await {
                Ok(answered) => return Ok(self.keep(sender, answered)),
                // It ended meanwhile: before the request was taken, or with one that changes nothing.
                Err(mut error) => match error.take_message().or(again) {
                    Some(untold) => request = untold,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let (mut sender, connection) = self.connect().await?;
        match sender.send_request(request).await {
            // It ended before the request was taken: why is the connection's to say.
            Err(error) if error.is_canceled() => match connection.await {
                Ok(Err(why)) => Err(why.into()),
                _ => Err(error.into()),
            },
            answered => Ok(self.keep(sender, answered?)),
        }
    }

    async fn connect(&self) -> Result<(Sender, Ended), Error> {
        let connect = async {
            let way = TokioIo::new(self.dial.dial().await?);
            Ok::<_, Error>(http1::handshake(way).await?)
        };
        let (sender, connection) =
            tokio::time::timeout(self.timeout, connect).await.map_err(|_| Error::RequestTimeoutError)??;
        // It ends with the last who holds it, or with whoever leaves an answer before its end.
        let connection = tokio::spawn(async move {
            let ended = connection.with_upgrades().await;
            if let Err(error) = &ended {
                tracing::debug!(%error, "a connection to a container engine ended");
            }
            ended
        });
        Ok((sender, connection))
    }

    /// A connection over which nothing is under way.
    fn free(&self) -> Option<Sender> {
        let mut kept = self.kept();
        tidy(&mut kept);
        let free = kept.iter().position(Sender::is_ready)?;
        Some(kept.swap_remove(free))
    }

    /// Lets go of all connections: an engine that gives no answer may be reached by others.
    pub(super) fn forget(&self) {
        self.kept().clear();
    }

    /// Keeps a connection for the time after this answer, where that is worth it.
    fn keep(&self, sender: Sender, answered: Response<Incoming>) -> Response<Incoming> {
        if let Dial::Ssh(_) = self.dial {
            let mut kept = self.kept();
            tidy(&mut kept);
            kept.push(sender);
        }
        answered
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Sender>> {
        // What is kept is whole, whatever panicked.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go of connections that ended, and of free ones beyond those that are kept.
fn tidy(kept: &mut Vec<Sender>) {
    let mut free = 0;
    kept.retain(|sender| {
        free += usize::from(sender.is_ready());
        !sender.is_closed() && (!sender.is_ready() || free <= MOST_FREE)
    });
}

/// A request once more, where it changes nothing.
fn again(request: &BollardRequest) -> Option<BollardRequest> {
    if request.method() != Method::GET {
        return None;
    }
    let mut again = Request::new(bollard::body_full(Bytes::new()));
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

/// Writes what an engine reads and the client leaves out: the API's version, a host, credentials in the alphabet for URLs.
fn address(request: &mut BollardRequest, version: usize) -> Result<(), Error> {
    let asked = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let path = if version == 0 { asked.to_owned() } else { format!("/v1.{version}{asked}") };
    *request.uri_mut() = path.parse::<Uri>()?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("docker"));
    if let Some(credentials) = headers.get(CREDENTIALS) {
        let url_safe = credentials.as_bytes().iter().map(|octet| match octet {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        });
        let url_safe = HeaderValue::from_bytes(&url_safe.collect::<Vec<_>>()).map_err(io::Error::other)?;
        headers.insert(CREDENTIALS, url_safe);
    }
    Ok(())
}
