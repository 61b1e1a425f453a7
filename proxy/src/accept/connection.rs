//! A connection's life: requests one after the other, until one side has had enough.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::client::{Client, Next};
use super::deadline::SWEEP_MS;
use super::transport::Transport;
use crate::exchange::{self, Then};
use crate::worker::{Counted, Worker};

/// Accepts connections until `draining` says so; then the listener is closed.
pub(crate) async fn accept(worker: Rc<Worker>, listener: TcpListener, mut draining: watch::Receiver<bool>) {
    loop {
        while at_limit(&worker) {
            tokio::time::sleep(Duration::from_millis(SWEEP_MS)).await;
        }
        let accepted = tokio::select! {
            biased;
            _ = draining.wait_for(|draining| *draining) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                tokio::task::spawn_local(serve(Rc::clone(&worker), stream, peer));
            }
            Err(error) if exhausted(&error) => {
                tracing::warn!(%error, "cannot accept, pausing");
                tokio::time::sleep(Duration::from_millis(SWEEP_MS)).await;
            }
            // The connection was gone before we came for it.
            Err(_) => {}
        }
    }
}

fn at_limit(worker: &Worker) -> bool {
    let most = worker.settings().config.client.connections;
    most.is_some_and(|most| worker.shared.connections.load(std::sync::atomic::Ordering::Relaxed) >= most)
}

fn exhausted(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM))
}

/// Serves one connection to its end.
async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    let _counted = (Counted::new(&worker), worker.counters.connection());
    let Ok(local) = stream.local_addr() else { return };
    // Without the option answers still arrive, some of them later.
    let _kept_default = stream.set_nodelay(true);
    let mut client = Client::new(&worker, Transport::Plain(stream), peer, local);
    loop {
        let then = match client.next(&worker).await {
            Next::Request => exchange::exchange(&worker, &mut client).await,
            Next::Refused(reply) => exchange::refuse(&worker, &mut client, reply).await,
            Next::End => return,
        };
        match then {
            Then::Next => {}
            Then::Close => return client.linger(&worker, worker.settings().config.client.drain_bytes).await,
            Then::Abort => return client.transport.abort(),
        }
    }
}
