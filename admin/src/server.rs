//! The listener: bound before privileges are dropped, served until the shutdown, with a limit on everything a client can hold.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::api;
use crate::config::Config;
use crate::doors::Doors;
use crate::guard::{Guard, Token, TokenError};
use crate::problem::Problem;
use crate::waiting::{Place, Until};

/// How long the listener rests when the system has no socket for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the admin listener cannot be bound; each names the address and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Everybody could change the routes.
    #[error(
        "the admin listener {0} can be reached from other machines and has no token: set one (PORTICO_TOKEN), \
         or listen on 127.0.0.1, or switch it off (--admin off)"
    )]
    NoToken(SocketAddr),
    /// The token is no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Another process holds the port.
    #[error(
        "the admin address {0} is taken by another process: stop it, or choose another (--admin ADDRESS)"
    )]
    Taken(SocketAddr),
    /// Anything else the system said.
    #[error("cannot listen on the admin address {address}: {error}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

/// An admin listener that is bound and does not serve yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<Token>,
    config: Config,
}

/// Binds the admin listener; `None` when it is switched off.
///
/// # Errors
/// [`BindError`]: no token off loopback, an unusable token, the port is taken, or what else the system says.
pub fn bind(config: &Config) -> Result<Option<Bound>, BindError> {
    let Some(listen) = config.listen else { return Ok(None) };
    let token = config.token.as_deref().map(Token::parse).transpose()?;
    if token.is_none() && !listen.ip().is_loopback() {
        return Err(BindError::NoToken(listen));
    }
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken(listen),
        _ => BindError::Io { address: listen, error },
    };
    let listener = TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Some(Bound { listener, address, token, config: config.clone() }))
}

impl Bound {
    /// Where it listens; the real port where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// When the connection of a request takes no more of them, and what is told on it has to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetime(pub(crate) tokio::time::Instant);

/// What every request passes before it is worked on.
struct Gate {
    guard: Guard,
    working: Arc<Semaphore>,
    timeout: Duration,
    /// The same for what reads or writes all that there is.
    operating: Arc<Semaphore>,
    operation_timeout: Duration,
}

/// Serves the API until `shutdown`, then gives open connections [`Config::drain`] to end.
///
/// # Errors
/// When the socket cannot be handed to the runtime.
pub async fn serve(bound: Bound, doors: Doors, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let Bound { listener, address, token, config } = bound;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let connections = Arc::new(Semaphore::new(config.connections));
    let (ending, ended) = watch::channel(false);
    let gate = Gate {
        guard: Guard::new(address, token),
        working: Arc::new(Semaphore::new(config.requests)),
        timeout: config.request_timeout,
        operating: Arc::new(Semaphore::new(config.operations)),
        operation_timeout: config.operation_timeout,
    };
    let app = api::router(doors, &config).layer(axum::middleware::from_fn_with_state(Arc::new(gate), pass));
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let (app, config, ended) = (app.clone(), config.clone(), ended.clone());
        tokio::spawn(async move {
            connection(stream, peer, app, &config, ended).await;
            drop(permit);
        });
    }
    drop(listener);
    ending.send_replace(true);
    let all = u32::try_from(config.connections).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(config.drain, connections.acquire_many(all)).await;
    Ok(())
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection, when there is room for one.
async fn accept(listener: &tokio::net::TcpListener, room: &Arc<Semaphore>) -> Option<Accepted> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept an admin connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// One connection, to its end: by the client, by a limit, or by the shutdown.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    config: &Config,
    mut ended: watch::Receiver<bool>,
) {
    let lifetime = Lifetime(tokio::time::Instant::now() + config.connection_lifetime);
    let app = app.layer(axum::Extension(Peer(peer))).layer(axum::Extension(lifetime));
    let service = TowerToHyperService::new(app);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout)
        .max_headers(config.headers)
        .max_buf_size(config.head_bytes.max(8192))
        .serve_connection(TokioIo::new(stream), service)
        // What goes on behind an upgrade has a place and a time of its own.
        .with_upgrades();
    let mut serving = pin!(serving);
    tokio::select! {
        result = serving.as_mut() => return log_end(peer, result),
        () = tokio::time::sleep_until(lifetime.0) => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
    serving.as_mut().graceful_shutdown();
    match tokio::time::timeout(config.request_timeout.max(config.drain), serving).await {
        Ok(result) => log_end(peer, result),
        Err(_) => tracing::debug!(%peer, "an admin connection was cut: it did not end in time"),
    }
}

fn log_end(peer: SocketAddr, result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "an admin connection ended early");
    }
}

/// Guard, then a place among the requests worked on, then the work, all within the request's time.
async fn pass(
    axum::extract::State(gate): axum::extract::State<Arc<Gate>>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    if let Err(problem) = gate.guard.check(&head) {
        return problem.into_response();
    }
    // A wait has a place of its own.
    let placeless = crate::guard::is_probe(head.uri.path()) || api::is_wait(head.uri.path());
    let (places, timeout) = match api::is_operation(head.uri.path()) {
        true => (&gate.operating, gate.operation_timeout),
        false => (&gate.working, gate.timeout),
    };
    let mut request = Request::from_parts(head, body);
    request.extensions_mut().insert(Until(Instant::now() + timeout));
    let work = async {
        // The semaphore is never closed; without a permit the request still is within its time.
        let place = if placeless { None } else { Arc::clone(places).acquire_owned().await.ok() };
        // Whoever does the work holds it, and lets go of it for a wait.
        if let Some(place) = place {
            request.extensions_mut().insert(Place(Arc::new(place)));
        }
        next.run(request).await
    };
    match tokio::time::timeout(timeout, work).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("not done within {} s; a write may still have happened", timeout.as_secs());
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "timeout",
                detail,
                "look at the frontend, then try again",
            )
            .into_response()
        }
    }
}
