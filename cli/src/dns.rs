//! `portico dns …`: how DNS answers a question, and why; the zones it serves.

use admin::wire::{DnsExplained, DnsRecord, DnsZone, DnsZones};
use clap::{Args, Subcommand};

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::table::Table;
use crate::{name, printable};

const EXAMPLES: &str = "\
Examples:
  portico dns explain web.svc.internal
  portico dns explain _http._tcp.web.svc.internal SRV
  portico dns explain www.example.com AAAA --json

Exit code 1 when there is no such name, or nothing of that type.";

/// How DNS answers a question, and why; the zones it serves.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// How a question is answered, of which facts, and why others are not in it
    Explain(ExplainArgs),
    /// List the zones that are served
    #[command(after_help = "Examples:\n  portico dns zones\n  portico dns zones --json")]
    Zones(ZonesArgs),
}

/// How a question is answered, of which facts, and why others are not in it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// The name that a client would ask for
    #[arg(value_name = "NAME")]
    name: String,
    /// For which records: A, AAAA, SRV, TXT, MX, …
    #[arg(value_name = "TYPE", default_value = "A")]
    record_type: String,
}

/// List the zones that are served
#[derive(Debug, Args)]
pub struct ZonesArgs {}

/// Runs one of them.
pub(crate) fn run(command: &Command, client: &Client) -> Result<Answer, Failure> {
    match command {
        Command::Explain(args) => explain(args, client),
        Command::Zones(ZonesArgs {}) => zones(client),
    }
}

fn explain(args: &ExplainArgs, client: &Client) -> Result<Answer, Failure> {
    let (name, record_type) = (name::encode(&args.name), name::encode(&args.record_type));
    let explained: DnsExplained = client.get(&format!("/v1/dns/explain?name={name}&type={record_type}"))?;
    let mut answer = Answer::new(&explained, text(&explained))?;
    answer.code = u8::from(!explained.answered || explained.code != "NOERROR");
    Ok(answer)
}

fn zones(client: &Client) -> Result<Answer, Failure> {
    let said: DnsZones = client.get("/v1/dns/zones")?;
    if said.zones.is_empty() {
        return Answer::new(&said, format!("no zones (revision {})\n", said.revision));
    }
    let mut table = Table::new(&["ZONE", "OF", "SERIAL", "NAMES"]);
    for zone in &said.zones {
        let numbers = [zone.serial.to_string(), zone.names.to_string()];
        table.row([zone.apex.as_str(), &made_of(zone), &numbers[0], &numbers[1]]);
    }
    Answer::new(&said, table.text())
}

fn text(explained: &DnsExplained) -> String {
    let DnsExplained { name, record_type, revision, outcome, .. } = explained;
    let title = format!("{name} {record_type} at revision {revision}: {outcome}");
    let mut text = format!("{}\n", printable::line(&title));
    let mut steps = Table::new(&[]).indented(2);
    for step in &explained.steps {
        let zone = step.zone.as_ref().map_or_else(
            || "-".to_owned(),
            |zone| format!("in {} ({}, serial {})", zone.apex, made_of(zone), zone.serial),
        );
        steps.row([step.name.as_str(), &zone, &step.found]);
    }
    text.push_str(&section("looked at, in this order:", &steps, explained.steps.len()));
    for (section_of, title) in
        [("answer", "answer:"), ("authority", "authority:"), ("additional", "additional:")]
    {
        let records: Vec<&DnsRecord> =
            explained.records.iter().filter(|record| record.section == section_of).collect();
        let mut table = Table::new(&[]).indented(2);
        for record in &records {
            table.row([record.name.as_str(), &record.ttl.to_string(), &record.record_type, &record.data]);
        }
        text.push_str(&section(title, &table, records.len()));
    }
    let mut made_of = Table::new(&[]).indented(2);
    for fact in &explained.made_of {
        made_of.row([fact.key.as_str(), &format!("revision {}", fact.revision)]);
    }
    text.push_str(&section("made of:", &made_of, explained.made_of.len()));
    let mut left_out = Table::new(&[]).indented(2);
    for fact in &explained.left_out {
        left_out.row([&fact.key, &fact.reason]);
    }
    text.push_str(&section("not in it:", &left_out, explained.left_out.len()));
    let behind = explained.facts_revision.map(|facts| {
        format!("the facts are those of revision {facts}: DNS does not serve what the registry says yet")
    });
    let notes: Vec<_> = explained.notes.iter().chain(&behind).collect();
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        text.push_str(&format!("{}\n", printable::line(note)));
    }
    text
}

/// A table below a blank line and its title; nothing where it has no rows.
fn section(title: &str, table: &Table, rows: usize) -> String {
    if rows == 0 { String::new() } else { format!("\n{title}\n{}", table.text()) }
}

fn made_of(zone: &DnsZone) -> String {
    match (&zone.path, zone.kind.as_str()) {
        (Some(path), _) => format!("file {path}"),
        (None, "registry") => "the registry".to_owned(),
        (None, "reverse") => "whose addresses are".to_owned(),
        (None, "facts") => "record facts".to_owned(),
        (None, other) => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use admin::wire::{DnsFact, DnsLeftOut, DnsStep};

    use super::*;

    fn zone(kind: &str, path: Option<&str>) -> DnsZone {
        let path = path.map(str::to_owned);
        DnsZone { apex: "svc.internal.".to_owned(), kind: kind.to_owned(), path, serial: 41, names: 9 }
    }

    fn record(section: &str, ttl: u32, data: &str) -> DnsRecord {
        let (section, name) = (section.to_owned(), "web.svc.internal.".to_owned());
        DnsRecord { section, name, ttl, record_type: "A".to_owned(), data: data.to_owned() }
    }

    fn explained() -> DnsExplained {
        let left_out =
            |key: &str, reason: &str| DnsLeftOut { key: key.to_owned(), reason: reason.to_owned() };
        DnsExplained {
            name: "web.svc.internal.".to_owned(),
            record_type: "A".to_owned(),
            revision: 42,
            facts_revision: None,
            code: "NOERROR".to_owned(),
            answered: true,
            outcome: "NOERROR, 2 records".to_owned(),
            steps: vec![DnsStep {
                name: "web.svc.internal.".to_owned(),
                zone: Some(zone("registry", None)),
                found: "service web: it has 2 records of type A".to_owned(),
            }],
            records: vec![record("answer", 5, "10.0.0.1"), record("answer", 5, "10.0.0.2")],
            made_of: vec![DnsFact { key: "instance:web/web-1".to_owned(), revision: 7 }],
            left_out: vec![
                left_out("instance:web/web-3", "draining"),
                left_out("instance:web/\x1b[2J", "has no IPv4 address"),
            ],
            notes: Vec::new(),
        }
    }

    #[test]
    fn an_answer_is_told_with_the_facts_in_it_and_why_others_are_not() {
        insta::assert_snapshot!(text(&explained()), @r"
        web.svc.internal. A at revision 42: NOERROR, 2 records

        looked at, in this order:
          web.svc.internal.  in svc.internal. (the registry, serial 41)  service web: it has 2 records of type A

        answer:
          web.svc.internal.  5  A  10.0.0.1
          web.svc.internal.  5  A  10.0.0.2

        made of:
          instance:web/web-1  revision 7

        not in it:
          instance:web/web-3      draining
          instance:web/\u{1b}[2J  has no IPv4 address
        ");
    }

    #[test]
    fn a_name_that_is_nobodys_has_no_zone_and_what_else_there_is_to_say_follows() {
        let mut nobody = explained();
        (nobody.records, nobody.made_of, nobody.left_out) = (Vec::new(), Vec::new(), Vec::new());
        nobody.outcome = "REFUSED, no zone of ours holds the name".to_owned();
        nobody.steps[0] =
            DnsStep { zone: None, found: "no zone holds it".to_owned(), ..nobody.steps[0].clone() };
        nobody.notes = vec!["did you mean web.svc.internal.?".to_owned()];
        nobody.facts_revision = Some(43);

        insta::assert_snapshot!(text(&nobody), @r"
        web.svc.internal. A at revision 42: REFUSED, no zone of ours holds the name

        looked at, in this order:
          web.svc.internal.  -  no zone holds it

        did you mean web.svc.internal.?
        the facts are those of revision 43: DNS does not serve what the registry says yet
        ");
    }

    #[test]
    fn a_zone_says_what_it_is_made_of() {
        assert_eq!(made_of(&zone("registry", None)), "the registry");
        assert_eq!(made_of(&zone("facts", None)), "record facts");
        assert_eq!(made_of(&zone("file", Some("/etc/a.zone"))), "file /etc/a.zone");
        assert_eq!(made_of(&zone("moon", None)), "moon", "of a newer portico");
    }
}
