//! What a log line says, as plain values.

use crate::http::Version;
use crate::respond::LocalReply;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum End {
    /// The answer was sent as a whole.
    Complete,
    /// The client went away, or took nothing in for too long.
    ClientGone,
    /// The endpoint's answer broke off after its head had been sent.
    UpstreamBroken,
    /// Nobody said: the exchange was given up, as at the end of the drain.
    #[default]
    Abandoned,
    /// A fault of ours.
    Panicked,
}

impl End {
    /// Its name in the JSON log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::UpstreamBroken => "upstream_broken",
            Self::Abandoned => "abandoned",
            Self::Panicked => "panicked",
        }
    }
}

/// The request of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// A request that was understood.
    Parsed { method: &'a [u8], target: &'a [u8], version: Version },
    /// The first line of one that was not, as it came; empty when nothing came.
    Raw(&'a [u8]),
}

/// One exchange. Every text may hold any octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Microseconds since 1970.
    pub unix_us: i64,
    /// An IP address: the client's word for itself when its peer is trusted, else the peer.
    pub client: &'a [u8],
    /// The other side of the connection.
    pub peer: &'a [u8],
    pub asked: Asked<'a>,
    pub host: &'a [u8],
    pub referer: &'a [u8],
    pub user_agent: &'a [u8],
    /// The backend's name: hipache's identifier, its `virtualHost`.
    pub backend: &'a [u8],
    /// The address of the endpoint that was tried last.
    pub endpoint: &'a [u8],
    /// 0: none was sent.
    pub status: u16,
    pub reply: Option<LocalReply>,
    pub end: End,
    pub attempts: u32,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub total_us: u64,
    /// From the start of the last attempt to the end of the exchange, as hipache counts.
    pub upstream_us: Option<u64>,
    /// From the start of the last attempt to the head of its answer.
    pub upstream_head_us: Option<u64>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::sink::LINE_ROOM;
    use crate::log::time::SecondText;
    use crate::log::{hipache, json};

    /// The exchange that hipache's own test logs.
    pub(in crate::log) const SAMPLE: Line<'static> = Line {
        unix_us: 1_392_511_390_963_000,
        client: b"::1",
        peer: b"::1",
        asked: Asked::Parsed { method: b"GET", target: b"/", version: Version::Http11 },
        host: b"www.example.com",
        referer: b"",
        user_agent: b"curl/7.30.0",
        backend: b"mywebsite",
        endpoint: b"10.0.0.7:8000",
        status: 200,
        reply: None,
        end: End::Complete,
        attempts: 1,
        bytes_in: 78,
        bytes_out: 3236,
        total_us: 11_500,
        upstream_us: Some(9_100),
        upstream_head_us: Some(8_700),
    };

    type Write = fn(&Line<'_>, &mut SecondText, &mut Vec<u8>);

    fn written(write: Write, line: &Line<'_>) -> String {
        let mut out = Vec::new();
        write(line, &mut SecondText::default(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[track_caller]
    fn check(line: &Line<'_>, expected: &str) {
        assert_eq!(written(hipache::write, line), format!("{expected}\n"));
    }

    #[test]
    fn the_line_is_that_of_hipache() {
        check(
            &SAMPLE,
            r#"::1 - - [16/Feb/2014:00:43:10 +0000] "GET / HTTP/1.1" 200 3236 "" "curl/7.30.0" "mywebsite" 0.011 0.009"#,
        );
    }

    #[test]
    fn ipv4_clients_are_written_in_ipv6() {
        let asked = Asked::Parsed { method: b"POST", target: b"/a?b=%20", version: Version::Http10 };
        let line = Line { client: b"10.0.0.1", asked, referer: b"http://r/", total_us: 1_000_000, ..SAMPLE };
        check(
            &line,
            r#"::ffff:10.0.0.1 - - [16/Feb/2014:00:43:10 +0000] "POST /a?b=%20 HTTP/1.0" 200 3236 "http://r/" "curl/7.30.0" "mywebsite" 1 0.009"#,
        );
        let line =
            Line { client: b"::ffff:10.0.0.1", upstream_us: None, backend: b"", status: 400, ..SAMPLE };
        check(
            &line,
            r#"::ffff:10.0.0.1 - - [16/Feb/2014:00:43:10 +0000] "GET / HTTP/1.1" 400 3236 "" "curl/7.30.0" "" 0.011 0"#,
        );
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        let target = b"/\" 200 0\n::ffff:6.6.6.6 - - [";
        let asked = Asked::Parsed { method: b"GET", target, version: Version::Http11 };
        let line = Line { asked, user_agent: b"a\" \"b\\", ..SAMPLE };
        check(
            &line,
            r#"::1 - - [16/Feb/2014:00:43:10 +0000] "GET /\x22 200 0\x0a::ffff:6.6.6.6 - - [ HTTP/1.1" 200 3236 "" "a\x22 \x22b\x5c" "mywebsite" 0.011 0.009"#,
        );
    }

    #[test]
    fn what_was_not_understood_stands_as_it_came() {
        let line = Line { asked: Asked::Raw(b"\x16\x03\x01"), status: 400, ..SAMPLE };
        check(
            &line,
            r#"::1 - - [16/Feb/2014:00:43:10 +0000] "\x16\x03\x01" 400 3236 "" "curl/7.30.0" "mywebsite" 0.011 0.009"#,
        );
    }

    #[test]
    fn the_json_line_says_all() {
        let expected = r#"{"time":"2014-02-16T00:43:10.963Z","client":"::1","peer":"::1","method":"GET","target":"/","version":"1.1","host":"www.example.com","status":200,"end":"complete","bytes_in":78,"bytes_out":3236,"referer":"","user_agent":"curl/7.30.0","backend":"mywebsite","endpoint":"10.0.0.7:8000","attempts":1,"duration_us":11500,"upstream_us":9100,"upstream_head_us":8700}"#;
        assert_eq!(written(json::write, &SAMPLE), format!("{expected}\n"));
    }

    #[test]
    fn the_json_line_of_a_refused_request_names_the_reply() {
        let line = Line {
            asked: Asked::Raw(b"GET / HTTP/3\""),
            reply: Some(LocalReply::VersionNotSupported),
            upstream_us: None,
            upstream_head_us: None,
            ..SAMPLE
        };
        let text = written(json::write, &line);
        assert!(text.contains(r#""malformed":"GET / HTTP/3\u0022","host""#), "{text}");
        assert!(text.contains(r#""end":"complete","reply":"version_not_supported","bytes_in""#), "{text}");
        assert!(text.ends_with("\"duration_us\":11500}\n"), "{text}");
    }

    #[test]
    fn the_longest_lines_fit_the_room_that_is_kept_for_one() {
        let long = vec![b'"'; 20_000];
        let text = long.as_slice();
        let asked = Asked::Parsed { method: text, target: text, version: Version::Http11 };
        let (most, us) = (u64::MAX, Some(u64::MAX));
        let line = Line {
            client: text,
            peer: text,
            asked,
            host: text,
            referer: text,
            user_agent: text,
            backend: text,
            endpoint: text,
            reply: Some(LocalReply::VersionNotSupported),
            end: End::UpstreamBroken,
            attempts: u32::MAX,
            bytes_in: most,
            bytes_out: most,
            total_us: most,
            upstream_us: us,
            upstream_head_us: us,
            ..SAMPLE
        };
        for write in [hipache::write as Write, json::write] {
            assert!(written(write, &line).len() <= LINE_ROOM);
        }
    }

    fn octets() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[ -~\"\\\\\r\n]{0,40}".prop_map(String::into_bytes)
        ]
    }

    proptest! {
        #[test]
        fn no_octets_of_a_peer_add_a_line_or_a_quote(
            texts in prop::array::uniform9(octets()),
            raw in any::<bool>(),
            unix_us in any::<i64>(),
            numbers in any::<[u64; 4]>(),
            status in any::<u16>(),
        ) {
            let [client, peer, method, target, host, referer, user_agent, backend, endpoint] = &texts;
            let asked = if raw { Asked::Raw(target) } else { Asked::Parsed { method, target, version: Version::Http11 } };
            let [bytes_in, bytes_out, total_us, upstream] = numbers;
            let line = Line {
                unix_us, client, peer, asked, host, referer, user_agent, backend, endpoint, status,
                reply: None, end: End::Complete, attempts: 1, bytes_in, bytes_out, total_us,
                upstream_us: Some(upstream), upstream_head_us: None,
            };

            let text = written(hipache::write, &line);
            prop_assert_eq!(text.find('\n'), Some(text.len() - 1));
            prop_assert_eq!(text.matches('"').count(), 8);
            prop_assert!(text.bytes().all(|octet| octet == b'\n' || (0x20..0x7f).contains(&octet)));

            let text = written(json::write, &line);
            prop_assert_eq!(text.find('\n'), Some(text.len() - 1));
            let object: serde_json::Value = serde_json::from_str(&text).unwrap();
            let read = |key: &str| object[key].as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>();
            prop_assert_eq!(&read("user_agent"), user_agent);
            prop_assert_eq!(&read("host"), host);
            prop_assert_eq!(&read(if raw { "malformed" } else { "target" }), target);
            prop_assert_eq!(object["bytes_out"].as_u64(), Some(bytes_out));
        }
    }
}
