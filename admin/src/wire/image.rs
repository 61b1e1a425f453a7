//! Images that are sent to their registry.

use serde::{Deserialize, Serialize};

/// Which image an engine is to send to its registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushImage {
    /// `registry/name[:tag]`; without a tag, `latest`.
    pub image: String,
}

/// A line of `/v1/hosts/{host}/images/push`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pushing {
    /// How far it is.
    Progress {
        /// Octets that were sent.
        done: u64,
        /// Octets in all, as far as that is known yet.
        of: u64,
    },
    /// It is there. Nothing follows.
    Pushed {
        /// Which.
        pushed: String,
        /// What it is known by there (`sha256:…`); empty: its engine does not say.
        digest: String,
    },
    /// It is not, and why. Nothing follows.
    Failed {
        /// What went wrong, and what to do.
        failed: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back() {
        let check = |line: Pushing, json: &str| {
            assert_eq!(serde_json::to_string(&line).unwrap(), json);
            assert_eq!(serde_json::from_str::<Pushing>(json).unwrap(), line);
        };

        check(Pushing::Progress { done: 1, of: 2 }, r#"{"done":1,"of":2}"#);
        let pushed = Pushing::Pushed { pushed: "r/web:1".into(), digest: "sha256:a".into() };
        check(pushed, r#"{"pushed":"r/web:1","digest":"sha256:a"}"#);
        check(Pushing::Failed { failed: "no".into() }, r#"{"failed":"no"}"#);
    }
}
