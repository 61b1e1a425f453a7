//! What an origin does, and what is to come of it.

/// A step of an origin's.
#[derive(Debug, Clone)]
pub(super) enum Do {
    /// Says this.
    Say(Vec<u8>),
    /// Says this over and over, so many times or until nobody listens.
    Flood(&'static [u8], usize),
    /// Says this octet by octet, one each 20 ms.
    Trickle(&'static [u8]),
    /// Reads so many octets of the request's body.
    Take(usize),
    /// Pauses, so that what was said arrives by itself.
    Pause,
    /// Says nothing more and waits until the proxy goes.
    Hold,
    /// Says nothing more, and reads on (half-close).
    Finish,
    /// Closes.
    Close,
    /// Resets.
    Reset,
}

/// What the client sees.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// A whole answer with this body.
    Whole(u16, &'static str),
    /// A whole answer with whatever body.
    Status(u16),
    /// The beginning of an answer that does not look whole.
    Cut,
    /// 502; or, where the answer had begun by then, as [`Seen::Cut`].
    Refused,
}

/// When the steps begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// A connection was accepted.
    Accepted,
    /// A request's head was read.
    Asked,
}

/// One behaviour.
#[derive(Debug, Clone)]
pub(super) struct Behaviour {
    pub(super) name: &'static str,
    request: Vec<u8>,
    pub(super) when: When,
    pub(super) steps: Vec<Do>,
    pub(super) seen: Seen,
    /// The origin's connection serves the next exchange.
    pub(super) reused: bool,
    /// An endpoint is marked for it; `None`: that depends on what was noticed first.
    pub(super) dead: Option<bool>,
}

/// A GET, without its host.
const GET: &str = "GET / HTTP/1.1\r\n";

impl Behaviour {
    /// One that answers a GET so: 502, nobody dies, the connection is not used again.
    pub(super) fn new(name: &'static str, steps: impl Into<Vec<Do>>) -> Self {
        Self {
            name,
            request: format!("{GET}\r\n").into_bytes(),
            when: When::Asked,
            steps: steps.into(),
            seen: Seen::Status(502),
            reused: false,
            dead: Some(false),
        }
    }

    /// One that says this and waits.
    pub(super) fn saying(name: &'static str, octets: impl AsRef<[u8]>) -> Self {
        Self::new(name, [Do::Say(octets.as_ref().to_vec())])
    }

    /// One that answers so, with nothing wrong about it: seen whole, and the connection is used again.
    pub(super) fn fine(
        name: &'static str,
        octets: impl AsRef<[u8]>,
        status: u16,
        body: &'static str,
    ) -> Self {
        Self { seen: Seen::Whole(status, body), reused: true, ..Self::saying(name, octets) }
    }

    /// The request is this one, its line first; the host is added behind the line.
    pub(super) fn to(self, request: impl AsRef<[u8]>) -> Self {
        Self { request: request.as_ref().to_vec(), ..self }
    }

    pub(super) fn seen(self, seen: Seen) -> Self {
        Self { seen, ..self }
    }

    pub(super) fn reused(self) -> Self {
        Self { reused: true, ..self }
    }

    pub(super) fn not_reused(self) -> Self {
        Self { reused: false, ..self }
    }

    pub(super) fn dead(self) -> Self {
        Self { dead: Some(true), ..self }
    }

    pub(super) fn dead_or_not(self) -> Self {
        Self { dead: None, ..self }
    }

    pub(super) fn when_accepted(self) -> Self {
        Self { when: When::Accepted, ..self }
    }

    pub(super) fn is_head(&self) -> bool {
        self.request.starts_with(b"HEAD ")
    }

    /// The request, for this host.
    pub(super) fn request_to(&self, host: &str) -> Vec<u8> {
        let line = self.request.windows(2).position(|w| w == b"\r\n").map_or(0, |at| at + 2);
        let (line, rest) = self.request.split_at(line);
        [line, format!("Host: {host}\r\n").as_bytes(), rest].concat()
    }
}
