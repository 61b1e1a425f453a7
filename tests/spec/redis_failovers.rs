//! Failovers to a replica that lagged, under load: what was acknowledged is never taken back.

use std::sync::Arc;
use std::time::Duration;

use crate::redis_faults::{Known, Newest, fill};
use crate::world::{Load, Origin, Portico, Redis, World, eventually, get, until_within};

const ROUNDS: usize = 3;
/// How long sentinels may take to have failed over.
const ELECTED: Duration = Duration::from_secs(60);

/// Waits for what sentinels do.
fn elected(what: &str, mut is: impl FnMut() -> bool) {
    until_within(ELECTED, what, || is().then_some(()));
}

/// `replica` hears nothing more of `master`.
fn cut_off(master: &Redis, replica: &Redis) {
    master.command(&["ACL", "SETUSER", "copy", "off"]);
    master.command(&["CLIENT", "KILL", "TYPE", "replica"]);
    eventually("the replica hears nothing", || says(replica, "master_link_status:down"));
}

fn says(server: &Redis, text: &str) -> bool {
    server.command(&["INFO", "replication"]).contains(text)
}

fn is_held(portico: &Portico) -> bool {
    get(portico.admin(), "127.0.0.1", "/readyz").body.contains(r#""held":true"#)
}

#[test]
fn failovers_to_a_replica_that_lagged_take_nothing_back_and_fail_no_request() {
    let (world, origin, mut newest) = (World::new(), Origin::saying("served on"), Newest::new());
    let (mut master, mut replica, _sentinels, url) = world.redis_with_sentinels();
    fill(&master, &origin.url());
    let portico = world.portico(&["--registry", &url, "--access-log", "off"]);
    eventually("it is routed", || get(portico.http(), "h60.example.com", "/").body == "served on");
    newest.write(&portico);
    let load = Load::start(portico.http(), 2, Known { newest: Arc::clone(&newest.number) });

    for round in 0..ROUNDS {
        cut_off(&master, &replica);
        newest.write(&portico);
        master.stop();
        elected("the replica is promoted", || says(&replica, "role:master"));
        let new = format!("new-{round}.example.com");
        replica.command(&["RPUSH", &format!("frontend:{new}"), "x", &origin.url()]);
        elected("the new master is followed", || get(portico.http(), &new, "/").body == "served on");
        assert!(is_held(&portico), "the older view is not believed");
        newest.write(&portico);
        eventually("nothing is held: all was written again", || !is_held(&portico));
        assert_eq!(load.failures(), Vec::<String>::new(), "round {round}");

        let old = master.restart_as_replica(&replica);
        (master, replica) = (replica, old);
        elected("the old one is a replica in step", || says(&replica, "master_link_status:up"));
    }

    assert!(load.requests() > 100 * ROUNDS, "{}", load.requests());
}
