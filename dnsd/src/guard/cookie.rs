//! Server cookies (RFC 7873) of the form on which servers agree (RFC 9018): who holds the same secret makes and takes the same ones.
//!
//! ```text
//! client cookie (8) │ version 1 (1) │ reserved (3) │ timestamp (4) │ SipHash-2-4 over all before and the client's address (8)
//! ```

use std::fmt;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::wire::{Cookie, FULL_COOKIE};

/// The octets of a secret.
pub const SECRET: usize = 16;
/// The version of the form (RFC 9018 §4.1).
const VERSION: u8 = 1;
/// How old a cookie may be, in seconds (RFC 9018 §4.3).
const OLDEST: i32 = 3600;
/// From when on the client has a new one, in seconds: half of that, so that who asks often never shows one that is too old.
const RENEWED: i32 = 1800;
/// How far in the future it may have been made, in seconds, by a server whose clock is ahead.
const AHEAD: i32 = 300;

/// What cookies are made with. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; SECRET]);

impl Secret {
    /// A secret of these octets.
    pub fn new(octets: [u8; SECRET]) -> Self {
        Self(octets)
    }

    /// A secret from 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut octets = [0; SECRET];
        if text.len() != 2 * SECRET || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (octet, at) in octets.iter_mut().zip((0..text.len()).step_by(2)) {
            *octet = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(octets))
    }

    /// As it is parsed. To be written nowhere but where secrets are kept.
    pub fn reveal(&self) -> String {
        self.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What became of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checked {
    /// Whether its server part is ours, for this client, and of now.
    pub(super) valid: bool,
    /// What the client is to send from now on.
    pub(super) answer: [u8; FULL_COOKIE],
}

/// Makes and checks cookies.
#[derive(Debug)]
pub(super) struct Cookies {
    /// The first one makes, all of them check.
    secrets: Vec<SipHasher24>,
}

impl Cookies {
    /// Of `secrets`, of which there is one at least.
    pub(super) fn new(secrets: &[Secret]) -> Self {
        Self { secrets: secrets.iter().map(|secret| SipHasher24::new_with_key(&secret.0)).collect() }
    }

    /// Checks what a client shows; `now`: seconds since the Unix epoch, which wrap around (RFC 1982).
    pub(super) fn check(&self, cookie: &Cookie<'_>, address: IpAddr, now: u32) -> Checked {
        if let Some(shown) = full(cookie)
            && let Some((place, age)) = self.made(&shown, address, now)
            && (-AHEAD..=OLDEST).contains(&age)
        {
            let keep = place == 0 && age <= RENEWED;
            let answer = if keep { shown } else { self.make(cookie.client, address, now) };
            return Checked { valid: true, answer };
        }
        Checked { valid: false, answer: self.make(cookie.client, address, now) }
    }

    /// With which secret it was made, and how many seconds ago.
    fn made(&self, shown: &[u8; FULL_COOKIE], address: IpAddr, now: u32) -> Option<(usize, i32)> {
        let (said, hash) = shown.split_last_chunk::<8>()?;
        let made = said.last_chunk().map(|octets| u32::from_be_bytes(*octets))?;
        let place =
            self.secrets.iter().position(|secret| differs(&sign(secret, said, address), hash) == 0)?;
        Some((place, now.wrapping_sub(made).cast_signed()))
    }

    fn make(&self, client: [u8; 8], address: IpAddr, now: u32) -> [u8; FULL_COOKIE] {
        let mut cookie = [0; FULL_COOKIE];
        cookie[..8].copy_from_slice(&client);
        cookie[8] = VERSION;
        cookie[12..16].copy_from_slice(&now.to_be_bytes());
        if let Some(secret) = self.secrets.first() {
            let hash = sign(secret, &cookie[..16], address);
            cookie[16..].copy_from_slice(&hash);
        }
        cookie
    }
}

/// A cookie of the length and the version of ours.
fn full(cookie: &Cookie<'_>) -> Option<[u8; FULL_COOKIE]> {
    let server: &[u8; 16] = cookie.server.try_into().ok()?;
    let mut full = [0; FULL_COOKIE];
    full[..8].copy_from_slice(&cookie.client);
    full[8..].copy_from_slice(server);
    (server[0] == VERSION).then_some(full)
}

fn sign(secret: &SipHasher24, said: &[u8], address: IpAddr) -> [u8; 8] {
    let mut octets = [0; 32];
    let (before, rest) = octets.split_at_mut(16);
    before.copy_from_slice(said.first_chunk::<16>().unwrap_or(&[0; 16]));
    let length = match address {
        IpAddr::V4(address) => {
            rest[..4].copy_from_slice(&address.octets());
            20
        }
        IpAddr::V6(address) => {
            rest.copy_from_slice(&address.octets());
            32
        }
    };
    secret.hash(&octets[..length]).to_le_bytes()
}

/// 0 where they are alike, found in the same time wherever they differ.
fn differs(a: &[u8; 8], b: &[u8; 8]) -> u64 {
    u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    }

    fn check(secrets: &[&str], address: &str, now: u32, shown: &str) -> (bool, String) {
        let secrets: Vec<_> = secrets.iter().map(|text| Secret::parse(text).expect("a secret")).collect();
        let shown = octets(shown);
        let (client, server) = shown.split_first_chunk().expect("a client's cookie");
        let cookie = Cookie { client: *client, server };
        let address = address.parse().expect("an address");
        let checked = Cookies::new(&secrets).check(&cookie, address, now);
        (checked.valid, checked.answer.iter().map(|octet| format!("{octet:02x}")).collect())
    }

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const CLIENT: &str = "2464c4abcf10c957";
    const FIRST: &str = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";

    #[test]
    fn rfc_9018_appendix_a_is_what_is_computed() {
        // A.1: a client learns one.
        assert_eq!(check(&[SECRET], "198.51.100.100", 1_559_731_985, CLIENT), (false, FIRST.into()));
        // A.2: forty minutes later it is a new one.
        let renewed = "2464c4abcf10c957010000005cf7a871d4a564a1442aca77";
        assert_eq!(check(&[SECRET], "198.51.100.100", 1_559_734_385, FIRST), (true, renewed.into()));
        // A.3: another server's, whose reserved octets are not zero. It is older by then than §4.3 lets it be.
        let (shown, answer) = (
            "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
            "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
        );
        assert_eq!(check(&[SECRET], "203.0.113.203", 1_559_734_700, shown), (false, answer.into()));
        assert!(check(&[SECRET], "203.0.113.203", 1_559_727_985, shown).0);
        // A.4: IPv6, and a secret that is new.
        let (old, new) = ("dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962");
        let (shown, answer) = (
            "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
            "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
        );
        let client = "2001:db8:220:1:59de:d0f4:8769:82b8";
        assert_eq!(check(&[new, old], client, 1_559_741_961, shown), (true, answer.into()));
        assert_eq!(check(&[new], client, 1_559_741_961, shown), (false, answer.into()));
    }

    #[test]
    fn a_cookie_is_its_clients_alone_and_has_its_time() {
        let made = 0x5cf7_9f11;
        let valid = |address: &str, now: u32| check(&[SECRET], address, now, FIRST);
        let home = "198.51.100.100";
        for age in [0, 1, 1800] {
            assert_eq!(valid(home, made + age), (true, FIRST.into()), "kept: {age}");
        }
        for age in [1801, 3600] {
            let (is_valid, answer) = valid(home, made + age);
            assert!(is_valid && answer != FIRST, "renewed: {age}");
        }
        assert!(valid(home, made - 300).0 && !valid(home, made - 301).0 && !valid(home, made + 3601).0);
        assert!(!valid("198.51.100.101", made).0, "of another address");
        assert!(!check(&[SECRET], home, made, &FIRST.replace("0100", "0200")).0, "of another version");
        assert!(!check(&[SECRET], home, made, &format!("{FIRST}00")).0, "of another length");
        for at in 0..24 {
            let mut wrong = octets(FIRST);
            wrong[at] ^= 1;
            let wrong: String = wrong.iter().map(|octet| format!("{octet:02x}")).collect();
            assert!(!check(&[SECRET], home, made, &wrong).0, "{wrong}");
        }
    }

    #[test]
    fn time_wraps_around() {
        let (_, made) = check(&[SECRET], "10.0.0.1", u32::MAX - 9, CLIENT);
        assert!(check(&[SECRET], "10.0.0.1", 10, &made).0);
        assert!(!check(&[SECRET], "10.0.0.1", 3700, &made).0);
    }

    #[test]
    fn a_secret_is_32_digits_and_is_not_shown() {
        let secret = Secret::parse(SECRET).expect("a secret");
        assert_eq!((secret.reveal().as_str(), format!("{secret:?}").as_str()), (SECRET, "Secret(…)"));
        for wrong in ["", "e5", "e5e973e5a6b2a43f48e7dc849e37bfc", "+5e973e5a6b2a43f48e7dc849e37bfcf", "x"] {
            assert_eq!(Secret::parse(wrong), None, "{wrong}");
        }
    }
}
