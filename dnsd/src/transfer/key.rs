//! Keys that messages are signed with (RFC 8945 §6).

use std::fmt;
use std::sync::Arc;

use model::DomainName;
use ring::hmac;

/// How many octets the shortest secret has: what is shorter can be guessed.
const SHORTEST: usize = 16;

/// How a message is signed. The old ones of MD5 and SHA-1 are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// hmac-sha256
    Sha256,
    /// hmac-sha384
    Sha384,
    /// hmac-sha512
    Sha512,
}

impl Algorithm {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Sha256, "hmac-sha256"), (Self::Sha384, "hmac-sha384"), (Self::Sha512, "hmac-sha512")];

    /// The one of that name.
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(found, _)| found)
    }

    fn of_ring(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// A key: its name, its algorithm, and a secret that is not shown.
pub struct Key {
    name: DomainName,
    algorithm: DomainName,
    secret: hmac::Key,
    /// The secret and the algorithm are the key; two are compared when a file is read again.
    kind: Algorithm,
}

impl Key {
    /// A key. The algorithm is one of `hmac-sha256`, `hmac-sha384`, `hmac-sha512`.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn new(name: &str, algorithm: &str, secret: &[u8]) -> Result<Self, String> {
        let kind = Algorithm::parse(algorithm).ok_or_else(|| {
            // What stands in its place may be the secret.
            "its algorithm is not used here; make a key with hmac-sha256 (tsig-keygen)".to_owned()
        })?;
        let fine = |name: &str| DomainName::parse(name).map_err(|error| format!("`{name}`: {error}"));
        if secret.len() < SHORTEST {
            return Err(format!("the secret has fewer than {SHORTEST} octets; make one with tsig-keygen"));
        }
        let secret = hmac::Key::new(kind.of_ring(), secret);
        Ok(Self { name: fine(name)?, algorithm: fine(algorithm)?.folded(), secret, kind })
    }

    /// Its name.
    pub fn name(&self) -> &DomainName {
        &self.name
    }

    /// Its algorithm, as messages name it.
    pub(super) fn algorithm(&self) -> &DomainName {
        &self.algorithm
    }

    /// How many octets a signature has.
    pub(super) fn length(&self) -> usize {
        self.secret.algorithm().digest_algorithm().output_len()
    }

    /// The signature of all parts together.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.secret);
        parts.iter().for_each(|part| context.update(part));
        context.sign()
    }

    /// Whether `mac` is the beginning of their signature, in a time that says nothing about where it is not: signatures of both are
    /// compared, with a key that is made of the right one.
    pub(super) fn verify(&self, parts: &[&[u8]], mac: &[u8]) -> bool {
        let right = self.sign(parts);
        let Some(begins) = right.as_ref().get(..mac.len()) else { return false };
        let blind = hmac::Key::new(self.secret.algorithm(), right.as_ref());
        hmac::verify(&blind, begins, hmac::sign(&blind, mac).as_ref()).is_ok()
    }
}

/// Without the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.name, self.kind)
    }
}

/// All keys there are.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Arc<Key>>);

impl Keys {
    /// Adds one.
    ///
    /// # Errors
    /// When there is one of its name.
    pub(super) fn add(&mut self, key: Key) -> Result<(), String> {
        if self.get(&key.name).is_some() {
            return Err(format!("there is a key {} already", key.name));
        }
        self.0.push(Arc::new(key));
        Ok(())
    }

    /// The key of that name.
    pub(crate) fn get(&self, name: &DomainName) -> Option<&Arc<Key>> {
        self.0.iter().find(|key| key.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_signature_is_told_from_anything_else() {
        let key = Key::new("a", "HMAC-SHA384", &[7; 16]).expect("a key");
        let right = key.sign(&[b"some", b"thing"]);
        let right = right.as_ref();
        assert_eq!((right.len(), key.length(), format!("{key:?}").as_str()), (48, 48, "a. (Sha384)"));
        assert!(key.verify(&[b"something"], right) && key.verify(&[b"something"], &right[..24]));
        assert!(!key.verify(&[b"somethinG"], right) && !key.verify(&[b"something"], &right[1..]));
        assert!(!key.verify(&[b"something"], &[right, &[0]].concat()));
    }

    #[test]
    fn a_key_that_is_weak_or_unknown_is_an_error() {
        let check = |name: &str, algorithm: &str, secret: &[u8], expected: &str| {
            let error = Key::new(name, algorithm, secret).expect_err("no key");
            assert!(error.contains(expected), "{error}");
        };
        check("a", "hmac-md5", &[7; 16], "its algorithm is not used here");
        check("a", "hmac-sha1", &[7; 20], "hmac-sha256");
        check("a", "hmac-sha256", &[7; 15], "fewer than 16");
        check("a..b", "hmac-sha256", &[7; 16], "`a..b`");
    }
}
