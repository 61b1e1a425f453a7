//! What other nodes said, put together from the channel and from readings of the store.
//!
//! In: words, how old they are, the time. Out: [`Heard`]. A node is gone by its own word alone: one that the store names no more, since the
//! store lost it or never took it, is lost when its lease ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Others;
use tokio::sync::watch;

use super::report::Said;
use crate::driver::{Heard, Word};

/// Others cannot be heard of: what was heard until then stands.
pub(super) fn away(nodes: &watch::Sender<Arc<Heard>>) {
    stand(nodes, Others::Away);
}

/// How far others can be known now.
pub(super) fn stand(nodes: &watch::Sender<Arc<Heard>>, others: Others) {
    nodes.send_if_modified(|heard| {
        let is_news = heard.others != others;
        if is_news {
            Arc::make_mut(heard).others = others;
        }
        is_news
    });
}

/// All that was said until `until` was heard.
pub(super) fn listened(nodes: &watch::Sender<Arc<Heard>>, until: Instant) {
    nodes.send_if_modified(|heard| {
        let is_news = heard.others == Others::Heard && heard.listened.is_none_or(|before| before < until);
        if is_news {
            Arc::make_mut(heard).listened = Some(until);
        }
        is_news
    });
}

/// Takes in what a node said just now.
pub(super) fn take(heard: &mut Heard, said: Said, now: Instant) {
    let known = heard.words.get(&said.node).map(|known| known.voice);
    match said.report {
        Some(report) => {
            let word = Word { report, heard: now, lease: said.lease, voice: said.voice };
            heard.take(said.node, word);
        }
        // The successor of a process that ends late has spoken already.
        None if known.is_some_and(|known| known.process != said.voice.process) => {}
        None => drop(heard.words.remove(&said.node)),
    }
}

/// Whoever was not lost when it was last listened has had no way to speak since: its lease begins anew.
pub(super) fn begin_anew(heard: &mut Heard, now: Instant) {
    let time = heard.time(now);
    for word in heard.words.values_mut().filter(|word| !word.is_lost(time)) {
        word.heard = now;
    }
}

/// Takes in all that is in the store at `now`, and how long ago it was said. `kept`: how long a node that is lost is still named.
pub(super) fn merge(heard: &mut Heard, words: Vec<(Said, Duration)>, kept: Duration, now: Instant) {
    for (said, age) in words {
        let at = now.checked_sub(age).unwrap_or(now);
        let known = heard.words.get(&said.node);
        let at = match known {
            // A word that the store did not take, or that it took before it lost it, was heard on the channel alone.
            Some(known) if known.is_after(said.voice, at) => continue,
            Some(known) => at.max(known.heard),
            None => at,
        };
        take(heard, said, at);
    }
    let time = heard.time(now);
    heard.words.retain(|_, word| word.gone_at(kept).is_none_or(|gone| gone > time));
}

#[cfg(test)]
mod tests {
    use model::{NodeId, Report};

    use super::*;
    use crate::driver::Voice;

    const LEASE: Duration = Duration::from_secs(15);
    const KEPT: Duration = Duration::from_secs(3600);

    fn voice(said: u64) -> Voice {
        Voice { process: 1, said_us: said }
    }

    /// What `name` said so many seconds ago, as the store has it.
    fn said(name: &str, number: u64, age: u64) -> (Said, Duration) {
        let report = Some(Arc::new(Report::default()));
        let said =
            Said { node: NodeId(name.into()), db: 0, voice: voice(number), report, lease: LEASE, kept: KEPT };
        (said, Duration::from_secs(age))
    }

    /// What was heard by the channel.
    fn heard(now: Instant, words: &[(&str, u64, u64)], listened: u64) -> Heard {
        let ago = |age: u64| now.checked_sub(Duration::from_secs(age)).expect("the machine runs that long");
        let mut heard = Heard { listened: Some(ago(listened)), ..Heard::default() };
        for (name, number, age) in words {
            let (said, _) = said(name, *number, 0);
            take(&mut heard, said, ago(*age));
        }
        heard
    }

    fn check(heard: &Heard, now: Instant, expected: &[(&str, u64, u64)]) {
        let words = heard.words.iter();
        let words: Vec<_> =
            words.map(|(name, word)| (&*name.0, word.voice.said_us, (now - word.heard).as_secs())).collect();
        assert_eq!(words, expected);
    }

    #[test]
    fn who_could_not_speak_while_the_store_was_away_has_a_whole_lease_again() {
        let now = Instant::now();
        let mut heard = heard(now, &[("empty", 1, 51), ("lived", 1, 51), ("lost", 1, 70)], 50);

        begin_anew(&mut heard, now);
        merge(&mut heard, vec![said("lived", 1, 51), said("lost", 1, 70), said("new", 1, 3)], KEPT, now);

        check(&heard, now, &[("empty", 1, 0), ("lived", 1, 0), ("lost", 1, 70), ("new", 1, 3)]);
    }

    #[test]
    fn a_reading_takes_nothing_back_that_was_heard_on_the_channel() {
        let now = Instant::now();
        let mut heard =
            heard(now, &[("channel", 3, 2), ("refused", 3, 2), ("same", 3, 2), ("store", 3, 2)], 0);

        merge(&mut heard, vec![said("refused", 2, 9), said("same", 3, 4), said("store", 4, 1)], KEPT, now);

        check(&heard, now, &[("channel", 3, 2), ("refused", 3, 2), ("same", 3, 2), ("store", 4, 1)]);
    }

    #[test]
    fn a_node_is_gone_by_its_own_word_and_forgotten_when_it_was_lost_for_long() {
        let now = Instant::now();
        let mut heard = heard(now, &[("left", 3, 2), ("long", 1, 3614), ("longer", 1, 3616)], 0);
        let gone = |process| {
            let (mut said, age) = said("left", 4, 0);
            (said.report, said.voice.process) = (None, process);
            (said, age)
        };

        take(&mut heard, gone(2).0, now);
        assert_eq!(heard.words.len(), 3, "another process of its name is gone");
        merge(&mut heard, vec![gone(1)], KEPT, now);

        check(&heard, now, &[("long", 1, 3614)]);
    }
}
