//! Rows of good and bad documents, and the round trip.

use model::{CheckKind, ExpectedStatus, HttpCheck};
use proptest::prelude::*;

use super::*;

mod kinds;

fn check(json: &str, expected: Result<&str, (&str, &str)>) {
    let read = read_frontend(json.as_bytes());
    match (read, expected) {
        (Ok(frontend), Ok(written)) => assert_eq!(write_frontend(&frontend), written),
        (Err(error), Err((place, part))) => {
            assert_eq!(error.place, place, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        (read, expected) => panic!("{json}: {read:?}, not {expected:?}"),
    }
}

#[test]
fn documents_are_written_without_defaults() {
    check(r#"{"host":"A.b.","endpoints":[]}"#, Ok(r#"{"host":"a.b","endpoints":[]}"#));
    check(
        r#"{"host":"*.b","path":"/","backend":"*.b","endpoints":["http://c",{"url":"http://d:1","weight":1}],"balance":"random_of_two","timeouts":{}}"#,
        Ok(r#"{"host":"*.b","endpoints":[{"url":"http://c:80"},{"url":"http://d:1"}]}"#),
    );
    check(
        r#"{"host":"*","path":"/x/","backend":"w","endpoints":[{"weight":7,"url":"http://[::1]:9"}],"balance":{"hash":{"header":"X-User"}},"timeouts":{"idle_ms":5}}"#,
        Ok(
            r#"{"host":"*","path":"/x","backend":"w","endpoints":[{"url":"http://[::1]:9","weight":7}],"balance":{"hash":{"header":"x-user"}},"timeouts":{"idle_ms":5}}"#,
        ),
    );
}

#[test]
fn checks_are_written_without_defaults() {
    check(
        r#"{"host":"a","endpoints":[],"check":{"kind":"http","path":"/","body":""}}"#,
        Ok(r#"{"host":"a","endpoints":[],"check":{"kind":"http"}}"#),
    );
    let whole = r#"{"host":"a","endpoints":[],"check":{"kind":"http","path":"/up","status":204,"body":"ok","interval_ms":500,"timeout_ms":400,"rise":1,"fall":5}}"#;
    check(whole, Ok(whole));
    let any = r#"{"host":"a","endpoints":[],"check":{"kind":"http","status":"any"}}"#;
    check(any, Ok(any));
}

#[test]
fn a_repeated_address_adds_up_its_weights() {
    check(
        r#"{"host":"a","endpoints":["http://c",{"url":"http://C:80","weight":2},"http://d"]}"#,
        Ok(r#"{"host":"a","endpoints":[{"url":"http://c:80","weight":3},{"url":"http://d:80"}]}"#),
    );
}

#[test]
fn errors_name_the_field_and_the_remedy() {
    check(r#"{"host":"a"}"#, Err(("", "missing field `endpoints`")));
    check(r#"{"host":"a","endpoints":[],"wieght":1}"#, Err(("wieght", "unknown field `wieght`")));
    check(r#"{"host":"a","endpoints":[],"host":"b"}"#, Err(("", "duplicate field `host`")));
    check(r#"{"host":"a","endpoints":[],"\u001b[2J":1}"#, Err(("\\u{1b}[2J", "unknown field `\\u{1b}[2J`")));
    check(r#"{"host":"*.a:80","endpoints":[]}"#, Err(("host", "a port is only allowed behind a whole host")));
    check(r#"{"host":"a","path":"x","endpoints":[]}"#, Err(("path", "starts with `/`")));
    check(r#"{"host":"a","backend":"","endpoints":[]}"#, Err(("backend", "253 octets")));
    check(r#"{"host":"a","endpoints":["ftp://b"]}"#, Err(("endpoints[0].url", "write `http://host:port`")));
    check(r#"{"host":"a","endpoints":["http://b",7]}"#, Err(("endpoints[1]", "a URL or an object")));
    check(
        r#"{"host":"a","endpoints":[{"url":"http://b","weight":0}]}"#,
        Err(("endpoints[0].weight", "1 to 1000")),
    );
    check(
        r#"{"host":"a","endpoints":[{"url":"http://b","weight":"1"}]}"#,
        Err(("endpoints[0].weight", "expected u64")),
    );
    check(
        r#"{"host":"a","endpoints":[{"url":"http://b","w":1}]}"#,
        Err(("endpoints[0].w", "unknown field `w`, expected `url` or `weight`")),
    );
    check(r#"{"host":"a","endpoints":[],"balance":"fast"}"#, Err(("balance", "`round_robin`")));
    check(
        r#"{"host":"a","endpoints":[],"balance":{"hash":{"header":"a b"}}}"#,
        Err(("balance.hash.header", "not a name")),
    );
    check(
        r#"{"host":"a","endpoints":[],"timeouts":{"idle_ms":0}}"#,
        Err(("timeouts.idle_ms", "milliseconds")),
    );
    let checked = |json: &str, place: &str, part: &str| {
        check(&format!(r#"{{"host":"a","endpoints":[],"check":{json}}}"#), Err((place, part)));
    };
    checked(r#"{"kind":"icmp"}"#, "check.kind", "expected `http` or `tcp`");
    checked(r#"{"path":"/"}"#, "check", "missing field `kind`");
    checked(r#"{"kind":"http","path":"up"}"#, "check", "a check's path is `/`");
    checked(r#"{"kind":"http","path":"/a\r\nb"}"#, "check", "a check's path is `/`");
    checked(r#"{"kind":"http","status":"all"}"#, "check.status", "or \"any\"");
    checked(r#"{"kind":"http","status":100}"#, "check", "200 to 599");
    checked(r#"{"kind":"tcp","body":"ok"}"#, "check.body", "nothing is asked for over tcp");
    checked(r#"{"kind":"tcp","rise":0}"#, "check.rise", "nonzero u8");
    checked(r#"{"kind":"tcp","interval_ms":99}"#, "check.interval_ms", "outside 100 to");
    checked(r#"{"kind":"tcp","every":1}"#, "check.every", "unknown field `every`");
    check(r#"{"host":"a","endpoints":[]} x"#, Err(("", "nothing behind it")));
    check("\u{0}", Err(("", "not JSON: expected value")));
    check(r#"{"host":"a","#, Err(("", "not JSON: EOF")));
}

#[test]
fn too_many_endpoints_are_refused() {
    let many = vec!["\"http://a\""; MAX_ENDPOINTS + 1].join(",");
    check(&format!(r#"{{"host":"a","endpoints":[{many}]}}"#), Err(("endpoints", "more than 1024")));
}

#[test]
fn the_documented_example_is_read() {
    let example = include_bytes!("../../../../config/frontend.example.json");
    let frontend = read_frontend(example).expect("the example");
    assert_ne!(*frontend.policy, Policy::default(), "the example shows every field");
}

fn host() -> impl Strategy<Value = String> {
    let label = "[a-z0-9_]([a-z0-9-]{0,8}[a-z0-9])?";
    prop_oneof![
        Just("*".to_owned()),
        proptest::string::string_regex(&format!("({label}\\.){{0,4}}{label}")).expect("regex"),
        proptest::string::string_regex(&format!("\\*\\.({label}\\.){{0,4}}{label}")).expect("regex"),
        any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
    ]
}

fn balance() -> impl Strategy<Value = BalanceKind> {
    let name = "[a-z0-9!#$&'*+.^_`|~-]{1,12}";
    prop_oneof![
        Just(BalanceKind::RandomOfTwo),
        Just(BalanceKind::RoundRobin),
        Just(BalanceKind::Random),
        Just(BalanceKind::LeastLoaded),
        Just(BalanceKind::Hash(HashKey::ClientAddress)),
        name.prop_map(|n| BalanceKind::Hash(HashKey::Header(n.into()))),
        name.prop_map(|n| BalanceKind::Hash(HashKey::Cookie(n.into()))),
    ]
}

prop_compose! {
    fn a_check()(
        http in prop::option::of(("/[!-\"$-~]{0,20}", 199u16..600, "\\PC{0,20}")),
        times in prop::array::uniform2(prop::option::of(100..=MAX_TIMEOUT_MS)),
        counts in prop::array::uniform2(any::<Option<std::num::NonZeroU8>>()),
    ) -> Check {
        let kind = http.map_or(CheckKind::Tcp, |(path, status, body)| {
            let status = if status == 199 { ExpectedStatus::Any } else { ExpectedStatus::Code(status) };
            CheckKind::Http(HttpCheck::new(&path, status, &body).expect("check"))
        });
        let ([interval, timeout], [rise, fall]) = (times.map(|t| t.map(Duration::from_millis)), counts);
        Check { kind, interval, timeout, rise, fall }
    }
}

prop_compose! {
    fn frontend()(
        host in host(),
        path in "(/[a-z]{1,5}){0,3}",
        name in "[^\\p{Cc}]{1,40}",
        ports in prop::collection::btree_map(1u16.., 1u64..=1000, 0..8),
        balance in balance(),
        times in prop::array::uniform3(prop::option::of(1..=MAX_TIMEOUT_MS)),
        check in prop::option::of(a_check()),
        dns in any::<bool>(),
    ) -> Frontend {
        let endpoint = |(port, weight): (u16, u64)| Endpoint {
            address: Address::parse_authority(&format!("h{port}"), port).expect("address"),
            weight: Weight::new(weight).expect("weight"),
        };
        let [connect, response, idle] = times.map(|t| t.map(Duration::from_millis));
        Frontend {
            host: HostPattern::parse(&host).expect("host"),
            path: PathPrefix::parse(if path.is_empty() { "/" } else { &path }).expect("path"),
            backend: Backend {
                name: BackendName::parse(&name).expect("name"),
                endpoints: ports.into_iter().map(endpoint).collect(),
                rejected: model::Rare::default(),
            },
            policy: Policy { balance, timeouts: Timeouts { connect, response, idle }, check: check.map(Box::new), dns }.into(),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(frontend in frontend()) {
        let read = read_frontend(write_frontend(&frontend).as_bytes());
        prop_assert_eq!(read, Ok(frontend));
    }

    #[test]
    fn no_text_makes_the_reader_panic(junk in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_frontend(&junk);
    }
}

#[test]
fn a_service_may_answer_in_the_place_of_endpoints() {
    check(r#"{"host":"a","service":"Web"}"#, Ok(r#"{"host":"a","service":"web"}"#));
    check(
        r#"{"host":"a","service":{"name":"web","port":"http"},"backend":"web","balance":"random"}"#,
        Ok(r#"{"host":"a","service":{"name":"web","port":"http"},"balance":"random"}"#),
    );
    check(
        r#"{"host":"a","backend":"b","service":"web"}"#,
        Ok(r#"{"host":"a","backend":"b","service":"web"}"#),
    );
    check(r#"{"host":"a","service":"web","endpoints":[]}"#, Err(("endpoints", "leave out one of")));
    check(r#"{"host":"a","service":"a.b"}"#, Err(("service", "write a part of a domain name")));
    check(r#"{"host":"a","service":{"name":"web","port":"_"}}"#, Err(("service.port", "other than letters")));
    check(r#"{"host":"a","service":{"port":"x"}}"#, Err(("service", "missing field `name`")));
    check(r#"{"host":"a","service":7}"#, Err(("service", "a service's name or an object")));
    check(r#"{"host":"a","service":"web","check":{"kind":"tcp"}}"#, Err(("check", "leave it out")));
}
