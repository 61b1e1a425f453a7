//! `portico history`: who changed what, when.

use std::collections::BTreeMap;

use admin::wire::{FactDoc, FrontendDoc, History, HistoryRecord};
use clap::Args;

use crate::answer::Answer;
use crate::client::Client;
use crate::fact::{changed_fields, says};
use crate::failure::Failure;
use crate::frontend::answers_of;
use crate::name;
use crate::table::Table;

const EXAMPLES: &str = "\
Examples:
  portico history
  portico history --limit 100 --frontend www.example.com/api";

/// Who changed what, when; newest first
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HistoryArgs {
    /// At most this many changes (the registry keeps the last 10000)
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only changes older than this revision
    #[arg(long, value_name = "N")]
    before: Option<u64>,
    /// Only changes of this frontend
    #[arg(long, value_name = "HOST[/path]", conflicts_with = "fact")]
    frontend: Option<String>,
    /// Only changes of this fact: service:NAME, instance:SERVICE/NAME or host:NAME
    #[arg(long, value_name = "KEY")]
    fact: Option<String>,
}

/// Runs it: page after page, when the server's pages are shorter than the limit.
pub(crate) fn run(args: &HistoryArgs, client: &Client) -> Result<Answer, Failure> {
    let key = args
        .frontend
        .as_deref()
        .or(args.fact.as_deref())
        .map(|name| format!("&key={}", name::encode(name)))
        .unwrap_or_default();
    let limit = args.limit as usize;
    let mut history = History { records: Vec::new(), next: args.before };
    loop {
        let before = history.next.map(|before| format!("&before={before}")).unwrap_or_default();
        let missing = limit.saturating_sub(history.records.len());
        let page: History = client.get(&format!("/v1/history?limit={missing}{before}{key}"))?;
        // A page with nothing on it is the last one, whatever it says.
        history.next = page.next.filter(|_| !page.records.is_empty());
        history.records.extend(page.records);
        if history.next.is_none() || history.records.len() >= limit {
            break;
        }
    }
    Answer::new(&history, text(&history))
}

fn text(history: &History) -> String {
    if history.records.is_empty() {
        return "no changes\n".to_owned();
    }
    let of_frontends = history.records.iter().all(|record| record.key.starts_with("frontend:"));
    let fact = if of_frontends { "FRONTEND" } else { "FACT" };
    let mut table = Table::new(&["REVISION", "WHEN", "WHO", fact, "WHAT"]);
    for record in &history.records {
        let key = record.key.strip_prefix("frontend:").unwrap_or(&record.key);
        table.row([&record.revision.to_string(), &record.at, &record.who, key, &what(record)]);
    }
    table.text()
}

/// What a change did.
fn what(record: &HistoryRecord) -> String {
    match (&record.before, &record.after) {
        // A foreign writer's entry that nobody can use.
        (_, None) if record.set_aside => "set aside".to_owned(),
        (Some(_), None) => "removed".to_owned(),
        // A foreign writer's entry that came and went between two looks.
        (None, None) => "nothing before or after".to_owned(),
        (None, Some(after)) => format!("-> {}", says(after)),
        (Some(before), Some(after)) => difference(before, after),
    }
}

/// What is different.
pub(crate) fn difference(before: &FactDoc, after: &FactDoc) -> String {
    match (before, after) {
        (FactDoc::Frontend(before), FactDoc::Frontend(after)) => of_frontends(before, after),
        (before, after) => changed_fields(before, after),
    }
}

/// Which endpoints came (`+`), went (`-`) or have another weight (`~`), and that the rest changed too.
fn of_frontends(before: &FrontendDoc, after: &FrontendDoc) -> String {
    let weights = |doc: &FrontendDoc| -> BTreeMap<String, u64> {
        let endpoints = doc.endpoints.iter().flatten();
        endpoints.map(|endpoint| (endpoint.url.clone(), endpoint.weight.unwrap_or(1))).collect()
    };
    let (old, new) = (weights(before), weights(after));
    let mut said: Vec<String> =
        old.keys().filter(|url| !new.contains_key(*url)).map(|url| format!("-{url}")).collect();
    for (url, weight) in &new {
        match old.get(url) {
            None => said.push(format!("+{url}")),
            Some(old) if old != weight => said.push(format!("~{url} (weight {old} -> {weight})")),
            Some(_) => {}
        }
    }
    if before.service != after.service {
        said.push(format!("-> {}", answers_of(after)));
    }
    let rest = |doc: &FrontendDoc| {
        (doc.backend.clone(), doc.balance.clone(), doc.timeouts.clone(), doc.check.clone(), doc.dns)
    };
    if rest(before) != rest(after) {
        said.push("policy changed".to_owned());
    }
    if said.is_empty() { "written again".to_owned() } else { said.join(" ") }
}

#[cfg(test)]
mod tests {
    use admin::wire::{BalanceDoc, EndpointDoc};

    use super::*;

    fn doc(endpoints: &[(&str, Option<u64>)]) -> FactDoc {
        FactDoc::Frontend(frontend(endpoints))
    }

    fn frontend(endpoints: &[(&str, Option<u64>)]) -> FrontendDoc {
        let endpoints =
            endpoints.iter().map(|(url, weight)| EndpointDoc { url: (*url).to_owned(), weight: *weight });
        FrontendDoc {
            host: "www.example.com".to_owned(),
            path: None,
            backend: None,
            endpoints: Some(endpoints.collect()),
            service: None,
            balance: None,
            timeouts: None,
            check: None,
            dns: None,
        }
    }

    fn record(revision: u64, before: Option<FactDoc>, after: Option<FactDoc>) -> HistoryRecord {
        HistoryRecord {
            revision,
            at_ms: 1_700_000_000_000,
            at: "2023-11-14T22:13:20.000Z".to_owned(),
            who: "cli:root@\x1bhost".to_owned(),
            key: "frontend:www.example.com".to_owned(),
            before,
            before_known: true,
            after,
            set_aside: false,
        }
    }

    #[test]
    fn changes_say_who_when_and_what() {
        let one = doc(&[("http://a:1", None)]);
        let two = doc(&[("http://a:1", Some(3)), ("http://b:2", None)]);
        let other_policy = FactDoc::Frontend(FrontendDoc {
            balance: Some(BalanceDoc::Random),
            ..frontend(&[("http://a:1", None)])
        });
        let aside = HistoryRecord { set_aside: true, ..record(6, Some(one.clone()), None) };
        let records = vec![
            aside,
            record(5, Some(other_policy.clone()), None),
            record(4, Some(one.clone()), Some(other_policy)),
            record(3, Some(two.clone()), Some(one.clone())),
            record(2, Some(one.clone()), Some(two)),
            record(1, None, Some(one)),
            record(0, None, None),
        ];

        insta::assert_snapshot!(text(&History { records, next: None }), @r#"
        REVISION  WHEN                      WHO                  FRONTEND         WHAT
        6         2023-11-14T22:13:20.000Z  cli:root@\u{1b}host  www.example.com  set aside
        5         2023-11-14T22:13:20.000Z  cli:root@\u{1b}host  www.example.com  removed
        4         2023-11-14T22:13:20.000Z  cli:root@\u{1b}host  www.example.com  policy changed
        3         2023-11-14T22:13:20.000Z  cli:root@\u{1b}host  www.example.com  -http://b:2 ~http://a:1 (weight 3 -> 1)
        2         2023-11-14T22:13:20.000Z  cli:root@\u{1b}host  www.example.com  ~http://a:1 (weight 1 -> 3) +http://b:2
        1         2023-11-14T22:13:20.000Z  cli:root@\u{1b}host  www.example.com  -> http://a:1
        0         2023-11-14T22:13:20.000Z  cli:root@\u{1b}host  www.example.com  nothing before or after
        "#);
    }
}
