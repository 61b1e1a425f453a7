//! How an instance is known to be well, as JSON.

use std::num::NonZeroU8;
use std::time::Duration;

use model::launch::{Heartbeat, HeartbeatKind, MAX_PROBE_TIME, ProbeTimes, Words};
use model::{HttpCheck, PortName};
use serde::{Deserialize, Serialize};

use super::FormatError;
use super::check::StatusDoc;
use super::launch::{ms, time};
use super::service::{NAME_REMEDY, PortDoc};

/// Well after passing so many in a row, and not well after failing so many.
const RISE: NonZeroU8 = NonZeroU8::MIN;
const FALL: NonZeroU8 = NonZeroU8::new(3).expect("it is not 0");

/// A heartbeat as JSON: `{"kind": "http", "path": "/health"}`, `{"kind": "tcp"}`, `{"kind": "command", "command": ["check"]}`, or
/// `{"kind": "image"}`, whose HEALTHCHECK the engine asks. Defaults are left out when written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatDoc {
    /// What is done.
    pub kind: HeartbeatKindDoc,
    /// At which port of the service, by name; default: its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// What is asked for, over HTTP; default `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which status passes, over HTTP: a number, or `"any"`; default 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusDoc>,
    /// What is run inside; passes when it ends with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// From one to the next, in milliseconds, 100 to a day; default 2 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// How long one may take, in milliseconds, 1 to a day; default 1 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How long after its start failing does not count, in milliseconds up to a day; default a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period_ms: Option<u64>,
    /// Well after passing so many in a row, 1 to 255; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rise: Option<NonZeroU8>,
    /// Not well after failing so many in a row, 1 to 255; default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fall: Option<NonZeroU8>,
}

/// What a heartbeat does, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeartbeatKindDoc {
    /// Asks over HTTP.
    Http,
    /// Connects.
    Tcp,
    /// Runs a command inside.
    Command,
    /// The image says how.
    Image,
}

impl HeartbeatDoc {
    /// Checks it, for a service of these ports.
    pub(super) fn read(self, ports: &[PortDoc]) -> Result<Heartbeat, FormatError> {
        use HeartbeatKindDoc as Kind;
        let said = [
            ("port", self.port.is_some(), matches!(self.kind, Kind::Http | Kind::Tcp)),
            ("path", self.path.is_some(), self.kind == Kind::Http),
            ("status", self.status.is_some(), self.kind == Kind::Http),
            ("command", self.command.is_some(), self.kind == Kind::Command),
        ];
        if let Some((field, ..)) = said.iter().find(|(_, said, fits)| *said && !fits) {
            let place = format!("heartbeat.{field}");
            return Err(FormatError::at(
                place,
                "a heartbeat of that kind has none",
                "leave it out, or write another `kind`",
            ));
        }
        let default = ProbeTimes::default();
        let ms = |field: &str, ms, default: Duration| {
            time(&format!("heartbeat.{field}"), ms, default, MAX_PROBE_TIME)
        };
        let times = ProbeTimes::new(
            ms("interval_ms", self.interval_ms, default.interval())?,
            ms("timeout_ms", self.timeout_ms, default.timeout())?,
            ms("start_period_ms", self.start_period_ms, default.start_period())?,
        );
        Ok(Heartbeat {
            times: times.map_err(|e| FormatError::at("heartbeat", e, "correct it, or leave it out"))?,
            rise: self.rise.unwrap_or(RISE),
            fall: self.fall.unwrap_or(FALL),
            kind: self.kind(ports)?,
        })
    }

    fn kind(self, ports: &[PortDoc]) -> Result<HeartbeatKind, FormatError> {
        let port = || {
            let named = self.port.as_deref().or_else(|| ports.first().map(|port| &*port.name));
            let named = named.filter(|name| ports.iter().any(|port| port.name.eq_ignore_ascii_case(name)));
            let named = named.ok_or_else(|| {
                FormatError::at("heartbeat.port", "the service has no such port", "name one of its `ports`")
            })?;
            PortName::parse(named).map_err(|e| FormatError::at("heartbeat.port", e, NAME_REMEDY))
        };
        Ok(match self.kind {
            HeartbeatKindDoc::Http => {
                let status = StatusDoc::expected(self.status);
                let check = HttpCheck::new(self.path.as_deref().unwrap_or("/"), status, "");
                let check =
                    check.map_err(|e| FormatError::at("heartbeat", e, "correct it, or leave it out"))?;
                HeartbeatKind::Http { port: port()?, check }
            }
            HeartbeatKindDoc::Tcp => HeartbeatKind::Tcp { port: port()? },
            HeartbeatKindDoc::Command => {
                let words = Words::new(self.command.unwrap_or_default());
                HeartbeatKind::Command(
                    words.map_err(|e| FormatError::at("heartbeat.command", e, "write a list of words"))?,
                )
            }
            HeartbeatKindDoc::Image => HeartbeatKind::Image,
        })
    }
}

impl From<&Heartbeat> for HeartbeatDoc {
    fn from(heartbeat: &Heartbeat) -> Self {
        let (kind, port, http, command) = match &heartbeat.kind {
            HeartbeatKind::Http { port, check } => (HeartbeatKindDoc::Http, Some(port), Some(check), None),
            HeartbeatKind::Tcp { port } => (HeartbeatKindDoc::Tcp, Some(port), None, None),
            HeartbeatKind::Command(words) => (HeartbeatKindDoc::Command, None, None, Some(words)),
            HeartbeatKind::Image => (HeartbeatKindDoc::Image, None, None, None),
        };
        let default = ProbeTimes::default();
        Self {
            kind,
            port: port.map(ToString::to_string),
            path: http.map(HttpCheck::path).filter(|path| *path != "/").map(str::to_owned),
            status: http.and_then(|http| StatusDoc::said(http.status())),
            command: command.map(|words| words.iter().map(str::to_owned).collect()),
            interval_ms: ms(heartbeat.times.interval(), default.interval()),
            timeout_ms: ms(heartbeat.times.timeout(), default.timeout()),
            start_period_ms: ms(heartbeat.times.start_period(), default.start_period()),
            rise: Some(heartbeat.rise).filter(|rise| *rise != RISE),
            fall: Some(heartbeat.fall).filter(|fall| *fall != FALL),
        }
    }
}
