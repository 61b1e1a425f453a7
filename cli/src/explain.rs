//! `portico explain`: how a request for a URL would be routed, or where a service is placed, and why.

use admin::wire::{EndpointView, Explained, Match};
use clap::{Args, Subcommand};

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::frontend::balance_of;
use crate::placement::{self, PlacementArgs};
use crate::table::Table;
use crate::{name, printable};

const EXAMPLES: &str = "\
Examples:
  portico explain http://www.example.com/api/users
  portico explain www.example.com --json
  portico explain placement web";

/// How a request for a URL would be routed, or where a service is placed, and why
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, subcommand_negates_reqs = true)]
pub struct ExplainArgs {
    /// What a client would ask for; `http://` may be left out
    #[arg(value_name = "URL", required = true)]
    url: Option<String>,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What else is explained.
#[derive(Debug, Subcommand)]
enum Other {
    /// What each host is to a service: how many instances stay, where the next would start, and why not elsewhere
    Placement(PlacementArgs),
}

/// Runs it.
pub(crate) fn run(args: &ExplainArgs, client: &Client) -> Result<Answer, Failure> {
    if let Some(Other::Placement(args)) = &args.other {
        return placement::run(args, client);
    }
    let url = args.url.as_deref().unwrap_or_default();
    let explained: Explained = client.get(&format!("/v1/explain?url={}", name::encode(url)))?;
    Answer::new(&explained, text(&explained))
}

fn text(explained: &Explained) -> String {
    let Explained { host, path, revision, outcome, considered, matched } = explained;
    let mut text = format!("http://{host}{path} at revision {revision}: {outcome}");
    text = format!("{}\n", printable::line(&text));
    if !considered.is_empty() {
        let mut table = Table::new(&[]).indented(2);
        for considered in considered {
            let arrow = if considered.taken { "->" } else { "" };
            table.row([arrow, &considered.pattern, &considered.outcome]);
        }
        text.push_str(&format!("\nlooked at, in this order:\n{}", table.text()));
    }
    if let Some(matched) = matched {
        text.push_str(&text_of(matched));
    }
    text
}

fn text_of(matched: &Match) -> String {
    let balance = balance_of(Some(&matched.balance));
    let title = format!("frontend {}, backend {}, balance {balance}", matched.frontend, matched.backend);
    let mut table = Table::new(&["ENDPOINT", "WEIGHT", "IN FLIGHT", "STATE"]).indented(2);
    for endpoint in &matched.endpoints {
        table.row([
            &endpoint.url,
            &endpoint.weight.to_string(),
            &endpoint.in_flight.to_string(),
            &state(endpoint),
        ]);
    }
    for rejected in &matched.rejected {
        table.row([rejected.text.as_str(), "-", "-", &format!("not usable: {}", rejected.reason)]);
    }
    format!("\n{}:\n{}", printable::line(&title), table.text())
}

fn state(endpoint: &EndpointView) -> String {
    let Some(why) = &endpoint.out else {
        return match &endpoint.check {
            Some(failed) => format!("serves, although its {failed}: there is no other"),
            None => "serves".to_owned(),
        };
    };
    if endpoint.refused {
        return format!("out: {why}");
    }
    let back = match endpoint.back_in_ms {
        Some(ms) => format!("back in {} s", ms.div_ceil(1000)),
        None if endpoint.check.is_some() => "back when it passes".to_owned(),
        None => "back when that mark ends".to_owned(),
    };
    match endpoint.serves {
        true => format!("serves, although marked ({why}, {back}): there is no other"),
        false => format!("out: {why}, {back}"),
    }
}

#[cfg(test)]
mod tests {
    use admin::wire::{BalanceDoc, Considered, Rejected};

    use super::*;

    fn considered(pattern: &str, taken: bool, outcome: &str) -> Considered {
        Considered { pattern: pattern.to_owned(), taken, outcome: outcome.to_owned() }
    }

    fn endpoint(url: &str, out: Option<&str>, back_in_ms: Option<u64>, serves: bool) -> EndpointView {
        EndpointView {
            url: url.to_owned(),
            weight: 1,
            in_flight: 2,
            out: out.map(str::to_owned),
            refused: false,
            check: None,
            back_in_ms,
            serves,
        }
    }

    fn explained() -> Explained {
        Explained {
            host: "www.example.com".to_owned(),
            path: "/api/users".to_owned(),
            revision: 42,
            outcome: "goes to one of 2 endpoints".to_owned(),
            considered: vec![
                considered("www.example.com/static", false, "does not cover the path"),
                considered("www.example.com/api", true, "takes the request"),
                considered("*.com", false, "no such frontend"),
            ],
            matched: Some(Match {
                frontend: "www.example.com/api".to_owned(),
                backend: "api\x1b".to_owned(),
                balance: BalanceDoc::RandomOfTwo,
                timeouts: None,
                endpoints: vec![
                    endpoint("http://10.0.0.7:8000", None, None, true),
                    endpoint("http://10.0.0.8:8000", Some("connect refused"), Some(11_500), false),
                    endpoint("http://10.0.0.9:8000", Some("marked dead in the registry"), None, false),
                    endpoint("http://10.0.0.10:8000", Some("no answer in time"), Some(200), true),
                ],
                rejected: vec![Rejected { text: "ftp://x".to_owned(), reason: "not http".to_owned() }],
            }),
        }
    }

    #[test]
    fn a_match_is_told_with_what_else_was_looked_at_and_which_endpoints_are_out() {
        insta::assert_snapshot!(text(&explained()), @r#"
        http://www.example.com/api/users at revision 42: goes to one of 2 endpoints

        looked at, in this order:
              www.example.com/static  does not cover the path
          ->  www.example.com/api     takes the request
              *.com                   no such frontend

        frontend www.example.com/api, backend api\u{1b}, balance random_of_two:
          ENDPOINT               WEIGHT  IN FLIGHT  STATE
          http://10.0.0.7:8000   1       2          serves
          http://10.0.0.8:8000   1       2          out: connect refused, back in 12 s
          http://10.0.0.9:8000   1       2          out: marked dead in the registry, back when that mark ends
          http://10.0.0.10:8000  1       2          serves, although marked (no answer in time, back in 1 s): there is no other
          ftp://x                -       -          not usable: not http
        "#);
    }

    #[test]
    fn a_request_nobody_takes_says_so() {
        let mut nobody = explained();
        nobody.matched = None;
        nobody.outcome = "400, no frontend takes it".to_owned();
        nobody.considered = vec![considered("www.example.com", false, "no such frontend")];

        insta::assert_snapshot!(text(&nobody), @r#"
        http://www.example.com/api/users at revision 42: 400, no frontend takes it

        looked at, in this order:
            www.example.com  no such frontend
        "#);
    }
}
