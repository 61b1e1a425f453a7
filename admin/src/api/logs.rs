//! `/v1/services/{service}/logs`: what the instances of a service print, one JSON object a line, as it comes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use control::Control;
use control::runtime::{self, LogQuery};
use model::{Fact, FactKey, Instance, InstanceName, ServiceName, Snapshot};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;

use super::extract::Params;
use super::named::Subject;
use super::{events, rollout, writing};
use crate::containers;
use crate::doors::App;
use crate::problem::Problem;
use crate::server::Lifetime;
use crate::waiting;
use crate::wire::{LogLine, Stream};

/// The most instances whose output is read at once.
const INSTANCES: usize = 64;
/// How many lines may wait for a client; an engine is read no faster than it.
const LINES: usize = 64;
/// How long after its end the output of an instance is looked for again.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    instance: Option<String>,
    #[serde(default)]
    follow: bool,
    tail: Option<u32>,
    since: Option<String>,
}

/// `GET /v1/services/{service}/logs?instance=&follow=true&tail=&since=5m`
pub(crate) async fn logs(
    State(app): State<Arc<App>>,
    Extension(until): Extension<Lifetime>,
    Subject(key): Subject,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let snapshot = writing::snapshot(&app)?;
    let service = rollout::service(&snapshot, &key)?;
    let since = query.since.as_deref().map(|text| waiting::parse_time("since", text)).transpose()?;
    let only = query.instance.as_deref().map(|name| instance(&snapshot, &service.name, name)).transpose()?;
    let control = containers::control(&app, &snapshot)?.clone();
    if only.is_none() && snapshot.instances_of(&service.name).filter(is_launched).nth(INSTANCES).is_some() {
        let detail = format!("service {} has more than {INSTANCES} instances", service.name);
        return Err(Problem::invalid("instance", detail, "name one of them"));
    }
    let is_asked = |instance: &Instance| only.as_ref().is_none_or(|only| *only == instance.name);
    let mut launched = snapshot.instances_of(&service.name).filter(is_launched);
    if !query.follow && !launched.any(|(instance, _)| is_asked(instance)) {
        return Err(none(&service.name));
    }
    let place = events::place(&app)?;
    let asked = LogQuery { follow: query.follow, tail: query.tail, since, timestamps: true };
    let (sender, lines) = mpsc::channel(LINES);
    let reader = Reader { control, service: service.name.clone(), only, asked, sender, _place: place };
    let (snapshots, draining) = (app.doors.registry.snapshots(), app.doors.draining.clone());
    // Who follows asks anew in any case.
    let last = (!query.follow).then(|| reader.sender.clone());
    tokio::spawn(async move {
        let read = tokio::time::timeout_at(until.0, reader.read(snapshots, draining)).await;
        if let (Some(last), Some(line)) = (last, cut(read.ok())) {
            // A client that is gone needs not to know.
            let _ = last.send(line).await;
        }
    });
    Ok(events::ndjson(lines))
}

/// What is told last where not all was told. `whole`: whether it was; `None`: the time was up.
fn cut(whole: Option<bool>) -> Option<Bytes> {
    let text = match whole {
        Some(true) => return None,
        Some(false) => "this is not all: the portico that read it takes its leave",
        None => "this is not all: the connection is as old as it may be (admin.connection_lifetime)",
    };
    let line = LogLine { instance: String::new(), stream: Stream::Cut, at: None, text: text.to_owned() };
    octets(&line)
}

/// A line as it is sent.
fn octets(line: &LogLine) -> Option<Bytes> {
    let mut octets = serde_json::to_vec(line).ok()?;
    octets.push(b'\n');
    Some(octets.into())
}

fn instance(snapshot: &Snapshot, service: &ServiceName, name: &str) -> Result<InstanceName, Problem> {
    let remedy = "write its name, as `portico instance ls` shows it behind the slash";
    let name =
        InstanceName::parse(name).map_err(|error| Problem::invalid("instance", error.to_string(), remedy))?;
    let key = FactKey::Instance { service: service.clone(), name: name.clone() };
    snapshot.get(&key).map(|_| name).ok_or_else(|| writing::not_found(&key))
}

/// There is nothing that could have printed anything.
fn none(service: &ServiceName) -> Problem {
    let detail = format!("no instance of service {service} runs in a container that portico knows");
    let remedy = format!(
        "look at them with `portico instance ls {service}`, or wait for those that come with --follow"
    );
    Problem::new(StatusCode::CONFLICT, "no-container", detail, remedy)
}

fn is_launched((instance, _): &(&Instance, &model::Stated)) -> bool {
    instance.run.is_some()
}

/// Who reads for one client.
struct Reader {
    control: Control,
    service: ServiceName,
    only: Option<InstanceName>,
    asked: LogQuery,
    sender: mpsc::Sender<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// Reads all instances to the end of what they print, or also those that come, until the client goes. False: this portico leaves
    /// before that.
    async fn read(
        self,
        mut snapshots: watch::Receiver<Arc<Snapshot>>,
        mut draining: watch::Receiver<bool>,
    ) -> bool {
        let (mut known, mut reading) = (BTreeSet::new(), JoinSet::new());
        let begin = Instant::now();
        loop {
            let facts = Arc::clone(&snapshots.borrow_and_update());
            for (instance, _) in facts.instances_of(&self.service).filter(is_launched) {
                let is_asked = self.only.as_ref().is_none_or(|only| *only == instance.name);
                if is_asked && known.len() < INSTANCES && known.insert(instance.name.clone()) {
                    reading.spawn(self.one(instance.name.clone(), snapshots.clone(), begin).read());
                }
            }
            if reading.is_empty() && !self.asked.follow {
                return true;
            }
            tokio::select! {
                ended = reading.join_next(), if !reading.is_empty() => drop(ended),
                changed = snapshots.changed(), if self.asked.follow => if changed.is_err() { return false },
                () = self.sender.closed() => return true,
                _ = draining.wait_for(|draining| *draining) => return false,
            }
            // An instance that went makes room for those that come.
            let now = snapshots.borrow();
            known.retain(|name: &InstanceName| {
                !self.asked.follow || fact(&now, &self.service, name).is_some()
            });
        }
    }

    fn one(&self, name: InstanceName, snapshots: watch::Receiver<Arc<Snapshot>>, begin: Instant) -> One {
        One {
            control: self.control.clone(),
            service: self.service.clone(),
            name,
            asked: self.asked,
            begin,
            snapshots,
            sender: self.sender.clone(),
            last: Last::default(),
            behind: Last::default(),
        }
    }
}

/// The output of one instance.
struct One {
    control: Control,
    service: ServiceName,
    name: InstanceName,
    asked: LogQuery,
    begin: Instant,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    sender: mpsc::Sender<Bytes>,
    last: Last,
    /// What was told before the output was looked for again: only what comes behind that is told.
    behind: Last,
}

/// When the last line was printed that was told: on standard output, and on standard error, which come as they like.
#[derive(Clone, Default)]
struct Last([String; 2]);

fn fact<'s>(facts: &'s Snapshot, service: &ServiceName, name: &InstanceName) -> Option<&'s Instance> {
    let key = FactKey::Instance { service: service.clone(), name: name.clone() };
    facts.get(&key).and_then(|stated| match &*stated.fact {
        Fact::Instance(instance) => Some(&**instance),
        _ => None,
    })
}

impl One {
    /// Reads it to its end; following, also what is printed after it was started again.
    async fn read(mut self) {
        let mut said = String::new();
        loop {
            let facts = Arc::clone(&self.snapshots.borrow());
            let Some(instance) = fact(&facts, &self.service, &self.name) else { return };
            let why = match self.attach(&facts, instance).await {
                Ok(true) => String::new(),
                Ok(false) => return,
                Err(error) => error.to_string(),
            };
            // The same is said once; one that is about to start is waited for in silence.
            if why != said && !(self.asked.follow && instance.state == model::InstanceState::Starting) {
                said.clone_from(&why);
                if !why.is_empty() && !self.tell(Stream::Portico, None, &why).await {
                    return;
                }
            }
            if !self.asked.follow {
                return;
            }
            tokio::time::sleep(PAUSE).await;
            // What was told is not told again: the engine counts in seconds.
            self.asked.tail = None;
            self.behind.clone_from(&self.last);
            self.asked.since = Some(self.begin.elapsed() + Duration::from_secs(1));
        }
    }

    /// Reads what is there now, and what comes; false: the client is gone.
    async fn attach(
        &mut self,
        facts: &Snapshot,
        instance: &Instance,
    ) -> Result<bool, containers::NoContainer> {
        let found = containers::find(&self.control, facts, instance).await?;
        let (sender, mut lines) = mpsc::channel(LINES);
        let reading = found.runtime.logs(&found.id, self.asked, sender);
        tokio::pin!(reading);
        let mut ended = None;
        loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) => if !self.pass(&line).await { return Ok(false) },
                    None if ended.is_some() => break,
                    None => ended = Some(reading.as_mut().await),
                },
                end = &mut reading, if ended.is_none() => ended = Some(end),
            }
        }
        ended.unwrap_or(Ok(())).map(|()| true).map_err(Into::into)
    }

    /// Tells a line, unless it was told before; false: the client is gone.
    async fn pass(&mut self, line: &runtime::LogLine) -> bool {
        let text = String::from_utf8_lossy(&line.text);
        let (at, text) = timed(text.strip_suffix('\n').unwrap_or(&text));
        if let Some(at) = at {
            let stream = usize::from(line.is_error);
            if *at <= *self.behind.0[stream] {
                return true;
            }
            at.clone_into(&mut self.last.0[stream]);
        }
        let stream = if line.is_error { Stream::Stderr } else { Stream::Stdout };
        self.tell(stream, at, text).await
    }

    async fn tell(&self, stream: Stream, at: Option<&str>, text: &str) -> bool {
        let (instance, at) = (self.name.to_string(), at.map(ToOwned::to_owned));
        let line = LogLine { instance, stream, at, text: text.to_owned() };
        let Some(line) = octets(&line) else { return false };
        self.sender.send(line).await.is_ok()
    }
}

/// A line without the time before it.
fn timed(line: &str) -> (Option<&str>, &str) {
    let is_time = |word: &str| {
        word.ends_with('Z') && word.len() >= 20 && word.as_bytes().first().is_some_and(u8::is_ascii_digit)
    };
    match line.split_once(' ') {
        Some((at, text)) if is_time(at) => (Some(at), text),
        None if is_time(line) => (Some(line), ""),
        _ => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_before_a_line_is_taken_off() {
        let at = "2026-11-28T09:00:00.123456789Z";
        assert_eq!(timed(&format!("{at} hello you")), (Some(at), "hello you"));
        assert_eq!(timed(&format!("{at} ")), (Some(at), ""));
        assert_eq!(timed("hello you"), (None, "hello you"));
    }

    #[test]
    fn what_is_not_all_says_so_in_its_last_line() {
        let told = |whole| cut(whole).map(|line| serde_json::from_slice::<LogLine>(&line).unwrap());

        let (over, leaving) = (told(None).unwrap(), told(Some(false)).unwrap());

        assert_eq!(told(Some(true)), None);
        assert_eq!((over.stream, leaving.stream), (Stream::Cut, Stream::Cut));
        assert!(over.text.contains("admin.connection_lifetime"), "{over:?}");
        assert!(leaving.text.contains("takes its leave"), "{leaving:?}");
    }
}
