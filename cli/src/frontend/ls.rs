//! `portico frontend ls`: list all frontends.

use admin::wire::{FrontendList, FrontendView};
use clap::Args;

use super::{answers_of, balance_of, name_of};
use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::name;
use crate::table::Table;

/// How many frontends are asked for at once.
const PAGE: usize = 5000;

const EXAMPLES: &str = "\
Examples:
  portico frontend ls
  portico frontend ls --json --server http://10.0.0.2:8081";

/// List all frontends
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LsArgs {}

/// Runs it: page after page.
pub(crate) fn run(_: &LsArgs, client: &Client) -> Result<Answer, Failure> {
    let mut list: FrontendList = client.get(&format!("/v1/frontends?limit={PAGE}"))?;
    while let Some(after) = list.next.take() {
        let page: FrontendList =
            client.get(&format!("/v1/frontends?limit={PAGE}&after={}", name::encode(&after)))?;
        list.revision = page.revision;
        // A page with nothing on it is the last one, whatever it says.
        list.next = page.next.filter(|_| !page.frontends.is_empty());
        list.frontends.extend(page.frontends);
    }
    Answer::new(&list, text(&list))
}

fn text(list: &FrontendList) -> String {
    if list.frontends.is_empty() {
        return format!(
            "no frontends (revision {}); make one: portico frontend add www.example.com http://10.0.0.7:8000\n",
            list.revision
        );
    }
    let mut table = Table::new(&["FRONTEND", "ENDPOINTS", "BALANCE", "REVISION"]);
    for view in &list.frontends {
        let doc = &view.frontend;
        table.row([
            name_of(doc),
            endpoints(view),
            balance_of(doc.balance.as_ref()),
            view.revision.to_string(),
        ]);
    }
    table.text()
}

fn endpoints(view: &FrontendView) -> String {
    let usable = answers_of(&view.frontend);
    match view.rejected.len() {
        0 => usable,
        rejected => format!("{usable}; {rejected} not usable"),
    }
}

#[cfg(test)]
mod tests {
    use admin::wire::{EndpointDoc, FrontendDoc, Rejected};

    use super::*;

    fn view(host: &str, path: Option<&str>, urls: &[&str]) -> FrontendView {
        let endpoints = urls.iter().map(|url| EndpointDoc { url: (*url).to_owned(), weight: None }).collect();
        let frontend = FrontendDoc {
            host: host.to_owned(),
            path: path.map(str::to_owned),
            backend: None,
            endpoints: Some(endpoints),
            service: None,
            balance: None,
            timeouts: None,
            check: None,
            dns: None,
        };
        FrontendView { frontend, revision: 42, kept_as: "native".to_owned(), rejected: Vec::new() }
    }

    #[test]
    fn frontends_are_listed_in_columns() {
        let urls =
            ["http://10.0.0.7:8000", "http://10.0.0.8:8000", "http://10.0.0.9:8000", "http://10.0.0.10:8000"];
        let mut broken = view("old.example.com", None, &[]);
        broken.rejected.push(Rejected { text: "ftp://x".to_owned(), reason: "not http".to_owned() });
        let frontends =
            vec![view("*", None, &urls), broken, view("www.example.com", Some("/api"), &urls[..1])];
        let list = FrontendList { revision: 42, frontends, next: None };

        insta::assert_snapshot!(text(&list), @r#"
        FRONTEND             ENDPOINTS                                                                 BALANCE        REVISION
        *                    http://10.0.0.7:8000, http://10.0.0.8:8000, http://10.0.0.9:8000, 1 more  random_of_two  42
        old.example.com      no endpoint (502); 1 not usable                                           random_of_two  42
        www.example.com/api  http://10.0.0.7:8000                                                      random_of_two  42
        "#);
    }

    #[test]
    fn an_empty_list_says_how_to_begin() {
        let list = FrontendList { revision: 0, frontends: Vec::new(), next: None };

        insta::assert_snapshot!(text(&list), @"no frontends (revision 0); make one: portico frontend add www.example.com http://10.0.0.7:8000");
    }
}
