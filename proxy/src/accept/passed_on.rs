//! Connections that a load balancer passes on: whose they are, it says in a PROXY protocol header.

use std::io::ErrorKind;
use std::net::SocketAddr;

use super::client::Client;
use crate::clock::millis;
use crate::config::{Listener, MAX_PROXY_HEADER};
use crate::metrics::Rejected;
use crate::proxy_protocol::{Header, HeaderError, Parsed, parse};
use crate::worker::Worker;

/// Where `listener` wants a PROXY protocol header, reads it, and lets the client be whom it tells. What follows the header
/// belongs to the first request. False: the connection is to be closed without a word; why was counted.
pub(crate) async fn is_introduced(
    worker: &Worker,
    client: &mut Client,
    listener: &Listener,
    sender: SocketAddr,
) -> bool {
    if listener.proxy_protocol.is_empty() {
        return true;
    }
    let ip = sender.ip().to_canonical();
    let header = match listener.proxy_protocol.iter().any(|network| network.contains(&ip)) {
        true => read(worker, client).await,
        false => Err(Some(Rejected::ProxyUntrusted)),
    };
    match header {
        Ok(Header { ends: Some(ends), .. }) => client.is_from(worker, listener, ends),
        Ok(Header { ends: None, .. }) => {}
        Err(why) => {
            if let Some(why) = why {
                worker.counters.rejected(why);
                let (at, why) = (listener.address, why.name());
                tracing::debug!(%sender, listener = %at, why, "a connection is closed before its first request");
            }
            return false;
        }
    }
    true
}

/// Reads a header, and leaves what follows it in the client's buffer.
///
/// # Errors
/// Why there is none; `None`: the sender left without an octet, as those do who only look whether we are there, or we end.
async fn read(worker: &Worker, client: &mut Client) -> Result<Header, Option<Rejected>> {
    // No request has begun: an end of the house ends the wait.
    client.deadline.arm_idle(worker.after(millis(worker.settings().config.client.head_timeout)), true);
    let mut buffer = worker.requests.take();
    loop {
        if !buffer.make_space(1, MAX_PROXY_HEADER) {
            return Err(Some(Rejected::ProxyMalformed));
        }
        match client.fill_idle(worker, &mut buffer).await {
            Ok(n) if n > 0 => {}
            Ok(_) | Err(_) if worker.is_draining() => return Err(None),
            Err(error) if error.kind() == ErrorKind::TimedOut => return Err(Some(Rejected::ProxyIncomplete)),
            Ok(_) | Err(_) => return Err((!buffer.is_empty()).then_some(Rejected::ProxyIncomplete)),
        }
        match parse(buffer.filled()) {
            Ok(Parsed::Partial) => {}
            Ok(Parsed::Complete(header)) => {
                buffer.consume(header.length);
                client.buffer = (!buffer.is_empty()).then_some(buffer);
                return Ok(header);
            }
            Err(HeaderError::Missing) => return Err(Some(Rejected::ProxyMissing)),
            Err(HeaderError::Malformed(_)) => return Err(Some(Rejected::ProxyMalformed)),
        }
    }
}
