//! Telling the service manager how it stands (sd_notify's protocol): a datagram to the socket it named.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What the service manager is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Notice {
    /// Requests are served; again after a reload.
    Ready,
    /// The configuration is being read again.
    Reloading,
    /// No new requests; those in flight finish.
    Stopping,
}

/// Tells it, when there is one that asked to be told.
pub(crate) fn notify(notice: Notice) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&path.to_string_lossy(), notice) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

fn send(path: &str, notice: Notice) -> std::io::Result<()> {
    let text = match notice {
        Notice::Ready => "READY=1\nSTATUS=serving",
        Notice::Reloading => "RELOADING=1\nSTATUS=reading the configuration",
        Notice::Stopping => "STOPPING=1\nSTATUS=finishing requests in flight",
    };
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        send(path.to_str().unwrap(), Notice::Ready).unwrap();
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\nSTATUS=serving");
        assert!(send("/no/such/socket", Notice::Stopping).is_err());
    }
}
