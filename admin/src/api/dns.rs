//! `/v1/dns`: how DNS answers a question, and the zones it serves.
//!
//! The question is put to the very zones that are answered from; the facts are those of the same revision, where that is to be had.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use dnsd::Dnsd;
use dnsd::explain::{Explanation, Holder, ZoneView};
use dnsd::zone::{Outcome, Question};
use model::{DomainName, RecordType, Snapshot};
use serde::Deserialize;

use super::extract::Params;
use super::{json, same};
use crate::doors::App;
use crate::problem::Problem;
use crate::wire::{DnsExplained, DnsFact, DnsLeftOut, DnsRecord, DnsStep, DnsZone, DnsZones};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    name: String,
    r#type: Option<String>,
}

/// `GET /v1/dns/explain?name=&type=`
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let dns = door(&app)?;
    let question = question(&query)?;
    let same = same::zones(&app, &dns).await;
    let limit = app.config.page;
    let explained = tokio::task::spawn_blocking(move || {
        let explanation = dns.explain(&same.served, &same.snapshot, &question);
        told(&question, explanation, &same.snapshot, limit)
    });
    let explained = explained.await.map_err(|error| {
        let remedy = "this is a defect of portico; please report it";
        let detail = format!("explain ended early: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail, remedy)
    })?;
    Ok(json(StatusCode::OK, &explained))
}

/// `GET /v1/dns/zones`
pub(crate) async fn zones(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let dns = door(&app)?;
    let served = dns.served();
    let snapshot = Arc::clone(&app.doors.registry.snapshots().borrow());
    let zones = dns.zones(&served, &snapshot).into_iter().map(zone).collect();
    Ok(json(StatusCode::OK, &DnsZones { revision: served.zones().revision().number(), zones }))
}

fn door(app: &App) -> Result<Dnsd, Problem> {
    app.doors.dns.clone().ok_or_else(|| {
        let remedy = "ask a node that does, or start this one with --dns ADDRESS (dns.listen)";
        Problem::new(StatusCode::NOT_FOUND, "no-dns", "this node does not serve DNS", remedy)
    })
}

fn question(query: &Query) -> Result<Question, Problem> {
    let name = DomainName::parse(&query.name).map_err(|error| {
        Problem::invalid("name", error.to_string(), "write a domain name: www.example.com")
    })?;
    let record_type = match &query.r#type {
        Some(text) => RecordType::parse(text)
            .map_err(|error| Problem::invalid("type", error.to_string(), "write A, AAAA, SRV, TXT, MX …"))?,
        None => RecordType::A,
    };
    if !record_type.is_data() && record_type != RecordType::ANY {
        let detail = format!("no record is of type {record_type}");
        return Err(Problem::invalid(
            "type",
            detail,
            "ask for a type that records have: A, AAAA, SRV, TXT, MX …",
        ));
    }
    Ok(Question { name, record_type })
}

/// The explanation as JSON carries it, of each list at most `limit` entries.
fn told(question: &Question, explained: Explanation, snapshot: &Snapshot, limit: usize) -> DnsExplained {
    let facts = snapshot.revision();
    let steps = explained.steps.into_iter().map(|step| DnsStep {
        name: step.name.to_string(),
        zone: step.zone.map(zone),
        found: step.found,
    });
    let records: Vec<_> = explained
        .records
        .into_iter()
        .take(limit)
        .map(|record| DnsRecord {
            section: record.section.to_owned(),
            name: record.owner.to_string(),
            ttl: record.ttl,
            record_type: record.record_type.to_string(),
            data: record.data,
        })
        .collect();
    let made_of = explained.made_of.into_iter().take(limit);
    let left_out = explained.left_out.into_iter().take(limit);
    DnsExplained {
        name: question.name.to_string(),
        record_type: question.record_type.to_string(),
        revision: explained.revision.number(),
        facts_revision: (facts != explained.revision).then_some(facts.number()),
        code: code(explained.outcome).to_owned(),
        answered: explained.is_answered,
        outcome: outcome(explained.outcome, explained.is_answered, &records),
        steps: steps.collect(),
        records,
        made_of: made_of
            .map(|(key, revision)| DnsFact { key: key.to_string(), revision: revision.number() })
            .collect(),
        left_out: left_out.map(|(key, reason)| DnsLeftOut { key: key.to_string(), reason }).collect(),
        notes: explained.notes,
    }
}

fn code(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fine => "NOERROR",
        Outcome::NoName => "NXDOMAIN",
        Outcome::TooLong => "YXDOMAIN",
        Outcome::NotOurs => "REFUSED",
        Outcome::NotYet | Outcome::TooOld => "SERVFAIL",
    }
}

/// What a client gets.
fn outcome(outcome: Outcome, is_answered: bool, records: &[DnsRecord]) -> String {
    let code = code(outcome);
    let answers = records.iter().filter(|record| record.section == "answer").count();
    let aliases = if answers > 0 { " behind an alias" } else { "" };
    match (outcome, is_answered) {
        (Outcome::Fine, true) if answers == 0 => format!("{code}, a delegation"),
        (Outcome::Fine, true) if answers == 1 => format!("{code}, 1 record"),
        (Outcome::Fine, true) => format!("{code}, {answers} records"),
        (Outcome::Fine, false) => format!("{code}, no such records"),
        (Outcome::NoName, _) => format!("{code}, no such name{aliases}"),
        (Outcome::TooLong, _) => format!("{code}, a DNAME makes a name of it that is too long"),
        (Outcome::NotOurs, _) => format!("{code}, no zone of ours holds the name"),
        (Outcome::TooOld, _) => format!("{code}, what is known of its zone is too old to be told"),
        (Outcome::NotYet, _) => format!("{code}, the registry is not known yet"),
    }
}

fn zone(view: ZoneView) -> DnsZone {
    let ZoneView { apex, holder, serial, names } = view;
    let (kind, path) = match holder {
        Holder::Registry => ("registry", None),
        Holder::Reverse => ("reverse", None),
        Holder::Frontends => ("frontends", None),
        Holder::Facts => ("facts", None),
        Holder::File(path) => ("file", Some(path.display().to_string())),
    };
    DnsZone { apex: apex.to_string(), kind: kind.to_owned(), path, serial, names }
}
