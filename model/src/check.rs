//! How the endpoints of a frontend are checked, request or no request.

use std::num::NonZeroU8;
use std::time::Duration;

/// The longest path of a check, in octets.
const MAX_PATH: usize = 2048;
/// The longest text that an answer's body is searched for, in octets.
const MAX_BODY: usize = 1024;

/// How a frontend's endpoints are checked. What is `None` is as the proxy's settings say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Check {
    /// What is done.
    pub kind: CheckKind,
    /// From the start of one check to the next one.
    pub interval: Option<Duration>,
    /// How long one may take, from looking the name up to the last octet that is read.
    pub timeout: Option<Duration>,
    /// An endpoint that is out comes back after passing so many in a row.
    pub rise: Option<NonZeroU8>,
    /// An endpoint is out after failing so many in a row.
    pub fall: Option<NonZeroU8>,
}

/// What a check does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// Connects.
    Tcp,
    /// Asks, and looks at the answer.
    Http(HttpCheck),
}

/// A GET, and the answer that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpCheck {
    path: Box<str>,
    status: ExpectedStatus,
    body: Box<str>,
}

/// Which statuses pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ExpectedStatus {
    /// 200 to 399. The default.
    #[default]
    Success,
    /// Every one: an answer is enough, as in planb where the hash names no status.
    Any,
    /// This one alone, 200 to 599.
    Code(u16),
}

/// Why something is no check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The path could not stand in a request.
    #[error("a check's path is `/` and what follows, 2048 visible ASCII characters at most, without `#`")]
    Path,
    /// No final answer has that status.
    #[error("a check's status is a number from 200 to 599")]
    Status,
    /// The text to be found is too long.
    #[error("the text that a check looks for has at most 1024 octets")]
    Body,
}

impl Check {
    /// A check with the proxy's times.
    pub fn new(kind: CheckKind) -> Self {
        Self { kind, interval: None, timeout: None, rise: None, fall: None }
    }
}

impl HttpCheck {
    /// A GET of `path` (with a query, perhaps) whose answer has the status and `body` somewhere in its body; empty: whatever body.
    ///
    /// # Errors
    /// [`CheckError`] says what is wrong.
    pub fn new(path: &str, status: ExpectedStatus, body: &str) -> Result<Self, CheckError> {
        let visible = path.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'#');
        if !path.starts_with('/') || !visible || path.len() > MAX_PATH {
            return Err(CheckError::Path);
        }
        if matches!(status, ExpectedStatus::Code(code) if !(200..600).contains(&code)) {
            return Err(CheckError::Status);
        }
        if body.len() > MAX_BODY {
            return Err(CheckError::Body);
        }
        Ok(Self { path: path.into(), status, body: body.into() })
    }

    /// What is asked for.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Which statuses pass.
    pub fn status(&self) -> ExpectedStatus {
        self.status
    }

    /// What the answer's body must hold; empty: it does not matter.
    pub fn body(&self) -> &str {
        &self.body
    }
}

impl ExpectedStatus {
    /// True when an answer of this status passes.
    pub fn accepts(self, status: u16) -> bool {
        match self {
            Self::Success => (200..400).contains(&status),
            Self::Any => true,
            Self::Code(code) => status == code,
        }
    }
}

impl std::fmt::Display for ExpectedStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Success => f.write_str("200 to 399"),
            Self::Any => f.write_str("any"),
            Self::Code(code) => write!(f, "{code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, status: ExpectedStatus, body: &str, expected: Result<(), CheckError>) {
        assert_eq!(HttpCheck::new(path, status, body).map(drop), expected, "{path:?} {status:?}");
    }

    #[test]
    fn a_check_cannot_smuggle_lines_into_a_request() {
        check("/health?full=1", ExpectedStatus::Success, "ok", Ok(()));
        for path in
            ["", "health", "/a b", "/a\r\nHost: b", "/\u{e4}", "/a#b", &format!("/{}", "a".repeat(2048))]
        {
            check(path, ExpectedStatus::Success, "", Err(CheckError::Path));
        }
        check("/", ExpectedStatus::Code(204), "", Ok(()));
        check("/", ExpectedStatus::Code(101), "", Err(CheckError::Status));
        check("/", ExpectedStatus::Code(600), "", Err(CheckError::Status));
        check("/", ExpectedStatus::Any, &"x".repeat(1025), Err(CheckError::Body));
    }

    #[test]
    fn a_status_passes_where_it_is_wanted() {
        let passes = |expected: ExpectedStatus| [200, 302, 404, 503].map(|status| expected.accepts(status));
        assert_eq!(passes(ExpectedStatus::Success), [true, true, false, false]);
        assert_eq!(passes(ExpectedStatus::Any), [true; 4]);
        assert_eq!(passes(ExpectedStatus::Code(404)), [false, false, true, false]);
    }
}
