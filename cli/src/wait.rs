//! `portico wait`, and `--wait` of commands that write: until a revision is served by every node.

use std::time::{Duration, Instant};

use admin::wire::{Laggard, LostNode, Others, Reached};
use clap::Args;
use serde::Serialize;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::frontend::{line, parse_time};
use crate::status::duration;

/// How long one call waits at most: less than a request of ours may take, however long the server's may.
const CALL: Duration = Duration::from_secs(9);

const EXAMPLES: &str = "\
Examples:
  portico wait
  portico wait --revision 42 --timeout 30s
  portico wait --revision 42 --dns --json

Without --revision it is the one that the registry is at when the command is given.

Exit code 0 when every node that lives serves the revision or a later one; 1 when the time was over before that: who does not serve it \
is named; 1 as well where other nodes cannot be known (a registry that may only be read). A node that was not heard of for its lease \
(registry.lease) is lost: it is named and not waited for.";

/// Wait until every node serves a revision
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct WaitCommand {
    /// The revision, as every write answers it [default: the registry's present one]
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// Served by the proxies [default: by proxies and DNS]
    #[arg(long)]
    proxy: bool,
    /// Served by DNS
    #[arg(long)]
    dns: bool,
    /// For how long
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    timeout: u64,
}

/// What every command that writes takes.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Then wait until every node serves it, for 5s or TIME; exit code 1 when one does not
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_time,
        num_args = 0..=1,
        require_equals = true
    )]
    wait: Option<Option<u64>>,
    /// For how long that is waited
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "wait")]
    timeout: Option<u64>,
}

/// How long it is waited for every node, where nothing is said, in milliseconds.
pub(crate) const USUAL: u64 = 5_000;

impl WaitArgs {
    /// For how long it is to be waited, `usual` where nothing is said of that; `None`: not at all.
    pub(crate) fn timeout_ms(&self, usual: u64) -> Option<u64> {
        self.wait.map(|said| said.or(self.timeout).unwrap_or(usual))
    }
}

/// What was written, and how far that came.
#[derive(Serialize)]
struct Waited<'a, T> {
    #[serde(flatten)]
    said: &'a T,
    wait: &'a Reached,
}

/// Runs it.
pub(crate) fn run(args: &WaitCommand, client: &Client) -> Result<Answer, Failure> {
    let mut doors = String::new();
    for (name, is_asked) in [("proxy", args.proxy), ("dns", args.dns)] {
        if is_asked {
            doors += &format!("&{name}");
        }
    }
    let reached = reach(client, args.revision, &doors, args.timeout)?;
    let mut answer = Answer::new(&reached, line(&text(&reached)))?;
    answer.code = u8::from(!reached.served);
    Ok(answer)
}

/// The answer to a write at `revision`; with `--wait` it comes once that is served everywhere, and says so.
pub(crate) fn answer<T: Serialize>(
    args: &WaitArgs,
    client: &Client,
    revision: u64,
    said: &T,
    mut says: String,
) -> Result<Answer, Failure> {
    let Some((reached, told)) = served(args, client, revision)? else { return Answer::new(said, says) };
    says += &told;
    let mut answer = Answer::new(&Waited { said, wait: &reached }, says)?;
    answer.code = u8::from(!reached.served);
    Ok(answer)
}

/// How far a write at `revision` came, where that is asked for; and in words.
pub(crate) fn served(
    args: &WaitArgs,
    client: &Client,
    revision: u64,
) -> Result<Option<(Reached, String)>, Failure> {
    let Some(timeout) = args.timeout_ms(USUAL) else { return Ok(None) };
    let reached = reach(client, Some(revision), "", timeout)?;
    let says = line(&text(&reached));
    Ok(Some((reached, says)))
}

/// Asks again where the server waits for less time than was asked for.
pub(crate) fn reach(
    client: &Client,
    mut revision: Option<u64>,
    doors: &str,
    timeout_ms: u64,
) -> Result<Reached, Failure> {
    let (begin, timeout) = (Instant::now(), Duration::from_millis(timeout_ms));
    loop {
        let call = timeout.saturating_sub(begin.elapsed()).min(CALL);
        let asked = revision.map(|revision| format!("revision={revision}&")).unwrap_or_default();
        let url = format!("/v1/wait?{asked}timeout={}ms{doors}", call.as_millis());
        let mut reached: Reached = client.get_in_time(&url)?;
        // Another write in the meantime is not what was asked for.
        revision = Some(reached.revision);
        let waited = begin.elapsed();
        // Where the server did not wait as long as it could, it hears no more of the registry: asked again, it would say the same.
        let gave_up = reached.waited_ms < reached.timeout_ms;
        if reached.served || gave_up || waited >= timeout || reached.timeout_ms == 0 {
            (reached.waited_ms, reached.timeout_ms) = (millis(waited), timeout_ms);
            return Ok(reached);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One line: whether, and who not.
pub(crate) fn text(reached: &Reached) -> String {
    let Reached { revision, doors, .. } = reached;
    let head = match (reached.served, doors) {
        (true, 1) => format!("revision {revision} is served at the one door there is"),
        (true, doors) => format!("revision {revision} is served at all {doors} doors"),
        (false, _) => {
            format!("revision {revision} is not served everywhere after {}", duration(reached.timeout_ms))
        }
    };
    let behind = reached.laggards.iter().map(|Laggard { node, door, serving }| {
        let door = if door == "dns" { "DNS" } else { "the proxy" };
        format!("{door} of {node} serves {serving}")
    });
    let lost = reached.lost.iter().map(|LostNode { node, heard_ms }| {
        format!("{node} is lost (not heard of for {}) and not waited for", duration(*heard_ms))
    });
    let mut more: Vec<String> = behind.chain(lost).collect();
    match reached.others {
        Others::None | Others::Heard => {}
        Others::Away => more.push("the registry cannot be reached: other nodes are not heard of".to_owned()),
        Others::Unknown => {
            more.push("the registry is read-only here: other nodes cannot be known".to_owned())
        }
    }
    if !reached.served && *doors == 0 && reached.laggards.is_empty() {
        more.push("no node has such a door".to_owned());
    }
    match more.is_empty() {
        true => head,
        false => format!("{head}: {}", more.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        let whole = format!(r#"{{"revision":42,"waited_ms":5000,"timeout_ms":5000,{json}}}"#);
        assert_eq!(text(&serde_json::from_str(&whole).unwrap()), expected);
    }

    #[test]
    fn how_far_a_revision_came_is_one_line() {
        check(
            r#""served":true,"doors":4,"laggards":[],"lost":[],"others":"heard""#,
            "revision 42 is served at all 4 doors",
        );
        check(
            r#""served":true,"doors":1,"laggards":[],"lost":[{"node":"b","heard_ms":61000}],"others":"heard""#,
            "revision 42 is served at the one door there is: b is lost (not heard of for 1 min 1 s) and not waited for",
        );
        check(
            r#""served":false,"doors":2,"laggards":[{"node":"b","door":"proxy","serving":41},
               {"node":"b","door":"dns","serving":40}],"lost":[],"others":"away""#,
            "revision 42 is not served everywhere after 5.0 s: the proxy of b serves 41; DNS of b serves 40; \
             the registry cannot be reached: other nodes are not heard of",
        );
        check(
            r#""served":false,"doors":2,"laggards":[],"lost":[],"others":"unknown""#,
            "revision 42 is not served everywhere after 5.0 s: the registry is read-only here: other nodes cannot be known",
        );
        check(
            r#""served":false,"doors":0,"laggards":[],"lost":[],"others":"none""#,
            "revision 42 is not served everywhere after 5.0 s: no node has such a door",
        );
    }
}
