//! What is served, and what is asked: the same names as a zone file and as facts.

use std::fmt::Write as _;

use serde_json::json;

/// The zone.
pub(crate) const ZONE: &str = "bench.internal";
/// How many instances each service has.
const INSTANCES: usize = 3;
/// How many questions are asked before they are asked again.
const QUESTIONS: usize = 200_000;

fn address(service: usize, instance: usize) -> String {
    format!("10.{}.{}.{}", service >> 14 & 255, service >> 6 & 255, (service & 63) * 4 + instance)
}

/// A master file.
pub(crate) fn zone_file(services: usize) -> String {
    let mut text = format!(
        "$ORIGIN {ZONE}.\n$TTL 5\n@ 30 IN SOA ns1 hostmaster 1 3600 600 86400 1\n@ 30 IN NS ns1\nns1 30 IN A 127.0.0.1\n"
    );
    for service in 0..services {
        for instance in 0..INSTANCES {
            let address = address(service, instance);
            let _ = write!(
                text,
                "s{service} IN A {address}\ni{instance}.s{service} IN A {address}\n\
                 _http._tcp.s{service} IN SRV 0 1 20000 i{instance}.s{service}\n"
            );
        }
        let _ = writeln!(text, "s{service} IN TXT \"v=1\"");
    }
    text
}

/// One service with its instances, as documents of `portico apply`.
pub(crate) fn facts(service: usize) -> Vec<serde_json::Value> {
    let name = format!("s{service}");
    let stated = json!({
        "kind": "service", "name": name, "ports": [{ "name": "http", "port": 20000 }], "metadata": { "v": "1" }
    });
    let instance = |instance: usize| {
        json!({
            "kind": "instance", "service": name, "name": format!("i{instance}"), "addresses": [address(service, instance)]
        })
    };
    std::iter::once(stated).chain((0..INSTANCES).map(instance)).collect()
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// The addresses of services.
    Hit,
    /// Names that are not there.
    Nx,
    /// Hosts and ports of services, with addresses beside.
    Srv,
    /// Of ten, seven addresses, one address of a family that there is none of, one SRV, one name that is not there.
    Mix,
}

impl Case {
    /// Every one, in the order of the tables.
    pub(crate) const ALL: [Self; 4] = [Self::Hit, Self::Nx, Self::Srv, Self::Mix];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit (3 A)",
            Self::Nx => "NXDOMAIN",
            Self::Srv => "SRV",
            Self::Mix => "mix",
        }
    }

    /// Questions for dnsperf, the same for all.
    pub(crate) fn questions(self, services: usize) -> String {
        let mut dice = fastrand::Rng::with_seed(7);
        let mut text = String::new();
        for _ in 0..QUESTIONS {
            let (service, any, tenth) = (dice.usize(..services), dice.u32(..10_000_000), dice.u8(..10));
            let _ = match (self, tenth) {
                (Self::Hit, _) | (Self::Mix, 0..7) => writeln!(text, "s{service}.{ZONE} A"),
                (Self::Mix, 7) => writeln!(text, "s{service}.{ZONE} AAAA"),
                (Self::Srv, _) | (Self::Mix, 8) => writeln!(text, "_http._tcp.s{service}.{ZONE} SRV"),
                (Self::Nx | Self::Mix, _) => writeln!(text, "no{any}.{ZONE} A"),
            };
        }
        text
    }
}
