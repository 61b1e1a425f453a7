//! How DNS answers a question, and the zones it serves.

use serde::{Deserialize, Serialize};

/// `/v1/dns/explain?name=&type=`: how a question is answered, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsExplained {
    /// The name that was asked for, with its last dot.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// The revision this is true of: the one that questions are answered at.
    pub revision: u64,
    /// The revision of the facts that are named, where they are of another one; they may say something else by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts_revision: Option<u64>,
    /// `NOERROR`, `NXDOMAIN`, `REFUSED`, …
    pub code: String,
    /// Whether there is something in the answer: records, or who knows more.
    pub answered: bool,
    /// What a client gets, in words.
    pub outcome: String,
    /// The names it goes through, the one that was asked for first.
    pub steps: Vec<DnsStep>,
    /// The records of the answer.
    pub records: Vec<DnsRecord>,
    /// The facts it is made of.
    pub made_of: Vec<DnsFact>,
    /// The facts that might be in it and are not.
    pub left_out: Vec<DnsLeftOut>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One name that an answer goes through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsStep {
    /// Which.
    pub name: String,
    /// The zone that holds it; `null`: none.
    pub zone: Option<DnsZone>,
    /// What stands there.
    pub found: String,
}

/// A zone that DNS serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsZone {
    /// Where it begins.
    pub apex: String,
    /// What it is made of: `registry` (services, instances, hosts), `reverse` (whose addresses are), `facts` (record facts alone), `file`.
    pub kind: String,
    /// The zone file, where it is one of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The serial of its SOA.
    pub serial: u32,
    /// How many names it has.
    pub names: usize,
}

/// A record of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsRecord {
    /// `answer`, `authority` or `additional`.
    pub section: String,
    /// Whose.
    pub name: String,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// Its type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// Its data, as a zone file writes it.
    pub data: String,
}

/// A fact that an answer is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsFact {
    /// Its key.
    pub key: String,
    /// Its revision.
    pub revision: u64,
}

/// A fact that is not in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsLeftOut {
    /// Its key.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// `/v1/dns/zones`: the zones that DNS serves, by apex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsZones {
    /// The revision they stand at.
    pub revision: u64,
    /// All of them.
    pub zones: Vec<DnsZone>,
}
