//! Who may come in. Who may not is told so, and closed.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::client::Client;
use crate::exchange::{Then, refuse};
use crate::memory::Pressure;
use crate::metrics::Limit;
use crate::respond::LocalReply;
use crate::worker::Worker;

/// Connections that a thread tells at once that they are refused; further ones are closed without a word, so that a flood
/// does not hold what it is refused.
const REFUSALS: usize = 128;

/// A connection's place among those of its address; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    worker: Rc<Worker>,
    /// `None`: there is no limit, nothing was counted.
    ip: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ip) = self.ip {
            self.worker.shared.addresses.leave(ip);
        }
    }
}

/// Lets a connection from `peer` in.
///
/// # Errors
/// The limit that keeps it out.
pub(crate) fn admit(worker: &Rc<Worker>, peer: SocketAddr) -> Result<Place, Limit> {
    if worker.pressure() == Pressure::Critical {
        return Err(Limit::Memory);
    }
    let settings = worker.settings();
    let mut place = Place { worker: Rc::clone(worker), ip: None };
    let Some(most) = settings.config.client.connections_per_address else { return Ok(place) };
    let ip = peer.ip().to_canonical();
    if settings.config.trusted.iter().any(|network| network.contains(&ip)) {
        return Ok(place);
    }
    if !worker.shared.addresses.enter(ip, most) {
        return Err(Limit::ConnectionsPerAddress);
    }
    place.ip = Some(ip);
    Ok(place)
}

/// Tells a client that there is no room for it, and closes.
pub(crate) async fn turn_away(worker: &Worker, mut client: Client, limit: Limit) {
    worker.counters.limit(limit);
    let Some(_telling) = worker.refusing(REFUSALS) else {
        worker.counters.limit(Limit::RefusalsAtOnce);
        return;
    };
    match refuse(worker, &mut client, LocalReply::Unavailable).await {
        Then::Abort => client.transport.abort(),
        _ => client.linger(worker).await,
    }
}
