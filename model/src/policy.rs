//! How a frontend's requests are balanced, how long they may take, and how its endpoints are checked.

use std::time::Duration;

use crate::check::Check;
use crate::rare::Usual;

/// How one of a backend's live endpoints is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum BalanceKind {
    /// Two endpoints by weighted chance, then the one with fewer requests in flight per weight; one of another weight only where it has
    /// fewer with this request too. The default.
    #[default]
    RandomOfTwo,
    /// Each in turn, as often as its weight says.
    RoundRobin,
    /// By weighted chance alone, as hipache does.
    Random,
    /// The one with the fewest requests in flight per weight.
    LeastLoaded,
    /// The same key goes to the same endpoint for as long as that lives (rendezvous hashing).
    Hash(HashKey),
}

/// What is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HashKey {
    /// The client's IP address.
    ClientAddress,
    /// The value of a request header (lower-case name); without it, the client's address.
    Header(Box<str>),
    /// The value of a cookie; without it, the client's address.
    Cookie(Box<str>),
}

/// Times of a route's own; `None` takes the proxy's setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Timeouts {
    /// How long a TCP connect may take.
    pub connect: Option<Duration>,
    /// How long the origin may take, from the request's end to its response head.
    pub response: Option<Duration>,
    /// How long a body (either way) or a tunnel may be silent.
    pub idle: Option<Duration>,
}

/// Everything about a frontend beside where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Policy {
    /// How an endpoint is chosen.
    pub balance: BalanceKind,
    /// Its own times.
    pub timeouts: Timeouts,
    /// How its endpoints are checked; `None`: by requests alone.
    pub check: Option<Box<Check>>,
    /// Whether its host is a name in DNS, answered with where the proxies are.
    pub dns: bool,
}

impl Usual for Policy {
    const USUAL: &'static Self = &Self {
        balance: BalanceKind::RandomOfTwo,
        timeouts: Timeouts { connect: None, response: None, idle: None },
        check: None,
        dns: false,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_policy_is_the_default() {
        assert_eq!(*Policy::USUAL, Policy::default());
    }
}
