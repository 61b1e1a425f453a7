//! What a large table takes, and what a change of it does: counted octets, so that no other test and no allocator has a say.

use std::sync::Arc;

use allocation_counter::measure;
use model::{Revision, Snapshot};
use proxy::health::States;
use proxy::route::RouteTable;

use crate::world::{frontend, put};

fn host(n: usize) -> String {
    format!("host-{n}.example.com")
}

/// A table of so many frontends of one endpoint, as a store lists them: in order, a part at a time.
fn table(frontends: usize, states: &States) -> RouteTable {
    let mut hosts: Vec<String> = (0..frontends).map(host).collect();
    hosts.sort();
    let mut snapshot = Snapshot::empty();
    for part in hosts.chunks(1000) {
        let puts = part.iter().map(|host| put(frontend(host, &["10.0.0.1:8000"]), 1));
        snapshot = snapshot.apply(Revision::new(1), puts);
    }
    RouteTable::from_snapshot(Arc::new(snapshot), states)
}

/// How many octets one change of such a table asks for, from the fact to the table that serves it.
fn change(frontends: usize) -> u64 {
    let states = States::default();
    let mut table = table(frontends, &states);
    let changed = frontend(&host(7), &["10.0.0.2:8000"]);
    let cost = measure(|| {
        let next = Arc::new(table.snapshot().apply(Revision::new(2), [put(changed, 2)]));
        table = table.update(next, &states);
    });
    assert!(cost.count_total < 40, "{} allocations", cost.count_total);
    cost.bytes_total
}

#[test]
fn a_frontend_of_a_large_table_takes_less_than_300_octets() {
    // given
    let (frontends, states) = (100_000, States::default());
    let mut kept = None;

    // when
    let taken = measure(|| kept = Some(table(frontends, &states)));

    // then
    let each = taken.bytes_current / frontends as i64;
    assert!((128..260).contains(&each), "{each} octets, and the allocator wants its share, too");
}

#[test]
fn a_change_of_a_large_table_costs_hardly_more_than_one_of_a_small_table() {
    // given, when
    let (small, large) = (change(1_000), change(100_000));

    // then
    assert!(large < 2 * small && large < 32 << 10, "{small} octets of 1,000 frontends, {large} of 100,000");
}
