//! What keeps an instance from starting, and what follows when it ends by itself.

use super::fleet::Fleet;
use crate::runtime::{ContainerState, Exit};

#[test]
fn who_depends_on_another_starts_once_that_is_healthy() {
    let mut fleet = Fleet::of("a", "");

    fleet.service("web web:1 after:db");
    fleet.service("db db:1");

    fleet.check(
        20,
        "
        0: db/1@a placed; web/1@a placed; db progressing of db:1; web progressing of web:1
        1: web/1@a placed: it waits for db; launch db/1@a
        2: db/1@a runs; web progressing of web:1: 1 on a: it waits for db
        3: db/1@a healthy
        4: db done of db:1; launch web/1@a
        5: web/1@a runs
        6: web/1@a healthy; web progressing of web:1
        7: web done of web:1
        ",
    );
}

#[test]
fn who_ends_again_and_again_pauses_twice_as_long_each_time() {
    let mut fleet = Fleet::of("a", "");

    fleet.service("web web:crash");

    fleet.check(40, "
        0: web/1@a placed; web progressing of web:crash
        1: launch web/1@a
        2: read web/1@a
        3: web/1@a backoff: it exited with code 1, saying: boom; tried again 1s after failure 1
        4: web progressing of web:crash: 1 on a: it exited with code 1, saying: boom; tried again 1s after failure 1
        5: take web/1@a away
        6: web/1@a placed: it exited with code 1, saying: boom; tried again 1s after failure 1
        7: launch web/1@a
        8: read web/1@a
        9: web/1@a backoff: it exited with code 1, saying: boom; tried again 2s after failure 2
        10: web progressing of web:crash: 1 on a: it exited with code 1, saying: boom; tried again 2s after failure 2
        12: take web/1@a away
        13: web/1@a placed: it exited with code 1, saying: boom; tried again 2s after failure 2
        14: launch web/1@a
        15: read web/1@a
        16: web/1@a backoff: it exited with code 1, saying: boom; tried again 4s after failure 3
        17: web failed of web:crash: it fails again and again: 1 on a: it exited with code 1, saying: boom; tried again 4s after failure 3
        21: take web/1@a away
        22: web/1@a placed: it exited with code 1, saying: boom; tried again 4s after failure 3
        23: launch web/1@a
        24: read web/1@a
        25: web/1@a backoff: it exited with code 1, saying: boom; tried again 8s after failure 4
        34: take web/1@a away
        35: web/1@a placed: it exited with code 1, saying: boom; tried again 8s after failure 4
        36: launch web/1@a
        37: read web/1@a
        38: web/1@a backoff: it exited with code 1, saying: boom; tried again 16s after failure 5
        ");
}

#[test]
fn who_ends_once_is_started_again_and_is_no_version_that_failed() {
    let mut fleet = Fleet::of("a", "web web:1");

    let exit = Exit { code: 137, out_of_memory: true, ..Exit::default() };
    fleet.becomes("portico-web-1", Some(ContainerState::Exited(exit)));

    fleet.check(20, "
        0: web/1@a unhealthy: it was killed: it took more memory than it may (raise `resources.memory_mib`); read web/1@a
        1: web/1@a backoff: it was killed: it took more memory than it may (raise `resources.memory_mib`), saying: boom; tried again 1s after failure 1; web done of web:1: 1 on a: it was killed: it took more memory than it may (raise `resources.memory_mib`)
        2: web done of web:1: 1 on a: it was killed: it took more memory than it may (raise `resources.memory_mib`), saying: boom; tried again 1s after failure 1
        3: take web/1@a away
        4: web/1@a placed: it was killed: it took more memory than it may (raise `resources.memory_mib`), saying: boom; tried again 1s after failure 1
        5: launch web/1@a
        6: web/1@a runs
        7: web/1@a healthy; web done of web:1: 1 on a:
        8: web done of web:1
        ");
}

#[test]
fn whose_container_somebody_took_away_gets_another_one() {
    let mut fleet = Fleet::of("a", "web web:1");

    fleet.becomes("portico-web-1", None);

    fleet.check(20, "
        0: web/1@a backoff: its container is gone: somebody removed it; tried again 1s after failure 1
        1: web done of web:1: 1 on a: its container is gone: somebody removed it; tried again 1s after failure 1
        2: web/1@a placed: its container is gone: somebody removed it; tried again 1s after failure 1
        3: launch web/1@a
        4: web/1@a runs
        5: web/1@a healthy; web done of web:1: 1 on a:
        6: web done of web:1
        ");
}

#[test]
fn whose_name_somebody_else_has_waits_and_says_so() {
    let mut fleet = Fleet::of("a", "");
    fleet.foreign("a", "portico-web-1", &[]);

    fleet.service("web web:1");
    fleet.check(5, "
        0: web/1@a placed; web progressing of web:1
        1: web/1@a backoff: a container named portico-web-1 is on a that is not ours; remove or rename it; tried again 1s after failure 1
        2: web progressing of web:1: 1 on a: a container named portico-web-1 is on a that is not ours; remove or rename it; tried again 1s after failure 1
        3: web/1@a placed: a container named portico-web-1 is on a that is not ours; remove or rename it; tried again 1s after failure 1
        4: web/1@a backoff: a container named portico-web-1 is on a that is not ours; remove or rename it; tried again 2s after failure 2
        ");
    fleet.becomes("portico-web-1", None);

    fleet.check(20, "
        0: web progressing of web:1: 1 on a: a container named portico-web-1 is on a that is not ours; remove or rename it; tried again 2s after failure 2
        2: web/1@a placed: a container named portico-web-1 is on a that is not ours; remove or rename it; tried again 2s after failure 2
        3: launch web/1@a
        4: web/1@a runs
        5: web/1@a healthy; web progressing of web:1: 1 on a:
        6: web done of web:1
        ");
}

#[test]
fn a_hook_that_fails_keeps_an_instance_from_starting() {
    let mut fleet = Fleet::of("a", "");

    fleet.service("web web:1 pre:bad");

    fleet.check(20, "
        0: web/1@a placed; web progressing of web:1
        1: launch web/1@a
        2: web/1@a backoff: hook `bad` exited with code 1; tried again 1s after failure 1
        3: web progressing of web:1: 1 on a: hook `bad` exited with code 1; tried again 1s after failure 1
        4: web/1@a placed: hook `bad` exited with code 1; tried again 1s after failure 1
        5: launch web/1@a
        6: web/1@a backoff: hook `bad` exited with code 1; tried again 2s after failure 2
        7: web progressing of web:1: 1 on a: hook `bad` exited with code 1; tried again 2s after failure 2
        9: web/1@a placed: hook `bad` exited with code 1; tried again 2s after failure 2
        10: launch web/1@a
        11: web/1@a backoff: hook `bad` exited with code 1; tried again 4s after failure 3
        12: web failed of web:1: it fails again and again: 1 on a: hook `bad` exited with code 1; tried again 4s after failure 3
        16: web/1@a placed: hook `bad` exited with code 1; tried again 4s after failure 3
        17: launch web/1@a
        18: web/1@a backoff: hook `bad` exited with code 1; tried again 8s after failure 4
        ");
}

#[test]
fn a_hook_after_the_end_runs_once() {
    let mut fleet = Fleet::of("a", "web web:1 post:tell");

    fleet.service("web web:1 post:tell x0");

    fleet.check(
        20,
        "
        0: web/1@a draining: there are more instances than wanted
        1: web/1@a stopping: there are more instances than wanted
        2: end web/1@a
        3: take web/1@a away
        4: run tell after web/1@a
        5: web/1@a is gone
        ",
    );
}

#[test]
fn who_takes_more_than_any_host_has_says_so_and_keeps_nobody_else() {
    let mut fleet = Fleet::of("a mem=2; b mem=3 cordoned", "");

    fleet.service("big big:1 mem=3");
    fleet.service("web web:1 mem=2");

    fleet.check(20, "
        0: web/1@a placed; big progressing of big:1; web progressing of web:1
        1: big progressing of big:1: 1 instance fits nowhere (a: has 0 B of memory free, needs 3 GiB, b: cordoned); launch web/1@a
        2: web/1@a runs
        3: web/1@a healthy
        4: web done of web:1
        ");
}

#[test]
fn who_is_not_wanted_any_more_leaves_and_nothing_is_left_of_it() {
    let mut fleet = Fleet::of("a", "web web:1 x2; db db:1");

    fleet.no_service("web");
    fleet.service("db db:1 off");

    fleet.check(20, "
        0: db/1@a draining: there are more instances than wanted; web/1@a draining: there are more instances than wanted; web/2@a draining: there are more instances than wanted
        1: db/1@a stopping: there are more instances than wanted; web/1@a stopping: there are more instances than wanted; web/2@a stopping: there are more instances than wanted
        2: end db/1@a; end web/1@a; end web/2@a
        3: take db/1@a away; take web/1@a away; take web/2@a away
        4: db/1@a is gone; web/1@a is gone; web/2@a is gone
        ");
}
