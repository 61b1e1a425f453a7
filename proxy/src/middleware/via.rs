//! `Via`: that a request went through this node, for others and for ourselves when it comes back.

use crate::http::Version;

/// The name of this node in `Via`, and the line for each version a client may speak.
#[derive(Debug, Clone)]
pub struct Via {
    name: Box<str>,
    old: Box<str>,
    new: Box<str>,
}

impl Via {
    /// For a node that calls itself `name`, a token that no other node has (RFC 9110 §7.6.3: a pseudonym).
    pub fn new(name: &str) -> Self {
        let line = |version| format!("Via: {version} {name}\r\n").into();
        Self { name: name.into(), old: line("1.0"), new: line("1.1") }
    }

    /// A name by chance: a host's would tell origins more than they need.
    pub fn by_chance(dice: u64) -> Self {
        Self::new(&format!("portico-{dice:016x}"))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field's line for a request that came in this version. It stands behind those that came: together they are one list.
    pub fn line(&self, received: Version) -> &[u8] {
        let line = match received {
            Version::Http10 => &self.old,
            Version::Http11 => &self.new,
        };
        line.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn via_says_what_the_client_spoke() {
        let via = Via::by_chance(0xab);
        assert_eq!(via.name(), "portico-00000000000000ab");
        assert_eq!(via.line(Version::Http10), b"Via: 1.0 portico-00000000000000ab\r\n");
        assert_eq!(via.line(Version::Http11), b"Via: 1.1 portico-00000000000000ab\r\n");
    }
}
