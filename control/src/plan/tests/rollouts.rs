//! How one version takes the place of another, turn by turn.

use super::fleet::Fleet;
use crate::runtime::{ContainerState, Exit};

#[test]
fn a_new_one_starts_before_an_old_one_stops() {
    let mut fleet = Fleet::of("a; b", "web web:1 x2");

    fleet.service("web web:2 x2");

    fleet.check(
        30,
        "
        0: web/3@a placed; web progressing of web:2
        1: launch web/3@a
        2: web/3@a runs
        3: web/3@a healthy
        4: web/1@a draining: web:2 takes its place; web/4@b placed
        5: web/1@a stopping: web:2 takes its place; launch web/4@b
        6: web/4@b runs; end web/1@a
        7: web/4@b healthy; take web/1@a away
        8: web/1@a is gone; web/2@b draining: web:2 takes its place
        9: web/2@b stopping: web:2 takes its place; web done of web:2
        10: end web/2@b
        11: take web/2@b away
        12: web/2@b is gone
        ",
    );
}

#[test]
fn as_many_are_kept_as_ran_where_there_may_be_more_than_the_least() {
    let mut fleet = Fleet::of("a", "web web:1 x3");
    fleet.service("web web:1 x1-5");
    fleet.run(5);

    fleet.service("web web:2 x1-5 parallel=2");

    fleet.check(
        30,
        "
        0: web/4@a placed; web/5@a placed; web progressing of web:2
        1: launch web/4@a; launch web/5@a
        2: web/4@a runs; web/5@a runs
        3: web/4@a healthy; web/5@a healthy
        4: web/1@a draining: web:2 takes its place; web/2@a draining: web:2 takes its place; web/6@a placed
        5: web/1@a stopping: web:2 takes its place; web/2@a stopping: web:2 takes its place; launch web/6@a
        6: web/6@a runs; end web/1@a; end web/2@a
        7: web/6@a healthy; take web/1@a away; take web/2@a away
        8: web/1@a is gone; web/2@a is gone; web/3@a draining: web:2 takes its place
        9: web/3@a stopping: web:2 takes its place; web done of web:2
        10: end web/3@a
        11: take web/3@a away
        12: web/3@a is gone
        ",
    );
}

#[test]
fn what_has_just_ended_keeps_no_capacity() {
    let mut fleet = Fleet::of("a; b", "web web:1 x2");
    fleet.service("web web:2 x2");
    fleet.run(4);

    fleet.becomes("portico-web-2", Some(ContainerState::Exited(Exit::default())));

    fleet.check(
        2,
        "
        0: web/2@b draining: web:2 takes its place; web/4@b placed
        1: web/2@b stopping: web:2 takes its place; launch web/4@b
        ",
    );
}

#[test]
fn what_is_tried_and_ran_until_now_serves_until_others_do() {
    let mut fleet = Fleet::of("a; b", "web web:1 x3");

    fleet.service("web web:2 x3 canary:web:1");

    fleet.check(
        30,
        "
        0: web/4@b placed; web progressing of web:2
        1: web progressing of web:2; launch web/4@b
        2: web/4@b runs
        3: web/4@b healthy
        4: web/5@a placed
        5: launch web/5@a
        6: web/5@a runs
        7: web/5@a healthy
        8: web/2@b draining: web:2 takes its place; web/6@b placed
        9: web/2@b stopping: web:2 takes its place; launch web/6@b
        10: web/6@b runs; end web/2@b
        11: web/6@b healthy; take web/2@b away
        12: web/2@b is gone; web/3@a draining: fewer of the canary are wanted; web done of web:2
        13: web/3@a stopping: fewer of the canary are wanted
        14: end web/3@a
        15: take web/3@a away
        16: web/3@a is gone
        ",
    );
}

#[test]
fn a_name_that_somebody_registered_is_taken() {
    let mut fleet = Fleet::of("a", "");
    fleet.registered("web", "1");

    fleet.service("web web:1");

    fleet.check(
        10,
        "
        0: web/2@a placed; web progressing of web:1
        1: launch web/2@a
        2: web/2@a runs
        3: web/2@a healthy
        4: web done of web:1
        ",
    );
}

#[test]
fn two_at_once_where_two_are_allowed() {
    let mut fleet = Fleet::of("a; b", "web web:1 x2");

    fleet.service("web web:2 x2 parallel=2");

    fleet.check(
        30,
        "
        0: web/3@a placed; web/4@b placed; web progressing of web:2
        1: launch web/3@a; launch web/4@b
        2: web/3@a runs; web/4@b runs
        3: web/3@a healthy; web/4@b healthy
        4: web/1@a draining: web:2 takes its place; web/2@b draining: web:2 takes its place
        5: web/1@a stopping: web:2 takes its place; web/2@b stopping: web:2 takes its place; web done of web:2
        6: end web/1@a; end web/2@b
        7: take web/1@a away; take web/2@b away
        8: web/1@a is gone; web/2@b is gone
        ",
    );
}

#[test]
fn an_old_one_stops_before_a_new_one_starts_where_that_is_wanted() {
    let mut fleet = Fleet::of("a; b", "web web:1 x2");

    fleet.service("web web:2 x2 stop-first");

    fleet.check(
        30,
        "
        0: web/1@a draining: web:2 takes its place; web progressing of web:2
        1: web/1@a stopping: web:2 takes its place
        2: end web/1@a
        3: take web/1@a away
        4: web/1@a is gone
        5: web/1@a placed
        6: launch web/1@a
        7: web/1@a runs
        8: web/1@a healthy
        9: web/2@b draining: web:2 takes its place
        10: web/2@b stopping: web:2 takes its place; web/3@a placed
        11: end web/2@b; launch web/3@a
        12: web/3@a runs; take web/2@b away
        13: web/2@b is gone; web/3@a healthy
        14: web done of web:2
        ",
    );
}

#[test]
fn on_every_host_an_old_one_stops_before_a_new_one_starts() {
    let mut fleet = Fleet::of("a; b", "web web:1 every");

    fleet.service("web web:2 every");

    fleet.check(
        30,
        "
        0: web/1@a draining: web:2 takes its place; web progressing of web:2
        1: web/1@a stopping: web:2 takes its place
        2: end web/1@a
        3: take web/1@a away
        4: web/1@a is gone
        5: web/1@a placed
        6: launch web/1@a
        7: web/1@a runs
        8: web/1@a healthy
        9: web/2@b draining: web:2 takes its place
        10: web/2@b stopping: web:2 takes its place
        11: end web/2@b
        12: take web/2@b away
        13: web/2@b is gone
        14: web/2@b placed
        15: launch web/2@b
        16: web/2@b runs
        17: web/2@b healthy
        18: web done of web:2
        ",
    );
}

#[test]
fn a_new_one_counts_once_it_was_healthy_for_long_enough() {
    let mut fleet = Fleet::of("a", "web web:1");

    fleet.service("web web:2 min=3");

    fleet.check(
        30,
        "
        0: web/2@a placed; web progressing of web:2
        1: launch web/2@a
        2: web/2@a runs
        3: web/2@a healthy
        7: web/1@a draining: web:2 takes its place
        8: web/1@a stopping: web:2 takes its place; web done of web:2
        9: end web/1@a
        10: take web/1@a away
        11: web/1@a is gone
        ",
    );
}

#[test]
fn where_no_room_is_for_one_more_an_old_one_goes_first() {
    let mut fleet = Fleet::of("a mem=2", "web web:1 x2 mem=1");

    fleet.service("web web:2 x2 mem=1");

    fleet.check(30, "
        0: web/1@a draining: web:2 takes its place; web progressing of web:2
        1: web/1@a stopping: web:2 takes its place; web progressing of web:2: 1 instance fits nowhere (a: has 0 B of memory free, needs 1 GiB)
        2: end web/1@a
        3: take web/1@a away
        4: web/1@a is gone
        5: web/1@a placed; web progressing of web:2
        6: launch web/1@a
        7: web/1@a runs
        8: web/1@a healthy
        9: web/2@a draining: web:2 takes its place; web progressing of web:2: 1 instance fits nowhere (a: has 0 B of memory free, needs 1 GiB)
        10: web/2@a stopping: web:2 takes its place
        11: end web/2@a
        12: take web/2@a away
        13: web/2@a is gone
        14: web/2@a placed; web progressing of web:2
        15: launch web/2@a
        16: web/2@a runs
        17: web/2@a healthy
        18: web done of web:2
        ");
}

#[test]
fn of_new_ones_that_take_more_only_as_many_start_as_have_room() {
    let mut fleet = Fleet::of("a mem=3", "web web:1 x2 mem=1");

    fleet.service("web web:2 x2 mem=2");

    fleet.check(30, "
        0: web/1@a draining: web:2 takes its place; web progressing of web:2
        1: web/1@a stopping: web:2 takes its place; web progressing of web:2: 1 instance fits nowhere (a: has 1 GiB of memory free, needs 2 GiB)
        2: end web/1@a
        3: take web/1@a away
        4: web/1@a is gone
        5: web/1@a placed; web progressing of web:2
        6: launch web/1@a
        7: web/1@a runs
        8: web/1@a healthy
        9: web progressing of web:2: 1 instance fits nowhere (a: has 0 B of memory free, needs 2 GiB)
        ");
}

#[test]
fn a_version_that_fails_again_and_again_is_rolled_back_and_says_why() {
    let mut fleet = Fleet::of("a", "web web:1");

    fleet.service("web web:crash");

    fleet.check(40, "
        0: web/2@a placed; web progressing of web:crash
        1: launch web/2@a
        2: read web/2@a
        3: web/2@a backoff: it exited with code 1, saying: boom; tried again 1s after failure 1
        4: web progressing of web:crash: 2 on a: it exited with code 1, saying: boom; tried again 1s after failure 1
        5: take web/2@a away
        6: web/2@a placed: it exited with code 1, saying: boom; tried again 1s after failure 1
        7: launch web/2@a
        8: read web/2@a
        9: web/2@a backoff: it exited with code 1, saying: boom; tried again 2s after failure 2
        10: web progressing of web:crash: 2 on a: it exited with code 1, saying: boom; tried again 2s after failure 2
        12: take web/2@a away
        13: web/2@a placed: it exited with code 1, saying: boom; tried again 2s after failure 2
        14: launch web/2@a
        15: read web/2@a
        16: web/2@a backoff: it exited with code 1, saying: boom; tried again 4s after failure 3
        17: web failed of web:crash: it fails again and again: 2 on a: it exited with code 1, saying: boom; tried again 4s after failure 3; rolled back to web:1
        18: web/2@a draining: web:1 takes its place
        19: web/2@a stopping: web:1 takes its place
        20: take web/2@a away
        21: web/2@a is gone
        ");
}

#[test]
fn a_version_that_is_late_is_rolled_back_and_says_why() {
    let mut fleet = Fleet::of("a", "web web:1");

    fleet.service("web web:sick deadline=9");

    fleet.check(
        40,
        "
        0: web/2@a placed; web progressing of web:sick
        1: launch web/2@a
        2: web/2@a runs
        10: web failed of web:sick: it was not healthy in time; rolled back to web:1
        11: web/2@a draining: web:1 takes its place
        12: web/2@a stopping: web:1 takes its place
        13: end web/2@a
        14: take web/2@a away
        15: web/2@a is gone
        ",
    );
}

#[test]
fn what_failed_stays_where_nobody_wants_it_rolled_back() {
    let mut fleet = Fleet::of("a", "web web:1");

    fleet.service("web web:sick deadline=9 stay");

    fleet.check(
        40,
        "
        0: web/2@a placed; web progressing of web:sick
        1: launch web/2@a
        2: web/2@a runs
        10: web failed of web:sick: it was not healthy in time
        ",
    );
}

#[test]
fn what_failed_and_is_good_again_is_a_version_like_others() {
    let mut fleet = Fleet::of("a", "web web:1");
    fleet.service("web web:none deadline=3");
    fleet.run(30);

    fleet.service("web web:2");

    fleet.check(
        30,
        "
        0: web/2@a placed; web progressing of web:2
        1: launch web/2@a
        2: web/2@a runs
        3: web/2@a healthy
        4: web/1@a draining: web:2 takes its place
        5: web/1@a stopping: web:2 takes its place; web done of web:2
        6: end web/1@a
        7: take web/1@a away
        8: web/1@a is gone
        ",
    );
}
