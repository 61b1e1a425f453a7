//! Who may come in. Who may not is told so, and closed.

use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;

use super::client::Client;
use crate::config::Listener;
use crate::exchange::{Then, refuse};
use crate::memory::Pressure;
use crate::metrics::{Limit, Rejected};
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

impl Place {
    /// The connection goes to another thread, and its place with it: what is to be given back for it, at its end.
    pub(crate) fn leave(mut self) -> Option<IpAddr> {
        self.ip.take()
    }

    /// It came to this thread.
    pub(crate) fn arrive(worker: &Rc<Worker>, ip: Option<IpAddr>) -> Self {
        Self { worker: Rc::clone(worker), ip }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ip) = self.ip {
            self.worker.shared.addresses.leave(ip);
        }
    }
}

/// What keeps a connection out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeptOut {
    /// There is no room.
    Full(Limit),
    /// Its client may not come to this listener.
    Denied,
}

/// Lets a client in.
///
/// # Errors
/// What keeps it out.
pub(crate) fn admit(worker: &Rc<Worker>, client: &Client, listener: &Listener) -> Result<Place, KeptOut> {
    let ip = client.peer.ip();
    if !lets_in(listener, ip) {
        return Err(KeptOut::Denied);
    }
    if worker.pressure() == Pressure::Critical {
        return Err(KeptOut::Full(Limit::Memory));
    }
    let mut place = Place { worker: Rc::clone(worker), ip: None };
    let Some(most) = worker.settings().config.client.connections_per_address else { return Ok(place) };
    if client.peer.is_trusted() {
        return Ok(place);
    }
    if !worker.shared.addresses.enter(ip, most) {
        return Err(KeptOut::Full(Limit::ConnectionsPerAddress));
    }
    place.ip = Some(ip);
    Ok(place)
}

/// True when the listener is for this client: among those it is for, if it names any, and not among those it denies.
fn lets_in(listener: &Listener, ip: IpAddr) -> bool {
    let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&ip));
    (listener.allow.is_empty() || is_in(&listener.allow)) && !is_in(&listener.deny)
}

/// Tells a client that it is kept out, and closes.
pub(crate) async fn turn_away(worker: &Worker, mut client: Client, kept_out: KeptOut) {
    let reply = match kept_out {
        KeptOut::Full(limit) => {
            worker.counters.limit(limit);
            LocalReply::Unavailable
        }
        KeptOut::Denied => {
            worker.counters.rejected(Rejected::Denied);
            LocalReply::Forbidden
        }
    };
    let Some(_telling) = worker.refusing(REFUSALS) else {
        worker.counters.limit(Limit::RefusalsAtOnce);
        return;
    };
    match refuse(worker, &mut client, reply).await {
        Then::Abort => client.transport.abort(),
        _ => client.linger(worker).await,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn a_listener_is_for_those_it_allows_and_never_for_those_it_denies() {
        for (allow, deny, ip, expected) in [
            (&[] as &[&str], &[] as &[&str], "192.0.2.1", true),
            (&["10.0.0.0/8"], &[], "10.1.2.3", true),
            (&["10.0.0.0/8"], &[], "192.0.2.1", false),
            (&["10.0.0.0/8"], &[], "::1", false),
            (&[], &["10.0.0.0/8"], "10.1.2.3", false),
            (&[], &["10.0.0.0/8"], "192.0.2.1", true),
            (&["10.0.0.0/8"], &["10.0.0.7/32"], "10.0.0.7", false),
            (&["10.0.0.7/32"], &["10.0.0.0/8"], "10.0.0.7", false),
        ] {
            let mut listener = Listener::from(SocketAddr::from(([127, 0, 0, 1], 80)));
            let networks = |list: &[&str]| list.iter().map(|net| net.parse().expect("a network")).collect();
            (listener.allow, listener.deny) = (networks(allow), networks(deny));
            let ip = ip.parse().expect("an address");
            assert_eq!(lets_in(&listener, ip), expected, "{ip}, allow {allow:?}, deny {deny:?}");
        }
    }
}
