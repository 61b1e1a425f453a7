//! What runs once, to its end.

use super::fleet::Fleet;
use crate::runtime::{ContainerState, Exit};

#[test]
fn a_job_that_ended_with_0_is_done_and_is_nothing_that_failed() {
    let mut fleet = Fleet::of("a", "");

    fleet.service("job job:job once");

    fleet.check(
        900,
        "
        0: job/1@a placed; job progressing of job:job
        1: launch job/1@a
        2: read job/1@a
        3: job/1@a ended: it exited with code 0, saying: boom; it ended as it should
        4: job done of job:job
        ",
    );
}

#[test]
fn what_depends_on_a_job_starts_once_that_is_done() {
    let mut fleet = Fleet::of("a", "");

    fleet.service("web web:1 after:job");
    fleet.service("api api:1 started:job");
    fleet.service("job job:job unless-done");

    fleet.check(
        20,
        "
        0: api/1@a placed; job/1@a placed; web/1@a placed; api progressing of api:1; job progressing of job:job; web progressing of web:1
        1: api/1@a placed: it waits for job; web/1@a placed: it waits for job; launch job/1@a
        2: api progressing of api:1: 1 on a: it waits for job; web progressing of web:1: 1 on a: it waits for job; read job/1@a
        3: job/1@a ended: it exited with code 0, saying: boom; it ended as it should
        4: job done of job:job; launch api/1@a; launch web/1@a
        5: api/1@a runs; web/1@a runs
        6: api/1@a healthy; web/1@a healthy; api progressing of api:1; web progressing of web:1
        7: api done of api:1; web done of web:1
        ",
    );
}

#[test]
fn another_version_of_a_job_runs_once_and_the_one_before_is_only_taken_away() {
    let mut fleet = Fleet::of("a", "job job:job once");

    fleet.service("web web:1 after:job");
    fleet.service("job job:job2 once");

    fleet.check(
        900,
        "
        0: job/2@a placed; web/1@a placed; job progressing of job:job2; web progressing of web:1
        1: web/1@a placed: it waits for job; launch job/2@a
        2: web progressing of web:1: 1 on a: it waits for job; read job/2@a
        3: job/2@a ended: it exited with code 0, saying: boom; it ended as it should
        4: job/1@a stopping: job:job2 takes its place; launch web/1@a
        5: web/1@a runs; job done of job:job2; take job/1@a away
        6: job/1@a is gone; web/1@a healthy; web progressing of web:1
        7: web done of web:1
        ",
    );
}

#[test]
fn a_job_that_failed_says_how_and_the_one_before_it_is_not_run_again() {
    let mut fleet = Fleet::of("a", "job job:job once");

    fleet.service("job job:crash once");

    fleet.check(
        900,
        "
        0: job/2@a placed; job progressing of job:crash
        1: launch job/2@a
        2: read job/2@a
        3: job/2@a ended: it exited with code 1, saying: boom; it is never started again
        4: job failed of job:crash: it failed: 2 on a: it exited with code 1, saying: boom; it is never started again; rolled back to job:job
        5: job/2@a stopping: job:job takes its place
        6: take job/2@a away
        7: job/2@a is gone
        ",
    );
}

#[test]
fn a_job_that_failed_with_nothing_before_it_stays_as_it_is() {
    let mut fleet = Fleet::of("a", "");

    fleet.service("job job:crash once");

    fleet.check(
        900,
        "
        0: job/1@a placed; job progressing of job:crash
        1: launch job/1@a
        2: read job/1@a
        3: job/1@a ended: it exited with code 1, saying: boom; it is never started again
        4: job failed of job:crash: it failed: 1 on a: it exited with code 1, saying: boom; it is never started again
        ",
    );
}

#[test]
fn whoever_controls_next_runs_no_job_again_that_ended_though_its_container_is_gone() {
    let mut fleet = Fleet::of("a", "job job:job once; other other:job unless-done");

    fleet.begin_anew();
    fleet.becomes("portico-job-1", None);

    fleet.check(900, "");
}

#[test]
fn a_job_that_is_over_is_not_run_again_elsewhere_whatever_becomes_of_its_host() {
    let mut drained = Fleet::of("a", "job job:job once");
    let mut lost = Fleet::of("a", "job job:job once");
    let mut gone = Fleet::of("a", "job job:job once");

    drained.host("b");
    drained.host("a drained");
    lost.host("b");
    lost.silence("a");
    gone.host("b");
    gone.no_host("a");

    drained.check(900, "");
    lost.check(900, "");
    gone.check(900, "");
}

#[test]
fn a_job_that_is_over_takes_no_room() {
    let mut fleet = Fleet::of("a mem=1", "job job:job once mem=1");

    fleet.service("web web:1 mem=1");

    fleet.check(
        20,
        "
        0: web/1@a placed; web progressing of web:1
        1: launch web/1@a
        2: web/1@a runs
        3: web/1@a healthy
        4: web done of web:1
        ",
    );
}

#[test]
fn a_job_that_is_over_is_taken_away_when_it_is_not_wanted() {
    let mut fleet = Fleet::of("a", "job job:job once x2");

    fleet.service("job job:job once x1");

    fleet.check(
        20,
        "
        0: job/2@a stopping: there are more instances than wanted; job done of job:job
        1: take job/2@a away
        2: job/2@a is gone
        ",
    );
}

#[test]
fn a_job_has_the_time_it_takes_and_who_waits_for_its_end_waits_as_long() {
    let mut fleet = Fleet::of("a", "");
    fleet.service("job job:long once silent deadline=5");
    fleet.service("web web:1 after:job deadline=5000");
    fleet.service("api api:1 done:job deadline=5000");

    fleet.run(900);
    fleet.becomes("portico-job-1", Some(ContainerState::Exited(Exit::default())));

    fleet.check(
        20,
        "
        0: read job/1@a
        1: job/1@a ended: it exited with code 0, saying: boom; it ended as it should
        2: job done of job:long; launch api/1@a; launch web/1@a
        3: api/1@a runs; web/1@a runs
        4: api/1@a healthy; web/1@a healthy; api progressing of api:1; web progressing of web:1
        5: api done of api:1; web done of web:1
        ",
    );
}

#[test]
fn a_job_on_every_host_runs_once_on_each_and_once_more_on_a_new_one() {
    let mut fleet = Fleet::of("a; b", "job job:job once silent every");

    fleet.host("c");

    fleet.check(
        900,
        "
        0: job/3@c placed
        1: launch job/3@c
        2: read job/3@c
        3: job/3@c ended: it exited with code 0, saying: boom; it ended as it should
        ",
    );
}

#[test]
fn a_canary_of_a_job_is_done_when_it_is_and_has_the_time_it_takes() {
    let mut fleet = Fleet::of("a", "job job:job once silent deadline=5");

    fleet.service("job job:job once silent deadline=5 canary:job:long");
    fleet.run(60);
    fleet.becomes("portico-job-2", Some(ContainerState::Exited(Exit::default())));

    fleet.check(
        900,
        "
        0: read job/2@a
        1: job/2@a ended: it exited with code 0, saying: boom; it ended as it should
        2: job done of job:job
        ",
    );
}

#[test]
fn of_jobs_that_are_over_those_that_failed_go_first() {
    let mut fleet = Fleet::of("a", "");
    fleet.service("job job:long once silent x2");
    fleet.run(5);
    fleet.becomes("portico-job-1", Some(ContainerState::Exited(Exit { code: 1, ..Exit::default() })));
    fleet.becomes("portico-job-2", Some(ContainerState::Exited(Exit::default())));
    fleet.run(10);

    fleet.service("job job:long once silent x1");

    fleet.check(
        20,
        "
        0: job/1@a stopping: there are more instances than wanted; job done of job:long
        1: take job/1@a away
        2: job/1@a is gone
        ",
    );
}
