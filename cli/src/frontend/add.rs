//! `portico frontend add`: make a frontend, or add endpoints to one.

use admin::wire::{
    Addition, BalanceDoc, EndpointDoc, FrontendDoc, HashDoc, ServiceRefDoc, TimeoutsDoc, Written,
};
use clap::Args;
use ureq::http::Method;

use super::check::CheckArgs;
use super::{answers_of, in_our_words, line, standing};
use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::name;
use crate::wait::{self, WaitArgs};

const EXAMPLES: &str = "\
Examples:
  portico frontend add www.example.com http://10.0.0.7:8000 http://10.0.0.8:8000
  portico frontend add www.example.com/api http://10.0.0.9:9000 --balance least_loaded
  portico frontend add www.example.com http://10.0.0.10:8000 --weight 3
  portico frontend add www.example.com/reports http://10.0.0.9:9000 --response-timeout 2m
  portico frontend add www.example.com http://10.0.0.7:8000 --check-path /health --check-interval 2s
  portico frontend add www.example.com --service web
  portico frontend add '*.example.com' http://10.0.0.11:8000 --replace";

pub(super) const ABOUT: &str = "\
Make a frontend, or add endpoints to one.

Endpoints that are there already stay as they are; --weight, --backend, --balance, the timeouts and the check change what is there. \
With --replace the frontend is exactly what this command says: other endpoints, a balance kind, timeouts and a check it had are gone.";

/// Make a frontend, or add endpoints to one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AddArgs {
    /// What clients ask for: a host or an IP address, perhaps with a port, `*.suffix` or `*`; a path prefix may follow
    #[arg(value_name = "HOST[/path]")]
    name: String,
    /// Who answers: http://HOST:PORT, or unix:/PATH where the setting upstream.unix allows it
    #[arg(value_name = "URL", required_unless_present = "service")]
    urls: Vec<String>,
    /// The service whose healthy instances answer, in the place of URLs; a port of it by name, where its first TCP port is not meant
    #[arg(long, value_name = "NAME[:PORT]", conflicts_with_all = ["urls", "weight"])]
    service: Option<String>,
    /// The backend's name in logs and metrics [default: the host]
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Share of the traffic, 1 to 1000; once for all URLs or once for each, in their order [default: 1]
    #[arg(long, value_name = "N", action = clap::ArgAction::Append)]
    weight: Vec<u64>,
    /// How an endpoint is chosen: random_of_two (default), round_robin, random, least_loaded, hash:client_address,
    /// hash:header:NAME or hash:cookie:NAME
    #[arg(long, value_name = "KIND", value_parser = parse_balance)]
    balance: Option<BalanceDoc>,
    /// How long a connect may take, as `500ms`, `30s`, `5m` or `1h` [default: as the proxy's]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    connect_timeout: Option<u64>,
    /// From the end of the request to the head of the response [default: as the proxy's]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    response_timeout: Option<u64>,
    /// How long a body or a tunnel may be silent [default: as the proxy's]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    idle_timeout: Option<u64>,
    /// Replace the frontend that is there
    #[arg(long)]
    replace: bool,
    /// Only when the frontend is still at this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    #[command(flatten)]
    wait: WaitArgs,
    // The last ones, because the heading of theirs would go on.
    #[command(flatten)]
    check: CheckArgs,
}

/// Runs it.
pub(crate) fn run(args: &AddArgs, client: &Client) -> Result<Answer, Failure> {
    let endpoints = endpoints(args)?;
    let mut conditions: Vec<_> = args.if_revision.iter().map(|n| ("If-Match", format!("\"{n}\""))).collect();
    if args.service.is_some() && !args.replace && conditions.is_empty() {
        // There is nothing to add a service to.
        conditions.push(("If-None-Match", "*".to_owned()));
    }
    let written = if args.replace || args.service.is_some() {
        let (host, path) = args.name.split_at(args.name.find('/').unwrap_or(args.name.len()));
        let doc = FrontendDoc {
            host: host.to_owned(),
            path: (!path.is_empty()).then(|| path.to_owned()),
            backend: args.backend.clone(),
            endpoints: args.service.is_none().then_some(endpoints),
            service: args.service.as_deref().map(service),
            balance: args.balance.clone(),
            timeouts: timeouts(args),
            check: args.check.doc()?.flatten(),
        };
        client.write::<Written>(Method::PUT, &name::url_of(&args.name, ""), Some(&doc), &conditions)
    } else {
        let addition = Addition {
            endpoints,
            backend: args.backend.clone(),
            balance: args.balance.clone(),
            timeouts: timeouts(args),
            check: args.check.doc()?,
        };
        let url = name::url_of(&args.name, "/endpoints");
        client.write::<Written>(Method::POST, &url, Some(&addition), &conditions)
    };
    let written = written.map_err(|failure| in_our_words(failure, &args.name))?;
    wait::answer(&args.wait, client, written.revision, &written, text(args, &written))
}

fn text(args: &AddArgs, written: &Written) -> String {
    let (name, endpoints) = match &written.frontend {
        Some(doc) => (super::name_of(doc), answers_of(doc)),
        None => (args.name.clone(), String::new()),
    };
    line(&format!("{name} -> {endpoints} {}", standing(written)))
}

fn endpoints(args: &AddArgs) -> Result<Vec<EndpointDoc>, Failure> {
    let weights: Vec<Option<u64>> = match &*args.weight {
        [] => vec![None; args.urls.len()],
        [all] => vec![Some(*all); args.urls.len()],
        each if each.len() == args.urls.len() => each.iter().copied().map(Some).collect(),
        each => {
            let (weights, urls) = (each.len(), args.urls.len());
            let message =
                format!("{weights} weights for {urls} URLs: give --weight once for all, or once for each");
            return Err(Failure::Usage(message));
        }
    };
    let urls = args.urls.iter().zip(weights);
    Ok(urls.map(|(url, weight)| EndpointDoc { url: url.clone(), weight }).collect())
}

fn service(text: &str) -> ServiceRefDoc {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    ServiceRefDoc { name: name.to_owned(), port: port.map(str::to_owned) }
}

fn timeouts(args: &AddArgs) -> Option<TimeoutsDoc> {
    let times = TimeoutsDoc {
        connect_ms: args.connect_timeout,
        response_ms: args.response_timeout,
        idle_ms: args.idle_timeout,
    };
    (times != TimeoutsDoc::default()).then_some(times)
}

/// A time as configuration files write it, in milliseconds.
pub(crate) fn parse_time(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let time = factor.and_then(|factor: u64| number.parse::<u64>().ok()?.checked_mul(factor));
    time.ok_or_else(|| "write a time such as 500ms, 30s, 5m or 1h".to_owned())
}

fn parse_balance(text: &str) -> Result<BalanceDoc, String> {
    let (kind, key) = text.split_once(':').unwrap_or((text, ""));
    match (kind.replace('-', "_").as_str(), key) {
        ("random_of_two", "") => Ok(BalanceDoc::RandomOfTwo),
        ("round_robin", "") => Ok(BalanceDoc::RoundRobin),
        ("random", "") => Ok(BalanceDoc::Random),
        ("least_loaded", "") => Ok(BalanceDoc::LeastLoaded),
        ("hash", key) => parse_hash(key),
        _ => Err("write random_of_two, round_robin, random, least_loaded or hash:KEY".to_owned()),
    }
}

fn parse_hash(key: &str) -> Result<BalanceDoc, String> {
    let (kind, name) = key.split_once(':').unwrap_or((key, ""));
    match (kind.replace('-', "_").as_str(), name) {
        ("client_address", "") => Ok(BalanceDoc::Hash(HashDoc::ClientAddress)),
        ("header", name) if !name.is_empty() => Ok(BalanceDoc::Hash(HashDoc::Header(name.to_owned()))),
        ("cookie", name) if !name.is_empty() => Ok(BalanceDoc::Hash(HashDoc::Cookie(name.to_owned()))),
        _ => Err("write hash:client_address, hash:header:NAME or hash:cookie:NAME".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::balance_of;
    use super::*;

    #[test]
    fn times_are_written_as_in_configuration_files() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(parse_time(text), Ok(ms), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "1 s", "99999999999999999999s", "9999999999999999h"] {
            assert!(parse_time(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn balance_kinds_read_back_as_written() {
        for text in [
            "random_of_two",
            "round_robin",
            "random",
            "least_loaded",
            "hash:client_address",
            "hash:header:x-user",
            "hash:cookie:sid",
        ] {
            assert_eq!(parse_balance(text).map(|kind| balance_of(Some(&kind))), Ok(text.to_owned()));
        }
        assert_eq!(parse_balance("round-robin"), Ok(BalanceDoc::RoundRobin));
        for text in ["", "roundrobin", "hash", "hash:", "hash:cookie:", "hash:client_address:x", "random:1"] {
            assert!(parse_balance(text).is_err(), "{text:?}");
        }
    }
}
