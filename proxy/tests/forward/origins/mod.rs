//! Hostile origins: one list of what they do, played through the real proxy.
//!
//! Each behaviour is played twice. Once by the only endpoint of a route: what does the client see, does its connection go on
//! undisturbed, is the origin's connection used again? Once by both endpoints of a route: does it count as a death? Whatever an
//! origin does, the word `forged` never reaches a client, and the exchange that follows gets its own answer.

mod actor;
mod answer;
mod behaviour;
mod bodies;
mod ends;
mod heads;
mod lengths;

use std::time::Duration;

use proxy::config::{Config, LogFormat};

use crate::stage::{Stage, eventually, frontend};
use actor::Actor;
use answer::{Answer, End, read};
use behaviour::{Behaviour, Seen};

/// The request that follows each behaviour.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: alone.test\r\n\r\n";

/// Parts that are played at the same time.
const PARTS: usize = 8;

/// Routes to one endpoint that behaves so, and to two of that kind.
struct Play {
    alone: Actor,
    pair: [Actor; 2],
    stage: Stage,
}

fn brisk(config: &mut Config) {
    config.upstream.response_timeout = Duration::from_secs(1);
    config.upstream.idle_timeout = Duration::from_secs(1);
    // Marks do not outlive the behaviour that brought them.
    config.health.dead_ttl = Duration::from_millis(1);
    config.upstream.retry_budget_percent = 1000;
    config.access_log.format = LogFormat::Json;
}

impl Play {
    fn new() -> Self {
        let (alone, pair) = (Actor::start(), [Actor::start(), Actor::start()]);
        let addresses = pair.each_ref().map(|actor| actor.address);
        let frontends = vec![frontend("alone.test", &[alone.address]), frontend("pair.test", &addresses)];
        Self { alone, pair, stage: Stage::with_frontends(frontends, brisk) }
    }

    /// Plays it, and says what was not as it should be.
    fn perform(&self, behaviour: &Behaviour) -> Vec<String> {
        // No connection of the last one is left.
        self.actors().for_each(Actor::hang_up);
        let mut wrong = self.perform_alone(behaviour);
        wrong.extend(self.perform_as_a_pair(behaviour));
        wrong.into_iter().map(|wrong| format!("{}: {wrong}", behaviour.name)).collect()
    }

    fn actors(&self) -> impl Iterator<Item = &Actor> {
        [&self.alone].into_iter().chain(&self.pair)
    }

    /// Waits until all that was to be said is said.
    fn is_over(&self) {
        eventually("the origins are done", || self.actors().all(Actor::is_done));
    }

    fn perform_alone(&self, behaviour: &Behaviour) -> Vec<String> {
        let mut wrong = Vec::new();
        self.alone.behaves(Some(behaviour));
        let mut client = self.stage.client();
        client.try_say(behaviour.request_to("alone.test"));
        let answer = read(&mut client, behaviour.is_head());
        judge(&answer, behaviour, &mut wrong);
        self.alone.behaves(None);
        self.is_over();
        let before = self.alone.connections();

        if answer.keeps_connection() {
            client.try_say(NEXT);
        } else {
            let (rest, _) = client.rest();
            if !rest.is_empty() {
                wrong.push(format!("more follows: {:?}", String::from_utf8_lossy(&rest)));
            }
            client = self.stage.client();
            client.try_say(NEXT);
        }
        let next = read(&mut client, false);
        if (next.status, next.body.as_slice(), &next.end) != (200, b"next", &End::Framed) {
            wrong.push(format!("the next answer is {next:?}"));
        }
        let reused = self.alone.connections() == before;
        if reused != behaviour.reused {
            wrong.push(format!("the origin's connection is used again: {reused}"));
        }
        wrong
    }

    fn perform_as_a_pair(&self, behaviour: &Behaviour) -> Vec<String> {
        let mut wrong = Vec::new();
        // The clock of marks is coarse: those of the last one may still hold.
        eventually("both are in", || {
            let matched = self.stage.proxy.explain("pair.test", "/").matched;
            matched.is_some_and(|route| route.endpoints.iter().all(|endpoint| endpoint.out.is_none()))
        });
        let before = self.stage.proxy.totals().dead_marks;
        for actor in &self.pair {
            actor.behaves(Some(behaviour));
        }
        let mut client = self.stage.client();
        client.try_say(behaviour.request_to("pair.test"));
        judge(&read(&mut client, behaviour.is_head()), behaviour, &mut wrong);
        for actor in &self.pair {
            actor.behaves(None);
        }
        self.is_over();
        let dead = self.stage.proxy.totals().dead_marks > before;
        if behaviour.dead.is_some_and(|wanted| wanted != dead) {
            wrong.push(format!("it counts as a death: {dead}"));
        }
        wrong
    }
}

/// Whether the client saw what it must.
fn judge(answer: &Answer, behaviour: &Behaviour, wrong: &mut Vec<String>) {
    let is_whole = answer.end != End::Cut;
    let fine = match &behaviour.seen {
        Seen::Whole(status, body) => is_whole && answer.status == *status && answer.body == body.as_bytes(),
        Seen::Status(status) => is_whole && answer.status == *status,
        Seen::Cut => !is_whole,
        Seen::Refused => !is_whole || answer.status == 502,
    };
    if !fine {
        wrong.push(format!("the client sees {answer:?}"));
    }
    if answer.octets.windows(6).any(|window| window == b"forged") {
        wrong.push("what is forged reaches the client".into());
    }
}

/// Plays all of them, a part at a time for most of it is waiting; fails naming each that went wrong.
fn perform_all(behaviours: &[Behaviour]) {
    let parts = behaviours.chunks(behaviours.len().div_ceil(PARTS));

    let wrong: Vec<_> = std::thread::scope(|scope| {
        let playing: Vec<_> = parts.map(|part| scope.spawn(|| perform_part(part))).collect();
        playing.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });

    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), behaviours.len(), wrong.join("\n"));
}

fn perform_part(behaviours: &[Behaviour]) -> Vec<String> {
    let play = Play::new();
    let mut wrong: Vec<_> = behaviours.iter().flat_map(|behaviour| play.perform(behaviour)).collect();
    // Each was played twice, and followed once by another request.
    let logged = play.stage.logged(3 * behaviours.len()).len();
    let totals = play.stage.proxy.totals();
    if (logged, totals.in_flight(), totals.panics) != (3 * behaviours.len(), 0, 0) {
        let expected = 3 * behaviours.len();
        wrong.push(format!("{logged} are logged of {expected}, {} are in flight", totals.in_flight()));
    }
    wrong
}

#[test]
fn heads_that_are_none() {
    perform_all(&heads::all());
}

#[test]
fn lengths_that_can_be_read_in_two_ways() {
    perform_all(&lengths::all());
}

#[test]
fn bodies_that_are_none_or_too_many() {
    perform_all(&bodies::all());
}

#[test]
fn ends_before_the_end() {
    perform_all(&ends::all());
}

#[test]
fn a_hundred_and_fifty_behaviours_are_known_each_by_its_name() {
    let all = [heads::all(), lengths::all(), bodies::all(), ends::all()].concat();
    let names: std::collections::BTreeSet<_> = all.iter().map(|behaviour| behaviour.name).collect();

    assert_eq!(names.len(), all.len(), "no name stands twice");
    assert!(all.len() >= 150, "{} behaviours", all.len());
}
