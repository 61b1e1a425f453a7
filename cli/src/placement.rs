//! `portico explain placement`: what each host is to a service, and why.

use admin::wire::Placement;
use clap::Args;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::frontend::line;
use crate::name::encode;
use crate::named::Kind;
use crate::table::Table;

const EXAMPLES: &str = "\
Examples:
  portico explain placement web
  portico explain placement web --json

STAY is how many instances of it stay on a host, NEXT where that stands among the hosts that one more could start on.";

/// What each host is to a service
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlacementArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,
}

/// Runs it.
pub(crate) fn run(args: &PlacementArgs, client: &Client) -> Result<Answer, Failure> {
    let placement = client.get(&format!("/v1/services/{}/placement", encode(&args.service)));
    let placement: Placement =
        placement.map_err(|failure| Kind::Service.not_found(failure, &args.service, client))?;
    Answer::new(&placement, text(&placement))
}

fn text(placement: &Placement) -> String {
    let wanted = match placement.wanted {
        None => "one instance on every host".to_owned(),
        Some(1) => "1 instance".to_owned(),
        Some(wanted) => format!("{wanted} instances"),
    };
    let stay: u32 = placement.hosts.iter().map(|host| host.stay).sum();
    let Placement { service, revision, .. } = placement;
    let head = line(&format!("{service} wants {wanted}, {stay} stay (revision {revision})"));
    if placement.hosts.is_empty() {
        return format!(
            "{head}there is no host; make one: portico host add NAME --engine URL --address ADDRESS\n"
        );
    }
    let mut table = Table::new(&["HOST", "STAY", "NEXT", "WHY NOT"]);
    for host in &placement.hosts {
        let rank = host.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string());
        table.row([&*host.host, &host.stay.to_string(), &rank, &host.why]);
    }
    head + &table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_says_how_good_it_is_or_why_not() {
        let json = r#"{"revision":9,"service":"web","wanted":3,"hosts":[
            {"host":"b","stay":0,"rank":1,"why":""},
            {"host":"a","stay":2,"rank":2,"why":""},
            {"host":"c","stay":0,"rank":null,"why":"cordoned"}]}"#;
        insta::assert_snapshot!(text(&serde_json::from_str(json).unwrap()), @r"
        web wants 3 instances, 2 stay (revision 9)
        HOST  STAY  NEXT  WHY NOT
        b     0     1
        a     2     2
        c     0     -     cordoned
        ");
    }
}
