//! What follows from what hosts are, and are said to be.

use super::fleet::Fleet;

#[test]
fn who_is_on_a_drained_host_has_its_place_taken_elsewhere_first() {
    let mut fleet = Fleet::of("a; b", "web web:1 x2");

    fleet.host("a drained");

    fleet.check(
        30,
        "
        0: web/3@b placed
        1: launch web/3@b
        2: web/3@b runs
        3: web/3@b healthy
        4: web/1@a draining: its host is drained
        5: web/1@a stopping: its host is drained
        6: end web/1@a
        7: take web/1@a away
        8: web/1@a is gone
        ",
    );
}

#[test]
fn who_is_on_every_host_leaves_a_drained_one_and_goes_nowhere() {
    let mut fleet = Fleet::of("a; b", "log log:1 every");

    fleet.host("a drained");

    fleet.check(
        30,
        "
        0: log/1@a draining: its host is drained
        1: log/1@a stopping: its host is drained
        2: end log/1@a
        3: take log/1@a away
        4: log/1@a is gone
        ",
    );
}

#[test]
fn a_cordoned_host_keeps_what_it_has_and_gets_nothing() {
    let mut fleet = Fleet::of("a; b", "web web:1");

    fleet.host("a cordoned");
    fleet.service("web web:1 x3");

    fleet.check(
        30,
        "
        0: web/2@b placed; web/3@b placed
        1: launch web/2@b; launch web/3@b
        2: web/2@b runs; web/3@b runs
        3: web/2@b healthy; web/3@b healthy
        4: web done of web:1
        ",
    );
}

#[test]
fn who_is_on_a_silent_host_stays_while_it_is_waited_for() {
    let mut fleet = Fleet::of("a; b", "web web:1 x2");

    fleet.silence("a");
    fleet.check(20, "");
    fleet.answers("a");

    fleet.check(20, "");
}

#[test]
fn who_is_on_a_lost_host_is_placed_elsewhere_and_ended_when_it_is_back() {
    let mut fleet = Fleet::of("a; b", "web web:1 x2");

    fleet.silence("a");
    fleet.check(
        40,
        "
        30: web/1@a is gone; web/3@b placed
        31: launch web/3@b
        32: web/3@b runs
        33: web/3@b healthy
        ",
    );
    fleet.answers("a");

    fleet.check(
        30,
        "
        0: end web/1@a
        1: take web/1@a away
        ",
    );
}

#[test]
fn who_is_on_a_host_that_nothing_states_any_more_is_placed_elsewhere() {
    let mut fleet = Fleet::of("a; b", "web web:1 x2");

    fleet.no_host("a");

    fleet.check(
        30,
        "
        0: web/1@a is gone; web/3@b placed
        1: launch web/3@b
        2: web/3@b runs
        3: web/3@b healthy
        ",
    );
}

#[test]
fn who_may_not_stay_stays_while_it_fits_nowhere_and_keeps_nobody_from_starting() {
    let mut fleet = Fleet::of("a zone=eu mem=2; b mem=1", "web web:1 mem=1 need:zone=eu");

    fleet.host("a mem=2");
    fleet.service("db db:1 x3 mem=1");

    fleet.check(30, "
        0: db/1@b placed; db/2@a placed; db progressing of db:1
        1: db progressing of db:1: 1 instance fits nowhere (a: has 0 B of memory free, needs 1 GiB, b: has 0 B of memory free, needs 1 GiB); launch db/1@b; launch db/2@a
        2: db/1@b runs; db/2@a runs
        3: db/1@b healthy; db/2@a healthy
        ");
}

#[test]
fn who_may_not_stay_and_fits_nowhere_has_its_room_still() {
    let mut fleet = Fleet::of("a zone=eu mem=1; b mem=1", "web web:1 mem=1 need:zone=eu");

    fleet.host("a mem=1");
    fleet.service("db db:1 x2 mem=1");
    fleet.check(
        30,
        "
        0: db/1@b placed; db progressing of db:1
        1: db progressing of db:1: 1 instance fits nowhere (a: has 0 B of memory free, needs 1 GiB, b: has 0 B of memory free, needs 1 GiB); launch db/1@b
        2: db/1@b runs
        3: db/1@b healthy
        ",
    );
    fleet.host("c mem=2 zone=eu");

    fleet.check(
        30,
        "
        0: db/2@c placed; web/2@c placed; db progressing of db:1
        1: launch db/2@c; launch web/2@c
        2: db/2@c runs; web/2@c runs
        3: db/2@c healthy; web/2@c healthy
        4: web/1@a draining: its host: lacks label zone=eu; db done of db:1
        5: web/1@a stopping: its host: lacks label zone=eu
        6: end web/1@a
        7: take web/1@a away
        8: web/1@a is gone
        ",
    );
}

#[test]
fn who_must_be_beside_one_that_comes_stays_where_that_starts() {
    let mut fleet = Fleet::of("a", "web web:1");

    fleet.service("web web:1 beside:db");
    fleet.service("db db:1");

    fleet.check(
        30,
        "
        0: db/1@a placed; web/2@a placed; db progressing of db:1; web done of web:1
        1: web/2@a stopping: there are more instances than wanted; launch db/1@a
        2: db/1@a runs; web/2@a is gone
        3: db/1@a healthy
        4: db done of db:1
        ",
    );
}

#[test]
fn of_two_that_are_apart_from_now_on_one_alone_moves() {
    let mut fleet = Fleet::of("a; b cordoned", "db db:1; web web:1");

    fleet.host("b");
    fleet.service("web web:1 apart:db");

    fleet.check(
        30,
        "
        0: web/2@b placed; web done of web:1
        1: launch web/2@b
        2: web/2@b runs
        3: web/2@b healthy
        4: web/1@a draining: its host: runs db, which it must not be beside
        5: web/1@a stopping: its host: runs db, which it must not be beside
        6: end web/1@a
        7: take web/1@a away
        8: web/1@a is gone
        ",
    );
}

#[test]
fn another_controller_goes_on_and_restarts_nothing() {
    let mut fleet = Fleet::of("a; b", "web web:1 x2; db db:1");

    fleet.begin_anew();

    fleet.check(30, "");
}

#[test]
fn who_joins_by_labels_comes_and_goes_with_its_container() {
    let mut fleet = Fleet::of("a; b", "");

    fleet.foreign("b", "cron", &[("portico.service", "web"), ("portico.port", "80")]);
    fleet.check(
        5,
        "
        0: web/cron@b adopted
        ",
    );
    fleet.becomes("cron", None);

    fleet.check(
        5,
        "
        0: web/cron@b is gone
        ",
    );
}
