//! How long the pure parts of a request take: `cargo bench -p proxy --bench pure`.
#![expect(clippy::unwrap_used, reason = "a bench")]

mod parts;

use divan::{Bencher, black_box};
use model::{BalanceKind, HashKey};
use parts::{BROWSER, Exchange, SMALL, host, next, table};
use proxy::route::Tried;

fn main() {
    divan::main();
}

#[divan::bench(args = [("small", SMALL), ("browser", BROWSER)])]
fn head_parse((_, octets): (&str, &str)) {
    // The exchange is made anew each time: what that costs shows in `head_parse_again`.
    Exchange::new().parse(black_box(octets.as_bytes()));
}

#[divan::bench(args = [("small", SMALL), ("browser", BROWSER)])]
fn head_parse_again(bencher: Bencher<'_, '_>, (_, octets): (&str, &str)) {
    let mut exchange = Exchange::new();
    bencher.bench_local(|| exchange.parse(black_box(octets.as_bytes())));
}

#[divan::bench(args = [("small", SMALL), ("browser", BROWSER)])]
fn head_rewrite(bencher: Bencher<'_, '_>, (_, octets): (&str, &str)) {
    let mut exchange = Exchange::new();
    exchange.parse(octets.as_bytes());
    bencher.bench_local(|| exchange.rewrite(black_box(octets.as_bytes())));
}

#[divan::bench(args = [("small", SMALL), ("browser", BROWSER)])]
fn whole_request(bencher: Bencher<'_, '_>, (_, octets): (&str, &str)) {
    let (table, _states) = table(10_000, 2, &BalanceKind::default());
    let mut exchange = Exchange::new();
    bencher.bench_local(|| exchange.all(black_box(octets.as_bytes()), &table));
}

/// Hosts in no order, so that memory is as cold as it is under real traffic.
#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000])]
fn table_find(bencher: Bencher<'_, '_>, frontends: usize) {
    let (table, _states) = table(frontends, 1, &BalanceKind::default());
    let mut dice = fastrand::Rng::with_seed(1);
    let hosts: Vec<String> = (0..4096).map(|_| host(dice.usize(..frontends))).collect();
    let mut turn = 0;
    bencher.bench_local(|| {
        turn = (turn + 1) % hosts.len();
        table.find(black_box(&hosts[turn]), b"/").is_some()
    });
}

#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000])]
fn table_update(bencher: Bencher<'_, '_>, frontends: usize) {
    let (mut table, states) = table(frontends, 1, &BalanceKind::default());
    let (mut dice, mut revision) = (fastrand::Rng::with_seed(1), 1);
    bencher.bench_local(|| {
        revision += 1;
        table = next(&table, &states, dice.usize(..frontends), revision);
    });
}

#[divan::bench(args = ["random_of_two", "round_robin", "random", "least_loaded", "hash"])]
fn balance_pick(bencher: Bencher<'_, '_>, name: &str) {
    let kind = match name {
        "random_of_two" => BalanceKind::RandomOfTwo,
        "round_robin" => BalanceKind::RoundRobin,
        "random" => BalanceKind::Random,
        "least_loaded" => BalanceKind::LeastLoaded,
        _ => BalanceKind::Hash(HashKey::ClientAddress),
    };
    let (table, _states) = table(1, 10, &kind);
    let route = table.find(&host(0), b"/").unwrap();
    let (tried, mut dice) = (Tried::new(), fastrand::Rng::with_seed(1));
    let key = route.request_key(|| [192, 0, 2, 1].into(), |_| None);
    bencher.bench_local(|| route.pick(black_box(key), &tried, &mut dice, 0).is_some());
}
