use model::RecordType;
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

/// What a zone holds, a line for each record, its data as octets.
fn records(text: &str) -> Vec<String> {
    let zone = read(text, Some(&name("example"))).unwrap_or_else(|error| panic!("{error}"));
    let line = |set: &model::RecordSet| {
        let head = format!("{} {} ", set.name(), set.ttl());
        set.data().iter().map(|data| format!("{head}{data:?}")).collect::<Vec<_>>()
    };
    zone.sets().flat_map(line).filter(|line| !line.contains(" SOA ")).collect()
}

const TOP: &str = "@ 60 IN SOA ns hostmaster 1 2 3 4 5\n@ NS ns\n";

#[test]
fn owners_ttls_and_classes_may_be_left_out() {
    let text = "$TTL 1h\n@ SOA ns ( hostmaster ; who\n 7 1d 2h\n 1w 30 ) ; done\n  NS ns\nns 5 IN A 10.0.0.1\n\tin 6 A 10.0.0.2\n$ORIGIN sub\n@ A 10.0.0.3\nx.y. TXT a\n";
    let error = read(text, Some(&name("example"))).map(drop).expect_err("x.y. is outside");
    assert_eq!(
        (error.line, error.message.as_str()),
        (Some(10), "x.y. is not at or below example., so it belongs to another zone")
    );

    let text = text.replace("x.y. TXT a\n", "");

    let expected = [
        "example. 3600 NS \\# 12 026e73076578616d706c6500",
        "ns.example. 5 A \\# 4 0a000001",
        "ns.example. 5 A \\# 4 0a000002",
        "sub.example. 3600 A \\# 4 0a000003",
    ];
    assert_eq!(records(&text), expected);
    let zone = read(&text, Some(&name("example"))).expect("a zone");
    assert_eq!((zone.serial(), zone.negative().ttl(), zone.apex()), (7, 30, &name("example.")));
}

#[test]
fn data_of_each_type_is_read() {
    let check = |text: &str, expected: &str| {
        let read = records(&format!("{TOP}x 1 {text}\n"));
        let found = read.iter().find(|line| line.starts_with("x.example.")).expect("the record");
        assert_eq!(found.strip_prefix("x.example. 1 "), Some(expected), "{text}");
    };
    check("AAAA 2001:db8::1", "AAAA \\# 16 20010db8000000000000000000000001");
    check("CNAME @", "CNAME \\# 9 076578616d706c6500");
    check("MX 10 mail.", "MX \\# 8 000a046d61696c00");
    check("TXT a \"b c;\" \"\\\"\\065\"", "TXT \\# 10 0161046220633b022241");
    check("SRV 1 2 443 .", "SRV \\# 7 0001000201bb00");
    check("CAA 128 issue \"ca.test; a=b\"", "CAA \\# 19 8005697373756563612e746573743b20613d62");
    check("HTTPS 1 . alpn=\"h2,h3\" port=443", "HTTPS \\# 19 000100000100060268320268330003000201bb");
    check("HTTPS 0 svc.", "HTTPS \\# 7 00000373766300");
    check(
        "SVCB 1 . key65000=a\\,b ipv4hint=10.0.0.1 mandatory=ipv4hint,alpn alpn=\"a\\\\,b\"",
        "SVCB \\# 34 00010000000004000100040001000403612c62000400040a000001fde80003612c62",
    );
    check("TYPE65534 \\# 3 0a 0B0c", "TYPE65534 \\# 3 0a0b0c");
    check("A \\# 4 0a000001", "A \\# 4 0a000001");
    check("LOC \\# 0", "LOC \\# 0 ");
    check("DS 1 8 2 0a0b 0c", "DS \\# 7 000108020a0b0c");
    check("OPENPGPKEY aGFs bG8=", "OPENPGPKEY \\# 5 68616c6c6f");
    check(
        "NAPTR 1 2 s \"\" \"\" .",
        "NAPTR \\# 9 00010002017300000000".strip_suffix("00").unwrap_or_default(),
    );
    check("DNAME y", "DNAME \\# 11 0179076578616d706c6500");
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_what_to_do() {
    let check = |text: &str, line: Option<usize>, part: &str| {
        let error = read(text, Some(&name("example"))).map(drop).expect_err(text);
        assert!(error.line == line && error.message.contains(part), "{text:?}: {error}");
    };
    let below = |text: &str, part: &str| check(&format!("{TOP}{text}"), Some(3), part);
    check("", None, "there is no SOA record");
    check("@ 60 SOA ns hostmaster 1 2 3 4 5\n", None, "name at least one name server");
    check("@ SOA ns ( hostmaster\n1 2 3 4 5\n", Some(1), "never closed");
    check("a A 10.0.0.1\n", Some(1), "write `$TTL 3600`");
    check(" A 10.0.0.1\n", Some(1), "no name in this line");
    below("$INCLUDE other.zone", "write those records here");
    below("$GENERATE 1-9 a A 10.0.0.1", "there are $ORIGIN and $TTL");
    below("$TTL 5 weeks", "one value");
    below("$TTL 5y", "1h30m");
    below("$TTL 2147483648", "no time");
    below("a )", "no `(` before");
    below("a ( (", "between parentheses");
    below("a TXT \"b", "not closed");
    below("a TXT b\\\nc", "end of the line");
    below("a TXT \\256", "up to 255");
    below("a", "type is missing");
    below("a IN 5", "type is missing");
    below("a B 1", "no such record type");
    below("a CH TXT b", "write IN");
    below("a A 10.0.0.256", "no IPv4 address");
    below("a A", "missing at its end");
    below("a A 10.0.0.1 10.0.0.2", "one too many");
    below("a MX +1 b", "no number from 0 to 65535");
    below("a LOC 52 N", "write its octets");
    below("a A \\# 4 0a0000", "3 octets behind");
    below("a A \\# 3 0a0000", "another length");
    below("a TYPE255 \\# 0", "cannot stand in a zone");
    below("a..b A 10.0.0.1", "empty label");
    below("b SOA . . 1 2 3 4 5", "second zone");
    below("b A 10.0.0.1\nb CNAME c", "nothing else");
    below("*.b NS c", "a wildcard cannot have");
    below("d.b A 10.0.0.1\nb DNAME c", "nothing below it");
    below("b CNAME c\nb CNAME d", "one record of this type");
    let no_origin = read("@ 1 SOA ns h 1 2 3 4 5", None).map(drop).expect_err("relative");
    assert!(no_origin.to_string().starts_with("line 1: `@` is relative"), "{no_origin}");
}

#[test]
fn a_set_has_the_shortest_of_its_ttls() {
    let read = records(&format!("{TOP}a 9 A 10.0.0.1\na 5 A 10.0.0.2\n"));
    assert_eq!(read.iter().filter(|line| line.starts_with("a.example. 5 A")).count(), 2, "{read:?}");
}

proptest! {
    #[test]
    fn any_text_is_a_zone_or_an_error(text in "[\\PC\\n\\t]{0,200}") {
        let _ = read(&text, None);
        let _ = read(&format!("{TOP}{text}"), Some(&name("example")));
    }

    #[test]
    fn anything_made_of_a_zone_files_words_is_a_zone_or_an_error(words in prop::collection::vec(prop_oneof![
        Just("a"), Just("@"), Just("*"), Just("\n"), Just("("), Just(")"), Just("\""), Just("\\"), Just(";"), Just("IN"), Just("A"),
        Just("10.0.0.1"), Just("TXT"), Just("SOA"), Just("NS"), Just("CNAME"), Just("HTTPS"), Just("alpn=\""), Just("é"), Just("1"),
        Just("\\#"), Just("$ORIGIN"), Just("$TTL"), Just("1h"), Just("."), Just("\\."),
    ], 0..40), joined in prop_oneof![Just(" "), Just("")]) {
        let _ = read(&format!("{TOP}{}", words.join(joined)), Some(&name("example")));
    }

    #[test]
    fn any_octets_are_read_as_rfc_3597_writes_them(octets in prop::collection::vec(any::<u8>(), 0..40)) {
        let written: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let zone = read(&format!("{TOP}x 1 TYPE65534 \\# {} {written}\n", octets.len()), Some(&name("example")));
        let zone = zone.expect("a zone");
        let found = zone.sets().find(|set| set.record_type() == RecordType(65534)).expect("the record");
        prop_assert_eq!(found.data()[0].octets(), &octets[..]);
    }
}
