//! `portico verify`: list everything that is not as it should be.

use admin::wire::{Finding, FindingKind, Verification};
use clap::Args;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::printable;

const EXAMPLES: &str = "\
Examples:
  portico verify
  portico verify --json || echo look here

Exit code 1 when something was found.";

/// List everything that is not as it should be; exit code 1 when there is something
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {}

/// Runs it.
pub(crate) fn run(_: &VerifyArgs, client: &Client) -> Result<Answer, Failure> {
    let verification: Verification = client.patient().get("/v1/verify")?;
    let mut answer = Answer::new(&verification, text(&verification))?;
    answer.code = u8::from(!verification.findings.is_empty());
    Ok(answer)
}

fn text(verification: &Verification) -> String {
    let Verification { revision, facts, findings, left_out } = verification;
    let at = format!("at revision {revision}, {facts} {}", if *facts == 1 { "fact" } else { "facts" });
    if findings.is_empty() {
        return format!("nothing found {at}\n");
    }
    let mut text: String = findings.iter().map(text_of).collect();
    let more = if *left_out > 0 { format!(" (first {} shown)", findings.len()) } else { String::new() };
    text.push_str(&format!("{} found {at}{more}\n", findings.len() + left_out));
    text
}

fn text_of(finding: &Finding) -> String {
    let kind = match finding.kind {
        FindingKind::Registry => "registry",
        FindingKind::Behind => "behind",
        FindingKind::Route => "other route",
        FindingKind::Records => "other records",
        FindingKind::Ready => "other answer",
        FindingKind::ZoneFile => "zone file",
        FindingKind::Quarantined => "set aside",
        FindingKind::Rejected => "not usable",
        FindingKind::Empty => "no endpoint",
        FindingKind::Unreachable => "unreachable",
        FindingKind::Unserved => "not in DNS",
        FindingKind::Dead => "out",
    };
    let endpoint = finding.endpoint.as_deref().map(|endpoint| format!(" {endpoint}")).unwrap_or_default();
    let title = format!("{kind}: {}{endpoint}", finding.key);
    let lines = [title, format!("  {}", finding.reason), format!("  remedy: {}", finding.remedy)];
    lines.iter().fold(String::new(), |text, line| format!("{text}{}\n", printable::line(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(kind: FindingKind, key: &str, endpoint: Option<&str>, reason: &str, remedy: &str) -> Finding {
        let (key, reason, remedy) = (key.to_owned(), reason.to_owned(), remedy.to_owned());
        Finding { kind, key, endpoint: endpoint.map(str::to_owned), reason, remedy }
    }

    #[test]
    fn every_finding_has_its_key_its_reason_and_its_remedy() {
        let findings = vec![
            finding(FindingKind::Quarantined, "frontend:a\x1b[2J", None, "a hash, not a list", "DEL it"),
            finding(FindingKind::Rejected, "frontend:b", Some("ftp://x"), "scheme `ftp`", "write http"),
            finding(FindingKind::Dead, "frontend:c", Some("http://1.2.3.4:5"), "connect refused", "start it"),
        ];

        insta::assert_snapshot!(text(&Verification { revision: 42, facts: 3, findings, left_out: 7 }), @r#"
        set aside: frontend:a\u{1b}[2J
          a hash, not a list
          remedy: DEL it
        not usable: frontend:b ftp://x
          scheme `ftp`
          remedy: write http
        out: frontend:c http://1.2.3.4:5
          connect refused
          remedy: start it
        10 found at revision 42, 3 facts (first 3 shown)
        "#);
    }

    #[test]
    fn nothing_found_is_one_line() {
        insta::assert_snapshot!(text(&Verification { revision: 42, facts: 1, findings: vec![], left_out: 0 }), @"nothing found at revision 42, 1 fact");
    }
}
