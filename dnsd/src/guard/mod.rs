//! Guards: who may ask, who has shown that its address is its own, who gets how much.
//!
//! In: a client, what its EDNS options say, the time, what kind of answer there is. Out: what the answer's options say ([`Visit`]), a
//! question that is stopped ([`Stop`]), an answer that is not sent ([`Verdict`]). Never here: a zone, an octet of an answer; a lock or an
//! allocation for a question; trust in an address that nothing proves.
//!
//! ```text
//! wire::decode ─► receive (cookie) ─► stop? (allow, deny, cookies required) ─► zone::answer ─► verdict (rate) ─► respond
//! ```

mod access;
mod cookie;
mod rate;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::config::{Config, CookieUse};
use crate::query::{Client, Over};
use crate::wire::{Options, Told};
use access::Access;
use cookie::Cookies;
pub use cookie::{SECRET, Secret};
use rate::Rate;
pub use rate::{Kind, Verdict};

/// The time, read once for all messages that a thread took at once.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For whatever is measured.
    pub at: Instant,
    /// For cookies: seconds since the Unix epoch, of which the lower bits are enough (RFC 9018 §4.3).
    pub unix: u32,
}

impl Now {
    /// What the clocks say.
    pub fn read() -> Self {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        // Wrapped around, as RFC 1982 counts.
        let unix = u32::try_from(unix & u64::from(u32::MAX)).unwrap_or_default();
        Self { at: Instant::now(), unix }
    }
}

/// What is drawn once for a process, and unknown to anybody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawn {
    /// Makes cookies where no secret is set.
    cookie: Secret,
    /// Hashes what is limited.
    rate: [u8; 16],
}

impl Drawn {
    /// Draws from the system.
    ///
    /// # Errors
    /// When the system has no chance to give.
    pub(crate) fn draw() -> std::io::Result<Self> {
        let mut octets = [[0; SECRET]; 2];
        for octets in &mut octets {
            fill(octets)?;
        }
        let [cookie, rate] = octets;
        Ok(Self { cookie: Secret::new(cookie), rate })
    }
}

/// Draws all of them from the system.
fn fill(octets: &mut [u8]) -> std::io::Result<()> {
    // So few come at once, or not at all.
    match getrandom(&mut *octets, GetRandomFlags::empty())? {
        drawn if drawn == octets.len() => Ok(()),
        _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}

/// All guards.
#[derive(Debug)]
pub struct Guards {
    access: Access,
    cookies: Option<Cookies>,
    /// Who shows no cookie of ours is answered over TCP alone.
    required: bool,
    rate: Option<Rate>,
    nsid: Vec<u8>,
    /// In units of 100 ms.
    keepalive: u16,
}

/// No guards: everybody asks as much as they like, and no option is answered.
pub static OPEN: Guards = Guards {
    access: Access::open(),
    cookies: None,
    required: false,
    rate: None,
    nsid: Vec::new(),
    keepalive: 0,
};

/// What a client has shown, and is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit<'g> {
    /// From where.
    pub address: IpAddr,
    /// Whether that is proven: by a connection, or a cookie of ours.
    pub proven: bool,
    /// Whether there was a server's cookie, and it is none of ours, or too old.
    pub bad_cookie: bool,
    /// What the options of the answer say.
    pub told: Told<'g>,
}

/// Why a question is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The client may not ask.
    Prohibited,
    /// It is to come again with the cookie that it is told.
    BadCookie,
    /// It knows no cookies, and is to come again over TCP.
    Cut,
}

impl Guards {
    /// Guards as they are set.
    pub(crate) fn new(config: &Config, drawn: &Drawn) -> Self {
        let secrets = match &config.cookie_secret[..] {
            [] => std::slice::from_ref(&drawn.cookie),
            secrets => secrets,
        };
        let rate = (config.rate_limit > 0).then(|| {
            let (slip, octets) = (config.rate_limit_slip, config.rate_limit_table_bytes);
            Rate::new(config.rate_limit, slip, octets, &config.rate_limit_allow, &drawn.rate)
        });
        Self {
            access: Access::new(&config.allow, &config.deny),
            cookies: (config.cookies != CookieUse::Off).then(|| Cookies::new(secrets)),
            required: config.cookies == CookieUse::Required,
            rate,
            nsid: config.nsid.clone().unwrap_or_default().into_bytes(),
            keepalive: hundreds(config.tcp_idle),
        }
    }

    /// Guards as they are set, with secrets of their own.
    ///
    /// # Errors
    /// When the system has no chance to give.
    pub fn drawn(config: &Config) -> std::io::Result<Self> {
        Drawn::draw().map(|drawn| Self::new(config, &drawn))
    }

    /// Looks at what a client shows.
    pub fn receive(&self, client: &Client, options: &Options<'_>, now: Now) -> Visit<'_> {
        let tcp = client.over == Over::Tcp;
        let mut visit =
            Visit { address: client.address, proven: tcp, bad_cookie: false, told: Told::default() };
        if let (Some(cookies), Some(cookie)) = (&self.cookies, &options.cookie) {
            let checked = cookies.check(cookie, client.address, now.unix);
            visit.proven |= checked.valid;
            visit.bad_cookie = !checked.valid && !cookie.server.is_empty();
            visit.told.cookie = Some(checked.answer);
        }
        if options.nsid {
            visit.told.nsid = &self.nsid;
        }
        // Over UDP it is ignored (RFC 7828 §3.3.1).
        visit.told.keepalive = (options.keepalive && tcp && self.keepalive > 0).then_some(self.keepalive);
        visit
    }

    /// Whether this address may ask at all.
    pub(crate) fn lets_in(&self, address: IpAddr) -> bool {
        self.access.lets_in(address)
    }

    /// Whether the client's question is looked at.
    pub fn stop(&self, visit: &Visit<'_>) -> Option<Stop> {
        if !self.lets_in(visit.address) {
            return Some(Stop::Prohibited);
        }
        let stopped = self.required && !visit.proven;
        stopped.then_some(if visit.told.cookie.is_some() { Stop::BadCookie } else { Stop::Cut })
    }

    /// Whether an answer of this kind, by this name in wire form, is sent.
    pub fn verdict(&self, visit: &Visit<'_>, kind: Kind, name: &[u8], now: Now, chance: u64) -> Verdict {
        match &self.rate {
            Some(rate) if !visit.proven && !rate.exempts(visit.address) => {
                rate.weigh(visit.address, kind, name, now.at, chance)
            }
            _ => Verdict::Send,
        }
    }
}

/// In units of 100 ms (RFC 7828 §3.1).
fn hundreds(time: Duration) -> u16 {
    u16::try_from(time.as_millis() / 100).unwrap_or(u16::MAX)
}
