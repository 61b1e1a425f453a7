//! What the entries of a master file say: directives, and records with their owner, TTL, class and type (RFC 1035 §5.1, RFC 2308 §4).

use std::collections::BTreeMap;

use model::record::MAX_TTL;
use model::{DomainName, RecordData, RecordSet, RecordType};

use super::ZoneFileError;
use super::data::record_data;
use super::tokens::{Line, Lines, Token};

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
        let texts: Vec<Token<'_>> = rest.to_vec();
        let data = record_data(
            record_type,
            &texts.iter().map(|token| (token.text, token.quoted)).collect::<Vec<_>>(),
            self.origin.as_ref(),
        )
        .map_err(|wrong| format!("{owner} {record_type}: {wrong}"))?;
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

/// A name: absolute with a dot at its end, else below the origin; `@` is the origin itself.
pub(super) fn name(text: &str, origin: Option<&DomainName>) -> Result<DomainName, String> {
    let no_origin = || {
        format!(
            "`{text}` is relative, and there is no origin; end it with a dot, or name the origin (ORIGIN=PATH, or $ORIGIN)"
        )
    };
    if text == "@" {
        return origin.cloned().ok_or_else(no_origin);
    }
    let name = DomainName::parse(text).map_err(|error| format!("`{text}`: {error}"))?;
    let escapes =
        text.strip_suffix('.').map(|before| before.bytes().rev().take_while(|octet| *octet == b'\\').count());
    if escapes.is_some_and(|escapes| escapes % 2 == 0) {
        return Ok(name);
    }
    name.below(origin.ok_or_else(no_origin)?).map_err(|error| format!("`{text}`: {error}"))
}

/// Seconds: a number, or numbers with units (`1h30m`).
pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let wrong =
        || format!("`{text}` is no time; write seconds up to {MAX_TTL}, or such as 1h30m (w, d, h, m, s)");
    let (mut total, mut number) = (0_u64, None);
    for octet in text.bytes() {
        if octet.is_ascii_digit() {
            number = Some(number.unwrap_or(0_u64) * 10 + u64::from(octet - b'0'));
        } else {
            let unit = match octet.to_ascii_lowercase() {
                b's' => 1,
                b'm' => 60,
                b'h' => 3_600,
                b'd' => 86_400,
                b'w' => 604_800,
                _ => return Err(wrong()),
            };
            total += number.take().ok_or_else(wrong)? * unit;
        }
        if total > u64::from(MAX_TTL) || number.is_some_and(|number| number > u64::from(MAX_TTL)) {
            return Err(wrong());
        }
    }
    total += number.unwrap_or(0);
    if text.is_empty() || total > u64::from(MAX_TTL) {
        return Err(wrong());
    }
    u32::try_from(total).map_err(|_| wrong())
}
