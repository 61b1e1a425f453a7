//! `--wait` of commands that launch: services are followed until all that is wanted of them is so.
//!
//! In: names of services, the revision of what was written. Out: progress on standard output as it comes, an [`Answer`] at the end. Never
//! here: an answer of before that revision.

use std::collections::BTreeMap;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use admin::wire::{
    DeploymentStateDoc, InstanceStateDoc, Reached, Rollout, RolloutCanary, RolloutInstance, StageDoc,
};
use clap::Args;
use serde::Serialize;

use crate::answer::Answer;
use crate::client::Client;
use crate::fact::word;
use crate::failure::Failure;
use crate::frontend::{line, parse_time};
use crate::name::{encode, quoted};
use crate::status::duration;
use crate::terminal;
use crate::wait::{self, WaitArgs};

/// How long after an answer it is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// How long services are followed, where nothing is said, in milliseconds.
const USUAL: u64 = 300_000;

/// What commands that launch take.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct FollowArgs {
    /// Then wait until all that is wanted is so, and served by every node, for 5m or TIME; exit code 1 when it fails, or is not so in time
    #[arg(long, value_name = "TIME", value_parser = parse_time, num_args = 0..=1, require_equals = true)]
    wait: Option<Option<u64>>,
    /// For how long that is waited
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "wait")]
    timeout: Option<u64>,
    /// Whether a canary that fails is what fails.
    #[arg(skip)]
    canary: bool,
    /// How far what was written came, where that was waited for before.
    #[arg(skip)]
    reached: Option<Reached>,
}

/// What was done, and what came of it.
#[derive(Serialize)]
struct Followed<'a, T> {
    #[serde(flatten)]
    said: &'a T,
    waited_ms: u64,
    settled: bool,
    rollouts: &'a [Rollout],
    /// How far that came; of what is not settled, how far what was written did, where that was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<&'a Reached>,
}

/// Whether progress is shown, and how.
enum View {
    /// One object at the end is all.
    Silent,
    /// A line a change.
    Plain(BTreeMap<String, String>),
    /// One block, written over and over.
    Live { lines: usize },
}

impl FollowArgs {
    /// The same as what other commands take.
    pub(crate) fn of(args: &WaitArgs) -> Self {
        let timeout = args.timeout_ms(USUAL);
        Self { wait: timeout.map(Some), timeout, ..Self::default() }
    }

    /// The same, where it was waited before for what was written, which came as far as that.
    pub(crate) fn behind(self, reached: Option<Reached>) -> Self {
        Self { reached, ..self }
    }

    /// The same, where what is followed is a canary.
    pub(crate) fn of_canary(&self) -> Self {
        Self { canary: true, ..self.clone() }
    }

    /// The answer to what was written at `revision`; with `--wait` it comes once all that is wanted of the services is so.
    ///
    /// # Errors
    /// [`Failure`]: a service is gone, is never launched, or the server is.
    pub(crate) fn answer<T: Serialize>(
        &self,
        services: &[String],
        revision: u64,
        said: &T,
        says: String,
        (client, as_json): (&Client, bool),
    ) -> Result<Answer, Failure> {
        let Some(timeout) = self.wait.map(|said| said.or(self.timeout).unwrap_or(USUAL)) else {
            return Answer::new(said, says);
        };
        let mut view = View::new(as_json);
        view.begin(&says);
        let (begin, timeout) = (Instant::now(), Duration::from_millis(timeout));
        let rollouts = loop {
            let now = ask(services, client);
            let is_over = begin.elapsed() >= timeout;
            match now {
                Ok(rollouts) => {
                    view.show(&rollouts);
                    let fresh = rollouts.iter().all(|rollout| rollout.revision >= revision);
                    let settled = rollouts.iter().all(|rollout| rollout.settled);
                    let failed = rollouts.iter().any(|rollout| self.fails(rollout));
                    if is_over || (fresh && (settled || failed)) {
                        break rollouts;
                    }
                }
                Err(failure) if is_over || !is_passing(&failure) => return Err(failure),
                Err(_) => {}
            }
            thread::sleep(PAUSE.min(timeout.saturating_sub(begin.elapsed())));
        };
        let waited = begin.elapsed();
        let settled = rollouts.iter().all(|rollout| rollout.settled && rollout.revision >= revision);
        let settled = settled && !rollouts.iter().any(|rollout| self.fails(rollout));
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        let mut text: String =
            rollouts.iter().map(|rollout| self.end(rollout, revision, waited_ms)).collect();
        let reached = settled.then(|| live(&rollouts, client)).transpose()?.flatten();
        if let Some(reached) = &reached {
            text += &line(&wait::text(reached));
        }
        let wait = reached.as_ref().or(self.reached.as_ref());
        let followed = Followed { said, waited_ms, settled, rollouts: &rollouts, wait };
        let mut answer = Answer::new(&followed, text)?;
        answer.code = u8::from(!settled || wait.is_some_and(|reached| !reached.served));
        Ok(answer)
    }

    /// Whether what is followed has failed.
    fn fails(&self, rollout: &Rollout) -> bool {
        rollout.failed || (self.canary && rollout.canary.as_ref().is_some_and(RolloutCanary::has_failed))
    }

    /// How it ended, on one line, and a line for a canary.
    fn end(&self, rollout: &Rollout, revision: u64, waited_ms: u64) -> String {
        let canary = rollout.canary.as_ref().filter(|_| rollout.revision >= revision);
        let canary = canary.map(|canary| ended(rollout, canary)).unwrap_or_default();
        match self.canary && self.fails(rollout) && !rollout.failed {
            true => canary,
            false => end(rollout, revision, waited_ms) + &canary,
        }
    }
}

/// What came of a canary, and what may be done with it.
fn ended(rollout: &Rollout, canary: &RolloutCanary) -> String {
    let (service, name) = (&rollout.service, quoted(&rollout.service));
    let RolloutCanary { image, percent, reason, .. } = canary;
    match canary.state {
        Some(DeploymentStateDoc::Failed) => line(&format!(
            "{service}: canary {image} failed, and takes no requests: {reason} (portico abort {name})"
        )),
        Some(DeploymentStateDoc::Done) => line(&format!(
            "{service}: canary {image} takes {percent} % of the requests (portico promote {name}, or portico abort {name})"
        )),
        _ => String::new(),
    }
}

fn ask(services: &[String], client: &Client) -> Result<Vec<Rollout>, Failure> {
    services.iter().map(|name| client.get(&format!("/v1/services/{}/rollout", encode(name)))).collect()
}

/// Waits until every node serves what is settled; `None`: no node has a door.
fn live(rollouts: &[Rollout], client: &Client) -> Result<Option<Reached>, Failure> {
    let Some(revision) = rollouts.iter().map(|rollout| rollout.revision).max() else { return Ok(None) };
    let reached = wait::reach(client, Some(revision), "", wait::USUAL)?;
    let has_doors = reached.doors > 0 || !reached.laggards.is_empty();
    Ok(Some(reached).filter(|_| has_doors))
}

/// Whether it may be over soon: who restarts answers again.
fn is_passing(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable { .. } => true,
        Failure::Refused(problem) => problem.status == 503,
        _ => false,
    }
}

/// How it ended, on one line.
fn end(rollout: &Rollout, revision: u64, waited_ms: u64) -> String {
    let Rollout { service, healthy, wanted, .. } = rollout;
    let waited = duration(waited_ms);
    if rollout.failed {
        return line(&format!("{service} failed after {waited}: {}", rollout.reason));
    }
    if !rollout.settled || rollout.revision < revision {
        let missing = match rollout.revision < revision {
            true => format!("the node that is asked is at revision {}, not {revision}", rollout.revision),
            false => waits(rollout, true),
        };
        return line(&format!("{service} is not done after {waited}: {missing}"));
    }
    line(&match wanted {
        Some(0) => format!("{service}: nothing runs (after {waited})"),
        Some(wanted) => format!("{service}: {healthy} of {wanted} healthy (after {waited})"),
        None => format!("{service}: healthy on every host, {healthy} instances (after {waited})"),
    })
}

impl View {
    fn new(as_json: bool) -> Self {
        match (as_json, terminal::width()) {
            (true, _) => Self::Silent,
            (false, None) => Self::Plain(BTreeMap::new()),
            (false, Some(_)) => Self::Live { lines: 0 },
        }
    }

    /// What was done, before anything comes of it.
    fn begin(&self, says: &str) {
        if !matches!(self, Self::Silent) {
            print(says);
        }
    }

    fn show(&mut self, rollouts: &[Rollout]) {
        match self {
            Self::Silent => {}
            Self::Plain(shown) => print(&news(shown, rollouts)),
            Self::Live { lines } => {
                let width = terminal::width().unwrap_or(80);
                let block: Vec<String> = rollouts.iter().flat_map(block).collect();
                let mut text = if *lines > 0 { format!("\x1b[{lines}A\x1b[J") } else { String::new() };
                block.iter().for_each(|row| text += &line(&terminal::cut(row, width)));
                *lines = block.len();
                print(&text);
            }
        }
    }
}

/// Who looks no more is told no more; the work goes on.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A service and its instances, a line each.
fn block(rollout: &Rollout) -> Vec<String> {
    let wanted = rollout.wanted.map_or_else(|| "every host".to_owned(), |wanted| wanted.to_string());
    let state = rollout.state.map_or_else(|| "waiting".to_owned(), |state| word(&state));
    let head =
        format!("{} {}  {state}  {}/{wanted} healthy", rollout.service, rollout.image, rollout.healthy);
    let name = rollout.instances.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
    let host = rollout.instances.iter().map(|one| one.host.chars().count()).max().unwrap_or(0);
    let canary = rollout.canary.as_ref().map(|canary| {
        let RolloutCanary { image, percent, healthy, wanted, state, .. } = canary;
        let state = state.map_or_else(|| "waiting".to_owned(), |state| word(&state));
        format!("  canary {image}  {percent} %  {state}  {healthy}/{wanted} healthy")
    });
    let instances = rollout.instances.iter().map(|one| {
        let row = format!("  {:name$} on {:host$}  {}", one.name, one.host, how(one));
        row.trim_end().to_owned()
    });
    let waits = Some(waits(rollout, false)).filter(|waits| !waits.is_empty());
    [head].into_iter().chain(canary).chain(instances).chain(waits.map(|waits| format!("  {waits}"))).collect()
}

/// What is missing; and why, unless instances say so themselves.
fn waits(rollout: &Rollout, whole: bool) -> String {
    let is_said = !whole && rollout.instances.iter().any(|one| !one.reason.is_empty());
    let why = Some(&rollout.reason).filter(|_| !is_said && !rollout.settled);
    let tried = rollout.canary.as_ref().map(|canary| &canary.reason).filter(|_| !is_said && !rollout.settled);
    let all = [Some(&rollout.missing), why, tried].into_iter().flatten().filter(|text| !text.is_empty());
    all.map(String::as_str).collect::<Vec<_>>().join("; ")
}

/// `starting`, `healthy`, `draining (old): 2 requests and 0 tunnels are in flight` …
fn how(one: &RolloutInstance) -> String {
    let stage = match (one.stage, one.state) {
        (StageDoc::Running, state) => word(&state),
        (StageDoc::Placed, InstanceStateDoc::Starting) => "starting".to_owned(),
        (stage, _) => word(&stage),
    };
    let old = match one {
        RolloutInstance { canary: true, .. } => " (canary)",
        RolloutInstance { current: true, .. } => "",
        _ => " (old)",
    };
    let failures = match one.failures {
        0 => String::new(),
        1 => ", failed once".to_owned(),
        failures => format!(", failed {failures} times"),
    };
    let reason = if one.reason.is_empty() { String::new() } else { format!(": {}", one.reason) };
    format!("{stage}{old}{failures}{reason}")
}

/// What is new since it was shown last, a line each.
fn news(shown: &mut BTreeMap<String, String>, rollouts: &[Rollout]) -> String {
    let mut now = BTreeMap::new();
    for rollout in rollouts {
        for one in &rollout.instances {
            let name = format!("{}/{} on {}", rollout.service, one.name, one.host);
            now.insert(name, how(one));
        }
        let waits = waits(rollout, false);
        if !waits.is_empty() {
            now.insert(format!("{} waits", rollout.service), waits);
        }
    }
    let came = now.iter().filter(|(name, how)| shown.get(*name) != Some(how));
    let mut text: String = came.map(|(name, how)| line(&format!("{name}: {how}"))).collect();
    let went = shown.keys().filter(|name| !now.contains_key(*name) && !name.ends_with(" waits"));
    went.for_each(|name| text += &line(&format!("{name}: gone")));
    *shown = now;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(fields: &str) -> Rollout {
        let json = format!(
            r#"{{"revision":42,"service":"web","version":"692fb9002abb256b","image":"web:2","wanted":2,
                "state":"progressing","controller":"a",{fields}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn under_way() -> Rollout {
        rollout(
            r#""healthy":1,"reason":"","settled":false,"failed":false,"missing":"1 of 2 healthy","instances":[
            {"name":"1","host":"node-1","current":false,"state":"draining","stage":"draining","failures":0,"reason":"2 requests and 0 tunnels are in flight"},
            {"name":"2","host":"node-1","current":true,"state":"starting","stage":"placed","failures":0,"reason":""},
            {"name":"13","host":"n2","current":true,"state":"healthy","stage":"running","failures":0,"reason":""},
            {"name":"14","host":"n2","current":true,"state":"starting","stage":"backoff","failures":2,"reason":"exit code 1"}]"#,
        )
    }

    #[test]
    fn progress_is_a_block_or_a_line_a_change() {
        insta::assert_snapshot!(block(&under_way()).join("\n"), @r"
        web web:2  progressing  1/2 healthy
          1  on node-1  draining (old): 2 requests and 0 tunnels are in flight
          2  on node-1  starting
          13 on n2      healthy
          14 on n2      backoff, failed 2 times: exit code 1
          1 of 2 healthy
        ");
        let mut shown = BTreeMap::new();
        assert_eq!(news(&mut shown, &[under_way()]).lines().count(), 5);
        assert_eq!(news(&mut shown, &[under_way()]), "");
        let mut later = under_way();
        later.instances.remove(0);
        later.instances[0].stage = StageDoc::Running;
        later.instances[0].state = InstanceStateDoc::Healthy;
        later.missing.clear();
        assert_eq!(news(&mut shown, &[later]), "web/2 on node-1: healthy\nweb/1 on node-1: gone\n");
    }

    #[test]
    fn a_canary_is_told_of_beside_and_fails_what_follows_it_alone() {
        let check = |state: &str, fails: (bool, bool), expected: &str| {
            let fields = format!(
                r#""healthy":2,"reason":"","settled":true,"failed":false,"missing":"","instances":[],"canary":
                {{"version":"238b84c8bfa9a537","image":"web:3","percent":10,"wanted":1,"healthy":0,"state":"{state}","reason":"exit code 1"}}"#
            );
            let (plain, rollout) = (FollowArgs::default(), rollout(&fields));
            let tried = plain.of_canary();
            assert_eq!((plain.fails(&rollout), tried.fails(&rollout)), fails, "{state}");
            assert_eq!(tried.end(&rollout, 42, 12_000), expected);
        };
        check("progressing", (false, false), "web: 2 of 2 healthy (after 12 s)\n");
        check(
            "done",
            (false, false),
            "web: 2 of 2 healthy (after 12 s)\nweb: canary web:3 takes 10 % of the requests (portico promote web, or portico abort web)\n",
        );
        check(
            "failed",
            (false, true),
            "web: canary web:3 failed, and takes no requests: exit code 1 (portico abort web)\n",
        );
    }

    #[test]
    fn the_end_is_one_line() {
        let check = |fields: &str, revision, expected: &str| {
            let fields = format!(r#"{fields},"instances":[]"#);
            let follow = FollowArgs::default();
            assert_eq!(follow.end(&rollout(&fields), revision, 12_000), expected);
        };
        let done = r#""healthy":2,"reason":"","settled":true,"failed":false,"missing":"""#;
        check(done, 42, "web: 2 of 2 healthy (after 12 s)\n");
        check(done, 43, "web is not done after 12 s: the node that is asked is at revision 42, not 43\n");
        check(
            r#""healthy":0,"reason":"no such image","settled":false,"failed":true,"missing":"0 of 2 healthy""#,
            42,
            "web failed after 12 s: no such image\n",
        );
        check(
            r#""healthy":1,"reason":"","settled":false,"failed":false,"missing":"1 of 2 healthy""#,
            42,
            "web is not done after 12 s: 1 of 2 healthy\n",
        );
    }
}
