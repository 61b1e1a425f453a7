//! Power cuts: no write that was answered is ever lost, no half of one is ever seen.
//!
//! The store runs on a disk that keeps unsynced writes aside; at a cut, a random part of them is lost and others are torn. All chance
//! comes from a seed: a failing round says which, and `PORTICO_SEED=n` runs it alone.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod disk;
mod oracle;

use disk::Disk;
use fastrand::Rng;
use model::Revision;
use oracle::Oracle;
use registry::driver::embedded::{Store, StoreError};

/// Cuts in all.
const CUTS: u64 = 10_000;
/// Cuts that one store goes through before the next one is made.
const CUTS_PER_STORE: u64 = 50;
/// So many changes the history keeps: few, so that its end is cut off again and again.
const HISTORY: usize = 20;

#[test]
fn ten_thousand_power_cuts_lose_no_acknowledged_write() {
    if let Ok(seed) = std::env::var("PORTICO_SEED") {
        return live_through_cuts(seed.parse().expect("a number"));
    }
    // Two threads: the work is all processor time, and the other tests want some.
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for store in (half..CUTS / CUTS_PER_STORE).step_by(2) {
                    let outcome = std::panic::catch_unwind(|| live_through_cuts(store));
                    assert!(outcome.is_ok(), "run again with PORTICO_SEED={store}");
                }
            });
        }
    });
}

fn live_through_cuts(seed: u64) {
    let mut dice = Rng::with_seed(seed);
    let mut oracle = Oracle::new(HISTORY);
    // A new store is made under another name and then renamed: there is no half of a new one.
    let mut disk = Disk::default().clone_powered();
    drop(open(&disk).expect("a new store"));
    for _ in 0..CUTS_PER_STORE {
        let operations = if dice.u8(0..4) > 0 { dice.u64(1..40) } else { dice.u64(1..160) };
        disk.power_on(operations);
        run_until_the_cut(&disk, &mut oracle, &mut dice);
        disk = disk.reboot(&mut dice);
    }
    let calm = open(&disk.clone_powered()).expect("opens when the power stays");
    oracle.check(&calm);
}

fn open(disk: &Disk) -> Result<Store, StoreError> {
    Store::open(disk.backend(), HISTORY, Revision::ZERO)
}

fn run_until_the_cut(disk: &Disk, oracle: &mut Oracle, dice: &mut Rng) {
    let mut store = match open(disk) {
        Ok(store) => store,
        Err(_) if disk.is_off() => return,
        Err(error) => panic!("not opened after a power cut: {error}"),
    };
    oracle.check(&store);
    while !disk.is_off() {
        let writes = oracle.invent(dice);
        match store.commit(&writes, 1) {
            Ok(verdicts) => oracle.answered(&writes, &verdicts),
            Err(_) => {
                assert!(disk.is_off(), "a commit failed though the disk was well");
                oracle.in_doubt(&writes);
            }
        }
    }
}
