//! The flags of `portico frontend add` that say how endpoints are checked, and a check in words.

use std::num::NonZeroU8;

use admin::wire::{CheckDoc, CheckKindDoc, StatusDoc};
use clap::Args;

use super::add::parse_time;
use crate::failure::Failure;

/// How endpoints are checked by every proxy.
#[derive(Debug, Args)]
#[command(next_help_heading = "Active checks")]
pub(super) struct CheckArgs {
    /// Check endpoints by a GET of this path
    #[arg(long, value_name = "PATH")]
    check_path: Option<String>,
    /// Which status passes: 200 to 599, or `any` [default: 200 to 399]
    #[arg(long, value_name = "STATUS", value_parser = parse_status)]
    check_status: Option<StatusDoc>,
    /// What the body of the answer must hold
    #[arg(long, value_name = "TEXT")]
    check_body: Option<String>,
    /// Check endpoints by a TCP connect
    #[arg(long, conflicts_with_all = ["check_path", "check_status", "check_body"])]
    check_tcp: bool,
    /// From one check to the next, 100ms or more [default: as the proxy's]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    check_interval: Option<u64>,
    /// How long one may take [default: as the proxy's]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    check_timeout: Option<u64>,
    /// Back after passing so many in a row [default: as the proxy's]
    #[arg(long, value_name = "N")]
    check_rise: Option<NonZeroU8>,
    /// Out after failing so many in a row [default: as the proxy's]
    #[arg(long, value_name = "N")]
    check_fall: Option<NonZeroU8>,
    /// Check endpoints no more
    #[arg(long, conflicts_with_all = ["check_path", "check_status", "check_body", "check_tcp", "check_interval", "check_timeout", "check_rise", "check_fall"])]
    no_check: bool,
}

impl CheckArgs {
    /// What the flags say: nothing, no check any more, or a check.
    pub(super) fn doc(&self) -> Result<Option<Option<CheckDoc>>, Failure> {
        let asks = self.check_path.is_some() || self.check_status.is_some() || self.check_body.is_some();
        let timed = self.check_interval.is_some()
            || self.check_timeout.is_some()
            || self.check_rise.is_some()
            || self.check_fall.is_some();
        let kind = match () {
            () if self.no_check => return Ok(Some(None)),
            () if self.check_tcp => CheckKindDoc::Tcp,
            () if asks => CheckKindDoc::Http,
            () if timed => {
                let message = "say what a check does, too: --check-path PATH, or --check-tcp";
                return Err(Failure::Usage(message.to_owned()));
            }
            () => return Ok(None),
        };
        Ok(Some(Some(CheckDoc {
            kind,
            path: self.check_path.clone(),
            status: self.check_status,
            body: self.check_body.clone(),
            interval_ms: self.check_interval,
            timeout_ms: self.check_timeout,
            rise: self.check_rise,
            fall: self.check_fall,
        })))
    }
}

/// A check in words.
pub(super) fn check_of(check: &CheckDoc) -> String {
    let mut words = match check.kind {
        CheckKindDoc::Tcp => "tcp".to_owned(),
        CheckKindDoc::Http => {
            let status = check.status.map_or_else(|| "200 to 399".to_owned(), |status| status.to_string());
            format!("http GET {}, status {status}", check.path.as_deref().unwrap_or("/"))
        }
    };
    if let Some(body) = &check.body {
        words.push_str(&format!(", {body:?} in the body"));
    }
    let said = [
        check.interval_ms.map(|ms| format!("every {ms} ms")),
        check.timeout_ms.map(|ms| format!("within {ms} ms")),
        check.rise.map(|n| format!("rise {n}")),
        check.fall.map(|n| format!("fall {n}")),
    ];
    said.into_iter().flatten().fold(words, |words, more| format!("{words}, {more}"))
}

fn parse_status(text: &str) -> Result<StatusDoc, String> {
    match text {
        "any" => Ok(StatusDoc::Any),
        number => number.parse().map(StatusDoc::Code).map_err(|_| "write 200 to 599, or any".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        check: CheckArgs,
    }

    fn said(flags: &[&str]) -> Result<Option<Option<String>>, String> {
        let line = Line::try_parse_from([&["x"], flags].concat()).map_err(|error| error.to_string())?;
        let doc = line.check.doc().map_err(|failure| format!("{failure:?}"))?;
        Ok(doc.map(|doc| doc.map(|doc| check_of(&doc))))
    }

    #[test]
    fn flags_become_a_check() {
        let check = |flags: &[&str], expected: &str| {
            assert_eq!(said(flags), Ok(Some(Some(expected.to_owned()))), "{flags:?}");
        };
        check(&["--check-path", "/up"], "http GET /up, status 200 to 399");
        check(&["--check-status", "any", "--check-body", "ok"], "http GET /, status any, \"ok\" in the body");
        let times = [
            "--check-tcp",
            "--check-interval",
            "2s",
            "--check-timeout",
            "500ms",
            "--check-rise",
            "1",
            "--check-fall",
            "5",
        ];
        check(&times, "tcp, every 2000 ms, within 500 ms, rise 1, fall 5");
        assert_eq!(said(&[]), Ok(None));
        assert_eq!(said(&["--no-check"]), Ok(Some(None)));
        for flags in [
            &["--check-rise", "2"][..],
            &["--check-tcp", "--check-path", "/"],
            &["--no-check", "--check-tcp"],
            &["--check-fall", "0"],
        ] {
            assert!(said(flags).is_err(), "{flags:?}");
        }
    }
}
