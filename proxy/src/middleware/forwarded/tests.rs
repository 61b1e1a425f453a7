//! What the origin is told, by who the peer is and what it says.

use super::*;
use crate::http::{Limits, Parsed};

const LIMITS: Limits = Limits { request_line: 1000, head: 10_000, headers: 100 };

struct Outcome {
    written: String,
    client: String,
    real_ip: String,
}

fn forward(peer: &str, trusted: &[&str], fields: &str) -> Outcome {
    forward_as(false, peer, trusted, fields)
}

fn forward_as(always: bool, peer: &str, trusted: &[&str], fields: &str) -> Outcome {
    let networks: Vec<ipnet::IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: WWW.example.com:81\r\n{fields}\r\n");
    let mut head = RequestHead::new();
    assert_eq!(head.parse(request.as_bytes(), &LIMITS), Ok(Parsed::Complete));
    let peer = Peer::new(peer.parse().unwrap(), &networks);
    let mut forwarded = Forwarded::new(peer, &networks, 8080, Scheme::Http);
    // Twice: what the memory held must not show.
    let _first = forwarded.before(&head, request.as_bytes(), always);
    let before = forwarded.before(&head, request.as_bytes(), always);
    let (client, real_ip) = (before.client.to_string(), String::from_utf8(before.real_ip.to_vec()).unwrap());
    let Edits { replaced, lines } = before.edits;
    let mut out = Vec::new();
    crate::http::write_request(&head, request.as_bytes(), replaced, &[lines], &mut out);
    let text = String::from_utf8(out).unwrap();
    let (_, written) = text.split_once("Host: www.example.com:81\r\n").unwrap();
    Outcome { written: written.trim_end().replace("\r\n", "\n"), client, real_ip }
}

const AFRESH: &str = "X-Forwarded-For: 10.0.0.9\nX-Real-IP: 10.0.0.9\nX-Forwarded-Proto: http\n\
    X-Forwarded-Protocol: http\nX-Forwarded-Port: 8080\nX-Forwarded-Host: www.example.com:81";

#[test]
fn for_an_untrusted_peer_all_is_set_afresh() {
    let spoofed = "X-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-Protocol: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Host: evil\r\n\
        Forwarded: for=1.1.1.1\r\nX-Forwarded-Ssl: on\r\nX-Forwarded-Scheme: https\r\n\
        X-Forwarded-Server: evil\r\nX-Forwarded-Prefix: /evil\r\n";
    for fields in ["".to_owned(), spoofed.to_owned(), spoofed.to_lowercase(), spoofed.replace("d-", "d_")] {
        for trusted in [&[] as &[&str], &["10.1.0.0/16"]] {
            let outcome = forward("10.0.0.9:4000", trusted, &fields);
            assert_eq!(outcome.written, AFRESH, "{fields}");
            assert_eq!((outcome.client.as_str(), outcome.real_ip.as_str()), ("10.0.0.9", "10.0.0.9"));
        }
    }
}

#[test]
fn what_is_written_for_one_host_is_not_kept_for_another() {
    let peer = Peer::new("10.0.0.9:4000".parse().unwrap(), &[]);
    let mut forwarded = Forwarded::new(peer, &[], 8080, Scheme::Http);
    for (host, always) in [
        ("a.b", false),
        ("a.b", false),
        ("a.b", true),
        ("a.bc", false),
        ("a.b:81", false),
        ("a.b:81", true),
        ("c.b", false),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let mut head = RequestHead::new();
        assert_eq!(head.parse(request.as_bytes(), &LIMITS), Ok(Parsed::Complete));

        let lines = forwarded.before(&head, request.as_bytes(), always).edits.lines;

        let text = std::str::from_utf8(lines).unwrap();
        assert!(text.contains(&format!("\r\nX-Forwarded-Host: {host}\r\n")), "{host}: {text}");
        assert_eq!(text.contains("\r\nForwarded: for=10.0.0.9;host="), always, "{host}: {text}");
        assert_eq!(text.lines().count(), if always { 7 } else { 6 });
    }
}

#[test]
fn what_a_large_request_took_is_not_kept_while_none_is_there() {
    let networks = ["10.0.0.0/8".parse().unwrap()];
    let peer = Peer::new("10.0.0.9:4000".parse().unwrap(), &networks);
    let mut forwarded = Forwarded::new(peer, &networks, 8080, Scheme::Http);
    for (hops, kept) in [(1, true), (1000, false)] {
        let hops = vec!["192.0.2.1"; hops].join(", ");
        let request = format!("GET / HTTP/1.1\r\nHost: a.b\r\nX-Forwarded-For: {hops}\r\n\r\n");
        let mut head = RequestHead::new();
        let wide = Limits { head: 100_000, ..LIMITS };
        assert_eq!(head.parse(request.as_bytes(), &wide), Ok(Parsed::Complete));
        assert!(forwarded.before(&head, request.as_bytes(), false).edits.lines.len() > hops.len());

        forwarded.rest();

        assert_eq!(forwarded.lines.capacity() > 0, kept, "{} octets", forwarded.lines.capacity());
    }
}

#[test]
fn every_spelling_with_underscores_is_the_same_field() {
    for name in UNTRUSTED {
        let separators: Vec<usize> = name.match_indices('-').map(|(at, _)| at).collect();
        for mask in 0..1u32 << separators.len() {
            let mut spelled = name.to_string().into_bytes();
            for (bit, at) in separators.iter().enumerate() {
                if mask >> bit & 1 == 1 {
                    spelled[*at] = b'_';
                }
            }
            let fields = format!("{}: 1.1.1.1\r\n", String::from_utf8(spelled).unwrap());
            assert_eq!(forward("10.0.0.9:4000", &[], &fields).written, AFRESH, "{fields}");
        }
    }
}

#[test]
fn connection_cannot_remove_what_we_set() {
    let outcome = forward("10.0.0.9:4000", &[], "Connection: X-Forwarded-For, X-Real-IP\r\n");
    assert_eq!(outcome.written, AFRESH);
}

#[test]
fn an_ipv4_peer_of_an_ipv6_listener_is_written_plainly() {
    assert_eq!(forward("[::ffff:10.0.0.9]:4000", &[], "").written, AFRESH);
}

#[track_caller]
fn check_trusted(fields: &str, expected: &str, client: &str) {
    let outcome = forward("10.0.0.9:4000", &["10.0.0.0/8"], fields);
    assert_eq!(outcome.written, expected, "{fields}");
    assert_eq!(outcome.client, client, "{fields}");
}

fn all(hops: &str, real_ip: &str, proto: &str, port: &str, host: &str) -> String {
    format!(
        "X-Forwarded-For: {hops}\nX-Real-IP: {real_ip}\nX-Forwarded-Proto: {proto}\n\
         X-Forwarded-Protocol: {proto}\nX-Forwarded-Port: {port}\nX-Forwarded-Host: {host}"
    )
}

#[test]
fn a_trusted_peer_that_says_nothing_is_the_client() {
    check_trusted("", AFRESH, "10.0.0.9");
}

#[test]
fn what_a_trusted_peer_says_is_taken_over() {
    let all_of_it = "X-Forwarded-For: 203.0.113.5, 10.0.0.8\r\nX-Real-IP: 203.0.113.5\r\n\
        X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\nX-Forwarded-Host: shop.example\r\n";
    let expected = all("203.0.113.5, 10.0.0.8, 10.0.0.9", "203.0.113.5", "https", "8443", "shop.example");
    check_trusted(all_of_it, &expected, "203.0.113.5");
    check_trusted(&all_of_it.replace("d-", "d_").replace("l-", "l_"), &expected, "203.0.113.5");
}

#[test]
fn without_a_real_ip_it_is_whom_the_trusted_peer_saw() {
    let host = "www.example.com:81";
    let check = |hops: &str, real_ip: &str| {
        let expected = all(&format!("{hops}, 10.0.0.9"), real_ip, "http", "8080", host);
        check_trusted(&format!("X-Forwarded-For: {hops}\r\n"), &expected, real_ip);
    };
    check("1.1.1.1, 203.0.113.5", "203.0.113.5");
    check("1.1.1.1, 203.0.113.5, 10.0.0.8, 10.0.0.7:80", "203.0.113.5");
    check("10.0.0.7, 10.0.0.8", "10.0.0.7");
    check("1.1.1.1, unknown, 10.0.0.8", "10.0.0.8");
    check("203.0.113.5:1234", "203.0.113.5");
    check("[2001:db8::1]:1234", "2001:db8::1");
    check("unknown", "10.0.0.9");
    let junk = all("10.0.0.9", "10.0.0.9", "http", "8080", host);
    check_trusted("X-Real-IP: junk\r\nX-Forwarded-For:\r\n", &junk, "10.0.0.9");
}

#[test]
fn several_fields_are_one_list_and_the_proper_spelling_wins() {
    let fields = "X-Forwarded-For: 1.1.1.1\r\nX_Forwarded_For: 6.6.6.6\r\nx-forwarded-for: 2.2.2.2\r\n\
        X_Real_IP: 6.6.6.6\r\nX-Real-IP: 1.1.1.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n";
    let expected = all("1.1.1.1, 2.2.2.2, 10.0.0.9", "1.1.1.1", "https", "443", "www.example.com:81");
    check_trusted(fields, &expected, "1.1.1.1");
}

#[test]
fn a_scheme_brings_its_port_and_stands_in_for_its_other_name() {
    let expected = all("10.0.0.9", "10.0.0.9", "https", "443", "www.example.com:81");
    check_trusted("X-Forwarded-Proto: https\r\n", &expected, "10.0.0.9");
    check_trusted("X-Forwarded-Protocol: https\r\n", &expected, "10.0.0.9");
}

#[test]
fn forwarded_is_extended_for_a_trusted_peer_only() {
    const OURS: &str = ";host=\"www.example.com:81\";proto=http";
    let outcome = forward("10.0.0.9:1", &["10.0.0.0/8"], "Forwarded: for=1.1.1.1;proto=https\r\n");
    assert!(
        outcome.written.ends_with(&format!("\nForwarded: for=1.1.1.1;proto=https, for=10.0.0.9{OURS}")),
        "{}",
        outcome.written
    );
    let outcome = forward("[2001:db8::9]:1", &["2001:db8::/32"], "Forwarded: for=1.1.1.1\r\n");
    assert!(
        outcome.written.ends_with(&format!("\nForwarded: for=1.1.1.1, for=\"[2001:db8::9]\"{OURS}")),
        "{}",
        outcome.written
    );
}

#[test]
fn other_fields_of_proxies_pass_from_a_trusted_peer() {
    let outcome = forward("10.0.0.9:1", &["10.0.0.0/8"], "X-Forwarded-Ssl: on\r\n");
    assert!(outcome.written.starts_with("X-Forwarded-Ssl: on\n"), "{}", outcome.written);
}

const OWN: &str = "for=10.0.0.9;host=\"www.example.com:81\";proto=http";

#[test]
fn forwarded_of_a_trusted_peer_alone_stands_for_the_other_fields() {
    let check = |forwarded: &str, others: &str, client: &str| {
        let expected = format!("{others}\nForwarded: {forwarded}, {OWN}");
        check_trusted(&format!("Forwarded: {forwarded}\r\n"), &expected, client);
    };
    let host = "www.example.com:81";
    check(
        "for=203.0.113.5;proto=https;host=shop.example",
        &all("203.0.113.5, 10.0.0.9", "203.0.113.5", "https", "443", "shop.example"),
        "203.0.113.5",
    );
    check(
        "for=6.6.6.6;host=evil, for=\"[2001:db8::1]:80\";host=\"shop.example:81\", for=10.0.0.8",
        &all("2001:db8::1, 10.0.0.8, 10.0.0.9", "2001:db8::1", "http", "8080", "shop.example:81"),
        "2001:db8::1",
    );
    check("for=_hidden;proto=https", &all("10.0.0.9", "10.0.0.9", "https", "443", host), "10.0.0.9");
    check("for=unknown", &all("10.0.0.9", "10.0.0.9", "http", "8080", host), "10.0.0.9");
}

#[test]
fn a_malformed_forwarded_says_nothing_and_goes_no_further() {
    for malformed in ["for=\"1.1.1.1", "for", "for=1.1.1.1;for=2.2.2.2", "junk, \""] {
        let expected = format!("{AFRESH}\nForwarded: {OWN}");
        check_trusted(&format!("Forwarded: {malformed}\r\n"), &expected, "10.0.0.9");
    }
}

#[test]
fn beside_any_other_field_of_a_trusted_peer_forwarded_means_nothing() {
    let forwarded = "for=6.6.6.6;proto=https;host=evil";
    for (field, client) in [
        ("X-Forwarded-For: 203.0.113.5", "203.0.113.5"),
        ("X-Real-IP: 203.0.113.5", "203.0.113.5"),
        ("X-Forwarded-Proto: http", "10.0.0.9"),
        ("X-Forwarded-Host: www.example.com:81", "10.0.0.9"),
        ("X-Forwarded-Port: 80", "10.0.0.9"),
    ] {
        let fields = format!("Forwarded: {forwarded}\r\n{field}\r\n");

        let outcome = forward("10.0.0.9:4000", &["10.0.0.0/8"], &fields);

        assert_eq!(outcome.client, client, "{field}");
        let (others, last) = outcome.written.split_once("\nForwarded: ").unwrap();
        assert_eq!(last, format!("{forwarded}, {OWN}"), "{field}");
        assert!(!["6.6.6.6", "evil", "https"].iter().any(|said| others.contains(said)), "{others}");
    }
}

#[test]
fn forwarded_is_sent_to_all_where_it_is_switched_on() {
    let check = |trusted: &[&str], fields: &str, expected: &str| {
        let outcome = forward_as(true, "10.0.0.9:4000", trusted, fields);
        let forwarded = outcome.written.split_once("\nForwarded: ").unwrap().1;
        assert_eq!(forwarded, expected, "{fields}");
    };
    let (trusted, hops) = (&["10.0.0.0/8"][..], "X-Forwarded-For: 1.1.1.1, junk, 2001:db8::1\r\n");
    check(&[], "", OWN);
    check(&[], "Forwarded: for=6.6.6.6\r\n", OWN);
    check(&[], hops, OWN);
    check(trusted, "", OWN);
    check(trusted, "Forwarded: for=1.1.1.1\r\n", &format!("for=1.1.1.1, {OWN}"));
    check(trusted, hops, &format!("for=1.1.1.1, for=unknown, for=\"[2001:db8::1]\", {OWN}"));
    let more = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n";
    check(trusted, more, &format!("for=1.1.1.1;host=shop.example;proto=https, {OWN}"));
}
