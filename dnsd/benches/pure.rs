//! How long a question takes without its system calls, and how long a change: `cargo bench -p dnsd --bench pure`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench")]

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;

use divan::{Bencher, black_box};
use dnsd::Served;
use dnsd::query::{Client, Context, Over, answer};
use dnsd::ready::Index;
use dnsd::zone::{ZoneSet, file};
use model::{DomainName, RecordType, Revision};

fn main() {
    divan::main();
}

/// As many services, each of three instances with an SRV record.
fn zones(services: usize, extra: &str) -> ZoneSet {
    let mut text = format!(
        "$ORIGIN bench.internal.\n$TTL 5\n@ 30 SOA ns1 h 1 2 3 4 1\n@ 30 NS ns1\nns1 30 A 127.0.0.1\n{extra}"
    );
    for service in 0..services {
        for instance in 0..3 {
            let ip = format!(
                "10.{}.{}.{}",
                service >> 14 & 255,
                service >> 6 & 255,
                (service & 63) * 4 + instance
            );
            write!(text, "s{service} A {ip}\ni{instance}.s{service} A {ip}\n_http._tcp.s{service} SRV 10 10 80 i{instance}.s{service}\n").unwrap();
        }
        writeln!(text, "s{service} TXT \"v=1\"").unwrap();
    }
    let zone = file::read(&text, None).unwrap_or_else(|error| panic!("{error}"));
    ZoneSet::new(Revision::new(1), true, [Arc::new(zone)])
}

/// Questions in no order, so that memory is as cold as it is under real traffic.
fn questions(services: usize, kind: &str) -> Vec<Vec<u8>> {
    let mut dice = fastrand::Rng::with_seed(1);
    let mut question = || {
        let (service, any) = (dice.usize(..services), dice.u32(..));
        let (name, record_type) = match kind {
            "hit" => (format!("s{service}.bench.internal"), RecordType::A),
            "srv" => (format!("_http._tcp.s{service}.bench.internal"), RecordType::SRV),
            "nodata" => (format!("s{service}.bench.internal"), RecordType::AAAA),
            _ => (format!("no{any}.bench.internal"), RecordType::A),
        };
        let head = [7_u16, 0x0100, 1, 0, 0, 0].map(u16::to_be_bytes);
        let name = DomainName::parse(&name).unwrap();
        [head.as_flattened(), name.as_wire(), &record_type.0.to_be_bytes(), &[0, 1]].concat()
    };
    (0..4096).map(|_| question()).collect()
}

const KINDS: [&str; 4] = ["hit", "nx", "srv", "nodata"];
const SERVICES: usize = 10_000;

fn answers(bencher: Bencher<'_, '_>, context: &Context<'_>, kind: &str) {
    let client = Client { address: Ipv4Addr::LOCALHOST.into(), over: Over::Udp };
    let (questions, mut out, mut turn) = (questions(SERVICES, kind), Vec::with_capacity(1232), 0);
    bencher.bench_local(|| {
        turn = (turn + 1) % questions.len();
        out.clear();
        answer(context, black_box(&questions[turn]), &client, turn as u64, &mut out);
    });
}

#[divan::bench(args = KINDS, sample_size = 4096)]
fn ready(bencher: Bencher<'_, '_>, kind: &str) {
    answers(bencher, &Context::open(&Served::new(zones(SERVICES, ""))), kind);
}

/// Beside a wildcard what is not there is asked of the zones.
#[divan::bench(sample_size = 4096)]
fn wildcard(bencher: Bencher<'_, '_>) {
    answers(bencher, &Context::open(&Served::new(zones(SERVICES, "* A 10.0.0.1\n"))), "nx");
}

#[divan::bench(args = KINDS, sample_size = 4096)]
fn asked(bencher: Bencher<'_, '_>, kind: &str) {
    let served = Served::new(zones(SERVICES, ""));
    answers(bencher, &Context { ready: &Index::default(), ..Context::open(&served) }, kind);
}

/// All that is ready, made from nothing.
#[divan::bench(args = [1_000, 10_000], sample_count = 10, sample_size = 1)]
fn made(bencher: Bencher<'_, '_>, services: usize) {
    let zones = zones(services, "");
    bencher.bench_local(|| Served::new(zones.clone()));
}
