//! A frontend's check as JSON.

use std::fmt;
use std::num::NonZeroU8;
use std::time::Duration;

use model::{Check, CheckKind, ExpectedStatus, HttpCheck};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FormatError, MAX_TIMEOUT_MS};

/// The shortest interval, in milliseconds: more often, a check is a load of its own.
const MIN_INTERVAL_MS: u64 = 100;

/// A check as JSON: `{"kind": "http", "path": "/health"}` or `{"kind": "tcp"}`. Defaults are left out when written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckDoc {
    /// What is done.
    pub kind: CheckKindDoc,
    /// What is asked for, over HTTP; default `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which status passes, over HTTP: a number, or `"any"`; default 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusDoc>,
    /// What the answer's body must hold, over HTTP; default: it does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// From one check to the next, in milliseconds, 100 to a day; default: the proxy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// How long one may take, in milliseconds, 1 to a day; default: the proxy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Back after passing so many in a row, 1 to 255; default: the proxy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rise: Option<NonZeroU8>,
    /// Out after failing so many in a row, 1 to 255; default: the proxy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fall: Option<NonZeroU8>,
}

/// What a check does, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKindDoc {
    /// Asks, and looks at the answer.
    Http,
    /// Connects.
    Tcp,
}

/// Which status passes, as JSON: a number, or `"any"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusDoc {
    /// Every one.
    Any,
    /// This one.
    Code(u16),
}

impl TryFrom<CheckDoc> for Check {
    type Error = FormatError;

    fn try_from(doc: CheckDoc) -> Result<Self, FormatError> {
        let kind = match doc.kind {
            CheckKindDoc::Http => {
                let status = StatusDoc::expected(doc.status);
                let (path, body) = (doc.path.as_deref().unwrap_or("/"), doc.body.as_deref().unwrap_or(""));
                CheckKind::Http(
                    HttpCheck::new(path, status, body)
                        .map_err(|e| FormatError::at("check", e, "correct it, or leave it out"))?,
                )
            }
            CheckKindDoc::Tcp => {
                let http = [
                    ("path", doc.path.is_some()),
                    ("status", doc.status.is_some()),
                    ("body", doc.body.is_some()),
                ];
                if let Some((name, _)) = http.iter().find(|(_, said)| *said) {
                    let place = format!("check.{name}");
                    return Err(FormatError::at(
                        place,
                        "nothing is asked for over tcp",
                        "leave it out, or write `\"kind\":\"http\"`",
                    ));
                }
                CheckKind::Tcp
            }
        };
        Ok(Self {
            kind,
            interval: time("interval_ms", doc.interval_ms, MIN_INTERVAL_MS)?,
            timeout: time("timeout_ms", doc.timeout_ms, 1)?,
            rise: doc.rise,
            fall: doc.fall,
        })
    }
}

fn time(name: &str, ms: Option<u64>, least: u64) -> Result<Option<Duration>, FormatError> {
    match ms {
        Some(ms) if !(least..=MAX_TIMEOUT_MS).contains(&ms) => {
            let reason = format!("{ms} is outside {least} to {MAX_TIMEOUT_MS}");
            Err(FormatError::at(format!("check.{name}"), reason, "write milliseconds, or leave it out"))
        }
        ms => Ok(ms.map(Duration::from_millis)),
    }
}

impl From<&Check> for CheckDoc {
    fn from(check: &Check) -> Self {
        let ms = |time: Option<Duration>, least: u64| {
            time.map(|time| {
                u64::try_from(time.as_millis()).map_or(MAX_TIMEOUT_MS, |ms| ms.clamp(least, MAX_TIMEOUT_MS))
            })
        };
        let http = match &check.kind {
            CheckKind::Tcp => None,
            CheckKind::Http(http) => Some(http),
        };
        Self {
            kind: if http.is_some() { CheckKindDoc::Http } else { CheckKindDoc::Tcp },
            path: http.map(HttpCheck::path).filter(|path| *path != "/").map(str::to_owned),
            status: http.and_then(|http| StatusDoc::said(http.status())),
            body: http.map(HttpCheck::body).filter(|body| !body.is_empty()).map(str::to_owned),
            interval_ms: ms(check.interval, MIN_INTERVAL_MS),
            timeout_ms: ms(check.timeout, 1),
            rise: check.rise,
            fall: check.fall,
        }
    }
}

impl StatusDoc {
    /// Which status passes.
    pub(super) fn expected(said: Option<Self>) -> ExpectedStatus {
        match said {
            None => ExpectedStatus::Success,
            Some(Self::Any) => ExpectedStatus::Any,
            Some(Self::Code(code)) => ExpectedStatus::Code(code),
        }
    }

    /// The reverse; nothing where it is the default.
    pub(super) fn said(expected: ExpectedStatus) -> Option<Self> {
        match expected {
            ExpectedStatus::Success => None,
            ExpectedStatus::Any => Some(Self::Any),
            ExpectedStatus::Code(code) => Some(Self::Code(code)),
        }
    }
}

impl fmt::Display for StatusDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Code(code) => write!(f, "{code}"),
        }
    }
}

impl Serialize for StatusDoc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::Code(code) => serializer.serialize_u16(*code),
        }
    }
}

impl<'de> Deserialize<'de> for StatusDoc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = StatusDoc;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a status from 200 to 599, or "any""#)
    }

    fn visit_u64<E: Error>(self, code: u64) -> Result<StatusDoc, E> {
        u16::try_from(code)
            .map(StatusDoc::Code)
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(code), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<StatusDoc, E> {
        match text {
            "any" => Ok(StatusDoc::Any),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }
}
