//! How a host stands, as JSON: only a controller writes it.

use model::{HostName, Power, PowerState, Standing};
use serde::{Deserialize, Serialize};

use super::FormatError;
use super::instance::addresses;
use super::run::reason;
use super::service::NAME_REMEDY;

/// How a host stands, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingDoc {
    /// Which host.
    pub name: String,
    /// Where it was found; empty: nowhere yet, or it says itself where it is.
    pub found: Vec<String>,
    /// Why no address of it is known; left out: one is, or it was not looked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lost: String,
    /// Whether it runs; left out of a host that nobody starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerDoc>,
}

/// Whether a host runs, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerDoc {
    /// How far it has come.
    pub state: PowerStateDoc,
    /// Whether the action has ended well that this follows from; left out: it has not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
    /// How often in a row it could not be started, or stopped; left out: not at all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u16,
    /// Why it is so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// How far a host has come that is started and stopped, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerStateDoc {
    /// It does not run.
    Stopped,
    /// It is being started.
    Starting,
    /// Its engine answered.
    Running,
    /// It is being stopped.
    Stopping,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

impl TryFrom<StandingDoc> for Standing {
    type Error = FormatError;

    fn try_from(doc: StandingDoc) -> Result<Self, FormatError> {
        let power = doc.power.map(|power| Power {
            state: power.state.into(),
            done: power.done,
            failures: power.failures,
            reason: reason(&power.reason),
        });
        Ok(Self {
            host: HostName::parse(&doc.name).map_err(|e| FormatError::at("name", e, NAME_REMEDY))?,
            addresses: if doc.found.is_empty() { None } else { Some(addresses(&doc.found)?) },
            lost: reason(&doc.lost),
            power,
        })
    }
}

impl From<&Standing> for StandingDoc {
    fn from(standing: &Standing) -> Self {
        let power = standing.power.as_ref().map(|power| PowerDoc {
            state: power.state.into(),
            done: power.done,
            failures: power.failures,
            reason: reason(&power.reason).into(),
        });
        Self {
            name: standing.host.to_string(),
            found: standing
                .addresses
                .iter()
                .flat_map(model::Addresses::iter)
                .map(|ip| ip.to_string())
                .collect(),
            lost: reason(&standing.lost).into(),
            power,
        }
    }
}

impl From<PowerStateDoc> for PowerState {
    fn from(doc: PowerStateDoc) -> Self {
        match doc {
            PowerStateDoc::Stopped => Self::Stopped,
            PowerStateDoc::Starting => Self::Starting,
            PowerStateDoc::Running => Self::Running,
            PowerStateDoc::Stopping => Self::Stopping,
        }
    }
}

impl From<PowerState> for PowerStateDoc {
    fn from(state: PowerState) -> Self {
        match state {
            PowerState::Stopped => Self::Stopped,
            PowerState::Starting => Self::Starting,
            PowerState::Running => Self::Running,
            PowerState::Stopping => Self::Stopping,
        }
    }
}
