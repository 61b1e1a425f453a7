//! What an engine will not take away.

use super::fleet::Fleet;

#[test]
fn who_cannot_be_ended_says_so_and_is_tried_again_after_twice_as_long_each_time() {
    let mut fleet = Fleet::of("a", "web web:1 x2");
    fleet.sticks = true;

    fleet.service("web web:1 x1");
    fleet.check(
        40,
        "
        0: web/2@a draining: there are more instances than wanted; web done of web:1
        1: web/2@a stopping: there are more instances than wanted
        2: end web/2@a
        3: fail to take web/2@a away, and say so
        4: web/2@a stopping: it cannot be ended: device or resource busy
        5: fail to take web/2@a away
        7: fail to take web/2@a away
        11: fail to take web/2@a away
        19: fail to take web/2@a away
        35: fail to take web/2@a away
        ",
    );
    fleet.sticks = false;

    fleet.check(
        40,
        "
        27: take web/2@a away
        28: web/2@a is gone
        ",
    );
}

#[test]
fn what_no_fact_states_is_tried_again_after_twice_as_long_each_time() {
    let mut fleet = Fleet::of("a; b", "web web:1");
    fleet.silence("a");
    fleet.run(120);
    fleet.sticks = true;

    fleet.answers("a");

    fleet.check(
        60,
        "
        0: end web/1@a
        1: fail to take web/1@a away, and say so
        2: fail to take web/1@a away
        4: fail to take web/1@a away
        8: fail to take web/1@a away
        16: fail to take web/1@a away
        32: fail to take web/1@a away
        ",
    );
}
