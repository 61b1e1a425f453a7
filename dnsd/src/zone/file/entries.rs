//! What the entries of a master file say: directives, and records with their owner, TTL, class and type (RFC 1035 §5.1, RFC 2308 §4).

use std::collections::BTreeMap;

use model::record::text::{self, RecordTextError, Token};
use model::{DomainName, RecordData, RecordSet, RecordType};

use super::ZoneFileError;
use super::tokens::{Line, Lines};

/// The records of a file.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Where the SOA record is.
    pub apex: Option<DomainName>,
    sets: BTreeMap<(DomainName, RecordType), Collected>,
}

#[derive(Debug)]
struct Collected {
    line: usize,
    ttl: u32,
    data: Vec<RecordData>,
}

impl Records {
    /// The sets, or what is wrong with one of them and where it begins.
    pub(super) fn sets(&self) -> Result<Vec<RecordSet>, (usize, String)> {
        let set = |((name, record_type), collected): (&(DomainName, RecordType), &Collected)| {
            RecordSet::new(name.clone(), *record_type, collected.ttl, collected.data.clone())
                .map_err(|error| (collected.line, format!("{name} {record_type}: {error}")))
        };
        self.sets.iter().map(set).collect()
    }

    /// Where the first record of a name stands.
    pub(super) fn line_of(&self, name: &DomainName) -> Option<usize> {
        let from = (name.clone(), RecordType(0));
        let of_name = self.sets.range(from..).take_while(|((other, _), _)| other == name);
        of_name.map(|(_, collected)| collected.line).min()
    }

    fn add(&mut self, line: usize, owner: &DomainName, ttl: u32, data: RecordData) -> Result<(), String> {
        if data.record_type() == RecordType::SOA {
            if self.apex.as_ref().is_some_and(|apex| apex != owner) {
                return Err(format!(
                    "{owner} is the second zone of this file; write each zone into a file of its own"
                ));
            }
            self.apex = Some(owner.clone());
        }
        let key = (owner.clone(), data.record_type());
        let collected = self.sets.entry(key).or_insert(Collected { line, ttl, data: Vec::new() });
        // All records of a set have one TTL: the shortest (RFC 2181 §5.2).
        collected.ttl = collected.ttl.min(ttl);
        collected.data.push(data);
        Ok(())
    }
}

/// Reads all entries.
pub(super) fn read(text: &str, origin: Option<&DomainName>) -> Result<Records, ZoneFileError> {
    let mut reader = Reader { origin: origin.cloned(), ..Reader::default() };
    let mut lines = Lines::of(text);
    while let Some(line) = lines.next()? {
        reader.read(&line).map_err(|message| ZoneFileError { line: Some(line.number), message })?;
    }
    Ok(reader.records)
}

#[derive(Default)]
struct Reader {
    origin: Option<DomainName>,
    owner: Option<DomainName>,
    /// What `$TTL` said.
    default_ttl: Option<u32>,
    /// The last TTL of a record, or the SOA's MINIMUM.
    last_ttl: Option<u32>,
    records: Records,
}

impl Reader {
    fn read(&mut self, line: &Line<'_>) -> Result<(), String> {
        let Some((first, rest)) = line.tokens.split_first() else { return Ok(()) };
        if !line.indented && !first.quoted && first.text.starts_with('$') {
            return self.direct(first.text, rest);
        }
        let rest = if line.indented {
            &line.tokens[..]
        } else {
            self.owner = Some(name(first.text, self.origin.as_ref())?);
            rest
        };
        let owner = self.owner.clone().ok_or("there is no name in this line, nor in one above it")?;
        let (ttl, record_type, rest) = head(rest)?;
        let data = RecordData::of_tokens(record_type, rest, self.origin.as_ref()).map_err(told);
        let data = data.map_err(|wrong| format!("{owner} {record_type}: {wrong}"))?;
        let ttl = self.ttl(ttl, &data)?;
        self.records.add(line.number, &owner, ttl, data)
    }

    /// The TTL of a record: its own, that of `$TTL`, the last one, or the SOA's MINIMUM.
    fn ttl(&mut self, own: Option<u32>, data: &RecordData) -> Result<u32, String> {
        let ttl = own.or(self.default_ttl).or(self.last_ttl).or_else(|| data.soa_minimum());
        self.last_ttl = ttl;
        ttl.ok_or_else(|| "the record has no TTL; write `$TTL 3600` at the top of the file".into())
    }

    fn direct(&mut self, directive: &str, rest: &[Token<'_>]) -> Result<(), String> {
        match (directive.to_ascii_uppercase().as_str(), rest) {
            ("$ORIGIN", [origin]) => self.origin = Some(name(origin.text, self.origin.as_ref())?),
            ("$TTL", [ttl]) => self.default_ttl = Some(seconds(ttl.text)?),
            ("$ORIGIN" | "$TTL", _) => return Err(format!("{directive} has one value")),
            ("$INCLUDE", _) => {
                return Err("$INCLUDE is not followed, because a zone file may be another's; write those records here".into());
            }
            _ => return Err(format!("{directive} is no directive of portico's; there are $ORIGIN and $TTL")),
        }
        Ok(())
    }
}

/// TTL and class in either order, then the type.
fn head<'l, 't>(mut rest: &'l [Token<'t>]) -> Result<(Option<u32>, RecordType, &'l [Token<'t>]), String> {
    let (mut ttl, mut class) = (None, false);
    loop {
        let (token, behind) = rest.split_first().ok_or("the record's type is missing")?;
        rest = behind;
        let text = token.text;
        if text.eq_ignore_ascii_case("IN") && !class {
            class = true;
        } else if ["CH", "HS", "CS"].iter().any(|other| text.eq_ignore_ascii_case(other)) && !class {
            return Err(format!("class {text} is not served; write IN"));
        } else if ttl.is_none() && text.starts_with(|c: char| c.is_ascii_digit()) {
            ttl = Some(seconds(text)?);
        } else {
            let record_type = RecordType::parse(text).map_err(|error| format!("`{text}`: {error}"))?;
            return Ok((ttl, record_type, rest));
        }
    }
}

/// A name, below the origin when it is relative.
fn name(text: &str, origin: Option<&DomainName>) -> Result<DomainName, String> {
    text::name(text, origin).map_err(told)
}

/// What is wrong, in the words of zone files: they may name an origin.
fn told(error: RecordTextError) -> String {
    match error {
        RecordTextError::Relative(_) => format!("{error}, or name the origin (ORIGIN=PATH, or $ORIGIN)"),
        RecordTextError::Malformed(message) => message,
    }
}

fn seconds(text: &str) -> Result<u32, String> {
    text::seconds(text).map_err(told)
}
