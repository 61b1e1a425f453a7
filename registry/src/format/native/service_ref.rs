//! The service that answers for a frontend, as JSON: its name, or an object with a port of it.

use std::fmt;

use model::{PortName, ServiceName, ServiceRef};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::FormatError;
use super::service::NAME_REMEDY;

/// A service as JSON: `"web"` or `{"name": "web", "port": "http"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRefDoc {
    /// Its name.
    pub name: String,
    /// The name of a port of it; default: its first TCP port.
    pub port: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<String>,
}

impl TryFrom<ServiceRefDoc> for ServiceRef {
    type Error = FormatError;

    fn try_from(doc: ServiceRefDoc) -> Result<Self, FormatError> {
        let service = ServiceName::parse(&doc.name);
        let port = doc.port.as_deref().map(PortName::parse).transpose();
        Ok(Self {
            service: service.map_err(|e| FormatError::at("service", e, NAME_REMEDY))?,
            port: port.map_err(|e| FormatError::at("service.port", e, NAME_REMEDY))?,
        })
    }
}

impl From<&ServiceRef> for ServiceRefDoc {
    fn from(of: &ServiceRef) -> Self {
        Self { name: of.service.to_string(), port: of.port.as_ref().map(ToString::to_string) }
    }
}

impl Serialize for ServiceRefDoc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.port {
            None => serializer.serialize_str(&self.name),
            Some(_) => Fields { name: self.name.clone(), port: self.port.clone() }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ServiceRefDoc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ServiceRefVisitor)
    }
}

struct ServiceRefVisitor;

impl<'de> Visitor<'de> for ServiceRefVisitor {
    type Value = ServiceRefDoc;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a service's name or an object like {"name": "web", "port": "http"}"#)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<ServiceRefDoc, E> {
        Ok(ServiceRefDoc { name: name.to_owned(), port: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServiceRefDoc, A::Error> {
        let Fields { name, port } = Fields::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ServiceRefDoc { name, port })
    }
}
