//! `portico frontend show`: show one frontend.

use admin::wire::{FrontendView, TimeoutsDoc};
use clap::Args;

use super::check::check_of;
use super::{balance_of, in_our_words, name_of};
use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::name;
use crate::table::Table;

const EXAMPLES: &str = "\
Examples:
  portico frontend show www.example.com
  portico frontend show www.example.com/api --json";

/// Show one frontend
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ShowArgs {
    /// The frontend
    #[arg(value_name = "HOST[/path]")]
    name: String,
}

/// Runs it.
pub(crate) fn run(args: &ShowArgs, client: &Client) -> Result<Answer, Failure> {
    let view: FrontendView =
        client.get(&name::url_of(&args.name, "")).map_err(|failure| in_our_words(failure, &args.name))?;
    Answer::new(&view, text(&view))
}

fn text(view: &FrontendView) -> String {
    let doc = &view.frontend;
    let mut head = Table::new(&[]);
    head.row(["frontend", &name_of(doc)]);
    head.row([
        "backend",
        doc.backend.as_deref().unwrap_or(doc.service.as_ref().map_or(&doc.host, |of| &of.name)),
    ]);
    head.row(["balance", &balance_of(doc.balance.as_ref())]);
    if let Some(timeouts) = &doc.timeouts {
        head.row(["timeouts", &timeouts_of(timeouts)]);
    }
    if let Some(check) = &doc.check {
        head.row(["check", &check_of(check)]);
    }
    if doc.dns == Some(true) {
        head.row(["dns", "answers its host with where the proxies are"]);
    }
    head.row(["revision", &view.revision.to_string()]);
    head.row(["kept as", &view.kept_as]);
    let mut endpoints = Table::new(&["ENDPOINT", "WEIGHT"]);
    for endpoint in doc.endpoints.iter().flatten() {
        endpoints.row([endpoint.url.as_str(), &endpoint.weight.unwrap_or(1).to_string()]);
    }
    let mut text = format!("{}\n{}", head.text(), endpoints.text());
    if doc.service.is_some() {
        text = format!("{}answered by {}\n", head.text(), super::answers_of(doc));
    } else if doc.endpoints.as_ref().is_none_or(Vec::is_empty) {
        text.push_str("none: its requests are answered 502\n");
    }
    if !view.rejected.is_empty() {
        let mut rejected = Table::new(&["NOT USABLE", "WHY"]);
        for entry in &view.rejected {
            rejected.row([&entry.text, &entry.reason]);
        }
        text.push('\n');
        text.push_str(&rejected.text());
    }
    text
}

fn timeouts_of(timeouts: &TimeoutsDoc) -> String {
    let all =
        [("connect", timeouts.connect_ms), ("response", timeouts.response_ms), ("idle", timeouts.idle_ms)];
    let said = all.iter().filter_map(|(name, ms)| ms.map(|ms| format!("{name} {ms} ms")));
    said.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use admin::wire::{BalanceDoc, EndpointDoc, FrontendDoc, Rejected};

    use super::*;

    #[test]
    fn a_frontend_is_shown_whole_and_cannot_steer_the_terminal() {
        let frontend = FrontendDoc {
            host: "www.example.com".to_owned(),
            path: Some("/api".to_owned()),
            backend: Some("web \u{202e}bew".to_owned()),
            endpoints: Some(vec![
                EndpointDoc { url: "http://10.0.0.7:8000".to_owned(), weight: Some(3) },
                EndpointDoc { url: "http://web2:80".to_owned(), weight: None },
            ]),
            service: None,
            balance: Some(BalanceDoc::RoundRobin),
            timeouts: Some(TimeoutsDoc { connect_ms: Some(1000), response_ms: None, idle_ms: Some(30_000) }),
            check: None,
            dns: None,
        };
        let rejected = vec![Rejected { text: "\x1b]0;owned\x07".to_owned(), reason: "not a URL".to_owned() }];
        let view = FrontendView { frontend, revision: 42, kept_as: "hipache".to_owned(), rejected };

        insta::assert_snapshot!(text(&view), @r#"
        frontend  www.example.com/api
        backend   web \u{202e}bew
        balance   round_robin
        timeouts  connect 1000 ms, idle 30000 ms
        revision  42
        kept as   hipache

        ENDPOINT              WEIGHT
        http://10.0.0.7:8000  3
        http://web2:80        1

        NOT USABLE           WHY
        \u{1b}]0;owned\u{7}  not a URL
        "#);
    }
}
