//! One request over one connection: engines keep none open for long, and a stream of events or a terminal takes its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bollard::BollardRequest;
use bollard::errors::Error;
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::{PathAndQuery, Uri};
use hyper_util::rt::TokioIo;

use super::dial::Dial;

/// Where `docker pull` and `docker push` have credentials.
const CREDENTIALS: &str = "x-registry-auth";

/// The minor version of the API that is spoken with an engine; 0: nobody asked yet.
pub(super) type Version = Arc<AtomicUsize>;

/// Sends a request, and answers once the head of the response is there.
pub(super) async fn send(
    dial: Dial,
    version: Version,
    timeout: Duration,
    mut request: BollardRequest,
) -> Result<Response<Incoming>, Error> {
    let connect = async {
        let way = TokioIo::new(dial.dial().await?);
        Ok::<_, Error>(http1::handshake(way).await?)
    };
    let (mut sender, connection) =
        tokio::time::timeout(timeout, connect).await.map_err(|_| Error::RequestTimeoutError)??;
    // It ends with the response's last octet, or with whoever reads it.
    let connection = tokio::spawn(async move {
        let ended = connection.with_upgrades().await;
        if let Err(error) = &ended {
            tracing::debug!(%error, "a connection to a container engine ended");
        }
        ended
    });
    address(&mut request, version.load(Ordering::Relaxed))?;
    match sender.send_request(request).await {
        // It ended before the request was taken: why is the connection's to say.
        Err(error) if error.is_canceled() => match connection.await {
            Ok(Err(why)) => Err(why.into()),
            _ => Err(error.into()),
        },
        answered => Ok(answered?),
    }
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
