//! A record set as JSON. `config/record.example.json` shows all of it.

use model::{DomainName, RecordData, RecordFact, RecordType};
use serde::{Deserialize, Serialize};

use super::FormatError;

/// A record set as JSON. Defaults are left out when written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordDoc {
    /// Whose records, with or without the last dot: `www.example.com.`
    pub name: String,
    /// Of which type: `A`, `TXT`, `TYPE65534`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// How long they may be kept, in seconds, 0 to 2147483647; default: as the zone says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// The data of each record, as zone files write it, names with their last dot: `10 mail.example.com.`
    pub data: Vec<String>,
}

/// How the data of a record of this type is written.
fn data_remedy(record_type: RecordType) -> String {
    let example = example(record_type).map(|example| format!(", as `{example}`")).unwrap_or_default();
    format!(r"write it as in a zone file{example}, or its octets as `\# LENGTH HEX`")
}

/// Data of this type, as somebody may want to write it.
fn example(record_type: RecordType) -> Option<&'static str> {
    Some(match record_type {
        RecordType::A => "192.0.2.1",
        RecordType::AAAA => "2001:db8::1",
        RecordType::CNAME | RecordType::DNAME | RecordType::NS | RecordType::PTR => "www.example.com.",
        RecordType::MX => "10 mail.example.com.",
        RecordType::SRV => "10 5 8080 web.example.com.",
        RecordType::TXT => "\"a text\"",
        RecordType::CAA => "0 issue \"ca.example.net\"",
        RecordType::HTTPS | RecordType::SVCB => "1 . alpn=h2",
        RecordType::SOA => "ns1.example.com. hostmaster.example.com. 1 1h 10m 1w 1m",
        _ => return None,
    })
}

impl TryFrom<RecordDoc> for RecordFact {
    type Error = FormatError;

    fn try_from(doc: RecordDoc) -> Result<Self, FormatError> {
        let remedy = "write a domain name, such as `www.example.com.`";
        let name = DomainName::parse(&doc.name).map_err(|e| FormatError::at("name", e, remedy))?;
        let record_type = RecordType::parse(&doc.record_type)
            .map_err(|e| FormatError::at("type", e, "write `A`, `TXT`, `CAA` …"))?;
        let ttl = doc.ttl.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
        let data = doc.data.iter().enumerate().map(|(i, text)| {
            RecordData::parse(record_type, text)
                .map_err(|e| FormatError::at(format!("data[{i}]"), e, data_remedy(record_type)))
        });
        let data = data.collect::<Result<_, _>>()?;
        Self::new(&name, record_type, ttl, data).map_err(|error| {
            let (place, remedy) = match error {
                model::record::RecordSetError::Ttl => ("ttl", "write seconds, or leave it out"),
                _ => ("data", "correct the list"),
            };
            FormatError::at(place, error, remedy)
        })
    }
}

impl From<&RecordFact> for RecordDoc {
    fn from(record: &RecordFact) -> Self {
        Self {
            name: record.name().to_string(),
            record_type: record.record_type().to_string(),
            ttl: record.ttl().map(u64::from),
            data: record.data().iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_in_a_message_is_of_the_type_that_was_asked_for() {
        let all = (0..=u16::MAX).map(RecordType).filter_map(|of| Some((of, example(of)?)));
        for (of, example) in all {
            assert!(RecordData::parse(of, example).is_ok(), "{of} {example}");
            assert!(data_remedy(of).contains(example), "{of}");
        }
        assert_eq!(example(RecordType::A), Some("192.0.2.1"));
        assert_eq!(
            data_remedy(RecordType::DS),
            r"write it as in a zone file, or its octets as `\# LENGTH HEX`"
        );
    }
}
