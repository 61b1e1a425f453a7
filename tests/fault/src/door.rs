//! The door: who comes is let in, or not.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::connection;
use crate::counts::Counters;
use crate::script::{Door, Script};

/// Connections that may wait to be let in.
const BACKLOG: u32 = 1024;
/// How long is waited after an accept that failed, for descriptors to be free again.
const PAUSE: Duration = Duration::from_millis(10);

/// The port: listened on, or only held, so that nobody else takes it.
enum Port {
    Listening(TcpListener),
    Held { _socket: TcpSocket },
}

/// Keeps the door until the script's owner is gone.
pub(crate) async fn keep(
    listener: std::net::TcpListener,
    address: SocketAddr,
    mut scripts: watch::Receiver<Script>,
    saw: watch::Sender<u64>,
    counters: Arc<Counters>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut port = Port::Listening(listener);
    loop {
        let (door, number) = {
            let script = scripts.borrow_and_update();
            (script.door, script.number)
        };
        port = turned(port, door == Door::Refuse, address).await;
        saw.send_replace(number);
        let accepted = tokio::select! {
            biased;
            changed = scripts.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            accepted = accept(&port) => accepted,
        };
        match accepted {
            Ok(stream) if door == Door::Reset => {
                counters.accepted();
                let _gone = stream.set_zero_linger();
                counters.ended();
            }
            Ok(stream) => {
                counters.accepted();
                tokio::spawn(connection::serve(stream, scripts.clone(), Arc::clone(&counters)));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn accept(port: &Port) -> io::Result<TcpStream> {
    match port {
        Port::Listening(listener) => listener.accept().await.map(|(stream, _)| stream),
        Port::Held { .. } => std::future::pending().await,
    }
}

/// The port as the door wants it. What cannot be had yet (somebody's old connection is in the way) is tried again.
async fn turned(port: Port, closed: bool, address: SocketAddr) -> Port {
    if matches!(port, Port::Held { .. }) == closed {
        return port;
    }
    drop(port);
    loop {
        let socket = bound(address);
        let turned = match socket {
            Ok(socket) if closed => Ok(Port::Held { _socket: socket }),
            Ok(socket) => socket.listen(BACKLOG).map(Port::Listening),
            Err(error) => Err(error),
        };
        match turned {
            Ok(port) => return port,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// A socket that has the port without listening: who connects is refused.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
