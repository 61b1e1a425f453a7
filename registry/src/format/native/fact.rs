//! A fact of any kind, as JSON.

use model::{Fact, FactKey, FactKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ControllerDoc, DeploymentDoc, FormatError, FrontendDoc, HostDoc, InstanceDoc, RecordDoc, ServiceDoc,
    StandingDoc, read_document,
};

/// A fact as JSON; what kind it is of stands beside it, in a key or a path. None of the documents reads as one of another kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FactDoc {
    /// A frontend.
    Frontend(FrontendDoc),
    /// An instance.
    Instance(InstanceDoc),
    /// A host.
    Host(HostDoc),
    /// A record set.
    Record(RecordDoc),
    /// How far a service has come.
    Deployment(Box<DeploymentDoc>),
    /// How a host stands.
    Standing(Box<StandingDoc>),
    /// Who controls.
    Controller(ControllerDoc),
    /// A service; there may be much to say of one.
    Service(Box<ServiceDoc>),
}

/// Reads a fact of this kind from its JSON.
///
/// # Errors
/// [`FormatError`] names the field, what is wrong with it and how to write it.
pub fn read_fact(kind: FactKind, json: &[u8]) -> Result<Fact, FormatError> {
    Fact::try_from(match kind {
        FactKind::Frontend => FactDoc::Frontend(read_document(kind, json)?),
        FactKind::Service => FactDoc::Service(read_document(kind, json)?),
        FactKind::Instance => FactDoc::Instance(read_document(kind, json)?),
        FactKind::Host => FactDoc::Host(read_document(kind, json)?),
        FactKind::Record => FactDoc::Record(read_document(kind, json)?),
        FactKind::Deployment => FactDoc::Deployment(read_document(kind, json)?),
        FactKind::Standing => FactDoc::Standing(read_document(kind, json)?),
        FactKind::Controller => FactDoc::Controller(read_document(kind, json)?),
    })
}

/// Reads a fact of this kind from JSON that was read already.
///
/// # Errors
/// [`FormatError`] names the field, what is wrong with it and how to write it.
pub fn fact_of(kind: FactKind, value: Value) -> Result<Fact, FormatError> {
    Fact::try_from(match kind {
        FactKind::Frontend => FactDoc::Frontend(of_value(kind, value)?),
        FactKind::Service => FactDoc::Service(of_value(kind, value)?),
        FactKind::Instance => FactDoc::Instance(of_value(kind, value)?),
        FactKind::Host => FactDoc::Host(of_value(kind, value)?),
        FactKind::Record => FactDoc::Record(of_value(kind, value)?),
        FactKind::Deployment => FactDoc::Deployment(of_value(kind, value)?),
        FactKind::Standing => FactDoc::Standing(of_value(kind, value)?),
        FactKind::Controller => FactDoc::Controller(of_value(kind, value)?),
    })
}

fn of_value<T: for<'de> Deserialize<'de>>(kind: FactKind, value: Value) -> Result<T, FormatError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." { String::new() } else { place };
        FormatError::at(place, error.inner(), super::field_remedy(kind))
    })
}

/// Writes a fact as JSON, on one line.
pub fn write_fact(fact: &Fact) -> String {
    // A document of strings and numbers always has a JSON form.
    serde_json::to_string(&FactDoc::from(fact)).unwrap_or_default()
}

impl TryFrom<FactDoc> for Fact {
    type Error = FormatError;

    fn try_from(doc: FactDoc) -> Result<Self, FormatError> {
        Ok(match doc {
            FactDoc::Frontend(doc) => Self::Frontend(doc.try_into()?),
            FactDoc::Service(doc) => Self::Service(Box::new((*doc).try_into()?)),
            FactDoc::Instance(doc) => Self::Instance(Box::new(doc.try_into()?)),
            FactDoc::Host(doc) => Self::Host(Box::new(doc.try_into()?)),
            FactDoc::Record(doc) => Self::Record(Box::new(doc.try_into()?)),
            FactDoc::Deployment(doc) => Self::Deployment(Box::new((*doc).try_into()?)),
            FactDoc::Standing(doc) => Self::Standing(Box::new((*doc).try_into()?)),
            FactDoc::Controller(doc) => Self::Controller(Box::new(doc.try_into()?)),
        })
    }
}

impl From<&Fact> for FactDoc {
    fn from(fact: &Fact) -> Self {
        match fact {
            Fact::Frontend(frontend) => Self::Frontend(frontend.into()),
            Fact::Service(service) => Self::Service(Box::new((&**service).into())),
            Fact::Instance(instance) => Self::Instance((&**instance).into()),
            Fact::Host(host) => Self::Host((&**host).into()),
            Fact::Record(record) => Self::Record((&**record).into()),
            Fact::Deployment(deployment) => Self::Deployment(Box::new((&**deployment).into())),
            Fact::Standing(standing) => Self::Standing(Box::new((&**standing).into())),
            Fact::Controller(controller) => Self::Controller((&**controller).into()),
        }
    }
}

/// The key of the fact that this JSON names; its other fields are not looked at.
///
/// # Errors
/// [`FormatError`] names the field that is missing or malformed.
pub fn key_of(kind: FactKind, value: &Value) -> Result<FactKey, FormatError> {
    let text = |field: &str| {
        value.get(field).and_then(Value::as_str).ok_or_else(|| {
            FormatError::at(field, "it is missing, or no text", "write what the fact is named by")
        })
    };
    let (field, key) = match kind {
        FactKind::Frontend => {
            let path = value.get("path").map(|_| text("path")).transpose()?.unwrap_or_default();
            ("host", format!("{kind}:{}{path}", text("host")?))
        }
        FactKind::Controller => return Ok(FactKey::Controller),
        FactKind::Service | FactKind::Host | FactKind::Deployment | FactKind::Standing => {
            ("name", format!("{kind}:{}", text("name")?))
        }
        FactKind::Record => ("name", format!("{kind}:{}/{}", text("name")?, text("type")?)),
        FactKind::Instance => ("name", format!("{kind}:{}/{}", text("service")?, text("name")?)),
    };
    FactKey::parse(&key).map_err(|error| FormatError::at(field, error, "write the name that it has"))
}
