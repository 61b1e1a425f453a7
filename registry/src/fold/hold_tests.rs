//! Views that suddenly lost most of a large table.

use std::time::Duration;

use super::tests::{changed, fold, key, listed, put};
use super::*;
use crate::Held;
use crate::driver::Lost;

fn hosts(range: std::ops::Range<usize>) -> Vec<Change> {
    range.map(|i| put(&format!("h{i}"), "x", 1)).collect()
}

fn gone(range: std::ops::Range<usize>) -> Vec<Change> {
    range.map(|i| Change::Remove(key(&format!("h{i}")))).collect()
}

fn listing(revision: u64, facts: Vec<Change>) -> [Event; 3] {
    [Event::ListBegin, Event::List(facts), listed(revision)]
}

fn vanished(revision: u64, changes: Vec<Change>) -> Event {
    Event::Vanished { revision: Revision::new(revision), changes }
}

fn lost() -> Event {
    Event::Lost { error: "gone".into() }
}

/// Serves `h0` to `h{count-1}`.
struct Stage {
    fold: Fold,
    start: Instant,
}

impl Stage {
    fn new(count: usize) -> Self {
        let mut stage = Self { fold: fold(), start: Instant::now() };
        stage.at(0, listing(1, hosts(0..count)));
        stage
    }

    /// These events, so many seconds later.
    fn at(&mut self, seconds: u64, events: impl IntoIterator<Item = Event>) {
        let now = self.start + Duration::from_secs(seconds);
        self.fold.tick(now);
        events.into_iter().for_each(|event| self.fold.event(event, now));
    }

    /// How many are served, and how many of them are to go.
    fn says(&self) -> (usize, Option<usize>) {
        let held = self.fold.state.held;
        assert_eq!(held.map(|held| held.of), held.map(|_| self.fold.snapshot.len()));
        (self.fold.snapshot.len(), held.map(|held| held.removes))
    }

    fn seconds(&self, time: Instant) -> u64 {
        (time - self.start).as_secs()
    }
}

#[test]
fn a_large_table_that_is_flushed_serves_on_and_is_gone_when_its_time_has_come() {
    let mut stage = Stage::new(50);

    stage.at(10, [vanished(2, gone(0..50))]);

    assert_eq!(stage.says(), (50, Some(50)));
    let Held { since, until, .. } = stage.fold.state.held.expect("held");
    assert_eq!((stage.seconds(since), stage.seconds(until)), (10, 70));
    assert_eq!(stage.fold.deadline(), Some(until));
    stage.at(69, []);
    assert_eq!(stage.says(), (50, Some(50)));
    stage.at(70, []);
    assert_eq!(stage.says(), (0, None));
    assert_eq!(stage.fold.ended.take(), Some(End::Time));
    assert!(stage.fold.snapshot.revision() >= Revision::new(2));
}

#[test]
fn what_is_emptied_is_what_lost_all_of_it() {
    let emptied = |revision| Event::Emptied { revision: Revision::new(revision) };
    for count in [0, 1, 49, 50, 200] {
        for patience in [0, 60] {
            let stages = [emptied(2), vanished(2, gone(0..count))].map(|event| {
                let mut stage = Stage::new(count);
                stage.fold.patience.loss = Duration::from_secs(patience);
                stage.at(1, [event]);
                stage
            });
            let [emptied, vanished] = stages.each_ref().map(|stage| (stage.says(), stage.fold.text()));
            assert_eq!(emptied, vanished, "{count} frontends, held for {patience} s");
            assert_eq!(
                stages[0].fold.deadline(),
                stages[1].fold.deadline().map(|_| stages[0].start + Duration::from_secs(61))
            );
        }
    }

    let mut stage = Stage::new(60);
    stage.at(0, [vanished(2, gone(0..59)), changed(3, vec![put("new", "x", 3)]), emptied(4)]);
    assert_eq!(stage.says(), (61, Some(61)));
    stage.at(60, []);
    assert_eq!(stage.says(), (0, None));
}

#[test]
fn a_listing_that_lacks_most_of_it_is_held_but_for_what_is_new_in_it() {
    let mut stage = Stage::new(100);
    let mut facts = hosts(0..19);
    facts.extend([put("h19", "other", 3), put("new", "x", 3), put("removed", "x", 1)]);

    stage.at(0, [lost()].into_iter().chain(listing(9, facts)));

    assert_eq!(stage.says(), (101, Some(80)));
    assert!(stage.fold.text().contains(" new=x@3") && !stage.fold.text().contains("other"));
    assert!(stage.fold.snapshot.get(&key("removed")).is_none());
    assert!(stage.fold.state.link == Link::Live && stage.fold.state.ready);
    let accepted = stage.fold.accept(stage.start).expect("held");
    assert_eq!((accepted.removed, stage.says()), (80, (22, None)));
    assert!(stage.fold.text().contains("h19=other@3"));
    assert_eq!(stage.fold.accept(stage.start), None);
    assert_eq!(stage.fold.ended.take(), Some(End::Accepted));
}

#[test]
fn small_tables_follow_and_so_do_losses_of_less_than_most() {
    let mut small = Stage::new(49);
    small.at(0, [vanished(2, gone(0..49))]);
    assert_eq!(small.says(), (0, None));

    let mut half = Stage::new(100);
    half.at(0, [lost()].into_iter().chain(listing(2, hosts(0..21))));
    assert_eq!(half.says(), (21, None));
}

#[test]
fn what_is_removed_by_name_is_believed_at_once() {
    let mut stage = Stage::new(100);
    for i in 0..100 {
        stage.at(0, [changed(2 + u64::try_from(i).expect("number"), gone(i..i + 1))]);
    }
    assert_eq!(stage.says(), (0, None));

    let mut stage = Stage::new(100);
    stage.at(0, [changed(2, gone(0..100))]);
    assert_eq!(stage.says(), (0, None));
}

#[test]
fn without_patience_nothing_is_held() {
    let mut stage = Stage::new(0);
    stage.fold.patience = Patience { loss: Duration::ZERO, older: Duration::ZERO };
    stage.at(0, listing(1, hosts(0..100)));
    stage.at(0, [vanished(2, gone(0..100))]);
    assert_eq!(stage.says(), (0, None));
}

#[test]
fn a_store_that_says_all_again_ends_the_hold_by_itself() {
    let mut stage = Stage::new(60);
    stage.at(0, [vanished(2, gone(0..60))]);
    stage.at(5, (0..59).map(|i| changed(3, hosts(i..i + 1))));
    assert_eq!(stage.says(), (60, Some(1)));
    let confirmed = stage.fold.state.confirmed;

    stage.at(6, [Event::Confirmed, changed(4, hosts(59..60))]);

    assert_eq!(stage.says(), (60, None));
    assert_eq!(stage.fold.ended.take(), Some(End::Recovered));
    assert!(stage.fold.state.confirmed > confirmed, "nothing is confirmed while a view is held");
    assert_eq!(stage.fold.deadline(), None);
}

#[test]
fn what_changes_meanwhile_is_served_at_once_and_stays_when_the_view_is_believed() {
    let mut stage = Stage::new(60);
    stage.at(0, [vanished(2, gone(0..60))]);

    stage.at(1, [changed(3, vec![put("new", "x", 3), put("h7", "y", 3)]), changed(4, vec![])]);
    assert_eq!(stage.says(), (61, Some(59)));
    stage.at(2, [changed(5, gone(7..8))]);
    assert_eq!(stage.says(), (60, Some(59)));

    stage.at(60, []);
    assert_eq!(stage.fold.text().split_once(':').expect("text").1, " new=x@3");
}

#[test]
fn a_view_that_is_held_is_held_no_longer_because_it_is_listed_or_flushed_again() {
    let mut stage = Stage::new(60);
    stage.at(0, [vanished(2, gone(0..60))]);

    stage.at(30, [changed(3, hosts(0..5)), vanished(4, gone(0..5))]);
    assert_eq!(stage.says(), (60, Some(60)));
    stage.at(40, listing(5, hosts(0..30)));
    assert_eq!(stage.says(), (60, Some(30)));

    stage.at(60, []);
    assert_eq!(stage.says(), (30, None));
}

#[test]
fn a_store_that_goes_away_takes_its_held_view_with_it() {
    let mut stage = Stage::new(60);
    stage.at(0, [vanished(2, gone(0..60)), lost()]);
    assert_eq!((stage.says(), stage.fold.ended.take()), ((60, None), Some(End::Lost)));

    stage.at(59, listing(3, Vec::new()));
    stage.at(118, []);
    assert_eq!(stage.says(), (60, Some(60)));
    stage.at(119, []);
    assert_eq!(stage.says(), (0, None));
}

#[test]
fn the_last_known_good_from_disk_is_a_table_like_any_other() {
    let mut stage = Stage::new(60);
    stage.fold.state.from_cache = true;
    stage.at(0, listing(2, Vec::new()));
    assert!(stage.fold.state.from_cache);
    assert_eq!(stage.says(), (60, Some(60)));

    stage.at(60, []);
    assert!(!stage.fold.state.from_cache);
    assert_eq!(stage.says(), (0, None));
}

fn listed_by_an_older_copy(facts: Vec<Change>) -> [Event; 3] {
    let lost = Some(Lost { after: Revision::new(98), before: Revision::new(101) });
    let listed = Event::Listed { revision: Revision::new(101), follows_by: "test", read_only: false, lost };
    [Event::ListBegin, Event::List(facts), listed]
}

#[test]
fn an_older_copy_takes_nothing_back_that_is_newer_however_small_the_table() {
    let check = |older: Vec<Change>, held: Option<usize>| {
        let mut stage = Stage::new(0);
        stage.fold.patience.loss = Duration::ZERO;
        stage.at(0, listing(100, vec![put("a", "old", 90), put("b", "new", 99), put("c", "new", 100)]));
        let before = stage.fold.text();
        stage.at(0, [lost()].into_iter().chain(listed_by_an_older_copy(older)));
        assert_eq!(stage.fold.state.held.map(|held| held.removes), held);
        if held.is_some() {
            assert_eq!(stage.fold.text(), before);
            assert!(stage.fold.state.held.is_some_and(|held| held.older));
        }
        stage
    };

    check(vec![put("a", "old", 90), put("b", "old", 97)], Some(2));
    check(vec![put("a", "old", 90), put("b", "new", 97), put("c", "new", 97)], None);
    check(vec![put("a", "old", 90), put("b", "x", 102), put("c", "x", 103)], None);
    check(vec![put("b", "new", 102), put("c", "new", 103)], None);
    let mut removed = check(
        vec![put("a", "old", 90), put("b", "new", 102), put("c", "new", 103), put("removed", "old", 91)],
        Some(1),
    );

    removed.at(60, []);
    assert!(removed.fold.snapshot.get(&key("removed")).is_some());
}
