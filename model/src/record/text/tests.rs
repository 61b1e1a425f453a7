use proptest::prelude::*;

use super::super::fields::{Field, fields};
use super::*;

/// What is read, as octets; then what is written.
fn check(record_type: &str, text: &str, octets: &str, written: &str) {
    let record_type = RecordType::parse(record_type).expect("a type");
    let data = RecordData::parse(record_type, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let found: String = data.octets().iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!((found.as_str(), data.to_string().as_str()), (octets, written), "{text}");
}

#[test]
fn data_of_each_type_is_read_and_written() {
    let same = |record_type: &str, text: &str, octets: &str| check(record_type, text, octets, text);
    same("A", "10.0.0.1", "0a000001");
    check("AAAA", "2001:DB8:0::1", "20010db8000000000000000000000001", "2001:db8::1");
    same("NS", "Ns.", "024e7300");
    same("PTR", "a\\032b\\.c.", "0561 20622e63 00".replace(' ', "").as_str());
    same("CNAME", ".", "00");
    same("MX", "10 mail.", "000a046d61696c00");
    check("TXT", "a \"b c;\" \"\\\"\\065\\200\"", "0161046220633b032241c8", "\"a\" \"b c;\" \"\\\"A\\200\"");
    same("TXT", "\"\"", "00");
    same("SRV", "1 2 443 .", "0001000201bb00");
    same("CAA", "128 issue \"ca.test; a=b\"", "8005697373756563612e746573743b20613d62");
    same("URI", "1 2 \"ftp://a\"", "000100026674703a2f2f61");
    check(
        "SOA",
        "a. b. 1 1h 2m 3s 4",
        "01610001620000000001 00000e10 00000078 00000003 00000004".replace(' ', "").as_str(),
        "a. b. 1 3600 120 3 4",
    );
    same("NAPTR", "1 2 \"s\" \"\" \"\" .", "000100020173000000");
    same("HINFO", "\"a\" \"\"", "016100");
    same("DS", "1 8 2 0A0B0C", "000108020a0b0c");
    check("DS", "1 8 2 0a0B 0c", "000108020a0b0c", "1 8 2 0A0B0C");
    same("DNSKEY", "257 3 13 aGk=", "0101030d6869");
    same("TLSA", "3 1 1 FF", "030101ff");
    same("SSHFP", "4 2 00", "040200");
    same("CERT", "1 2 3 AAAA", "0001000203000000");
    same("ZONEMD", "7 1 1 00", "00000007010100");
    check("OPENPGPKEY", "aGFs bG8", "68616c6c6f", "aGFsbG8=");
    same("LOC", "\\# 0", "");
    check("TYPE65534", "\\# 3 0a 0B0c", "0a0b0c", "\\# 3 0A0B0C");
    check("A", "\\# 4 0a000001", "0a000001", "10.0.0.1");
}

#[test]
fn parameters_of_svcb_are_read_and_written() {
    let same = |text: &str, octets: &str| check("SVCB", text, octets, text);
    check(
        "HTTPS",
        "1 . alpn=h2,h3 port=443",
        "000100000100060268320268330003000201bb",
        "1 . alpn=\"h2,h3\" port=443",
    );
    same("0 svc.", "00000373766300");
    let parts = "1 . key65000=a\\,b ipv4hint=10.0.0.1 mandatory=ipv4hint,alpn alpn=\"a\\\\,b\"";
    let written = "1 . mandatory=alpn,ipv4hint alpn=\"a\\\\,b\" ipv4hint=10.0.0.1 key65000=\"a,b\"";
    check("SVCB", parts, "00010000000004000100040001000403612c62000400040a000001fde80003612c62", written);
    same("1 . no-default-alpn ech=AAAA ipv6hint=::1,::2", "0001000002000000050003000000 00060020 0000000000000000000000000000000100000000000000000000000000000002".replace(' ', "").as_str());
    same("1 . dohpath=\"/q{?dns}\"", "0001000007 0008 2f717b3f646e737d".replace(' ', "").as_str());
    // Such a port is written by its key's number, as nobody's name says it.
    same("1 . key3=\"\\001\"", "00010000030001 01".replace(' ', "").as_str());
    check("SVCB", "1 . key3=\\001\\187", "000100000300 0201bb".replace(' ', "").as_str(), "1 . port=443");
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let check = |record_type: RecordType, text: &str, part: &str| {
        let error = RecordData::parse(record_type, text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    };
    check(RecordType::A, "10.0.0.256", "`10.0.0.256` is no IPv4 address");
    check(RecordType::A, "", "missing at its end");
    check(RecordType::A, "10.0.0.1 10.0.0.2", "one too many");
    check(RecordType::MX, "10 mail", "`mail` is relative, and there is no origin; end it with a dot");
    check(RecordType::MX, "10 @", "is relative");
    check(RecordType::MX, "+1 a.", "no number from 0 to 65535");
    check(RecordType::NS, "a..b.", "empty label");
    check(RecordType::TXT, "a ; b", "`;` stands outside of quotes");
    check(RecordType::TXT, "( a )", "`(` stands outside of quotes");
    check(RecordType::TXT, "a\nb", "`\\n` stands outside of quotes");
    check(RecordType::TXT, "\"a", "a quote is not closed");
    check(RecordType::TXT, "a\\256", "up to 255");
    check(RecordType::TXT, &"a".repeat(256), "256 octets is too long");
    check(RecordType::LOC, "52 N", "write its octets");
    check(RecordType::CAA, "0 a-b x", "not made of letters and digits");
    check(RecordType::HTTPS, "1 . port=1 port=2", "given twice");
    check(RecordType::HTTPS, "1 . color=red", "no parameter's key");
    check(RecordType::HTTPS, "1 . no-default-alpn=1", "takes no value");
    check(RecordType::A, "\\# 4 0a0000", "3 octets behind");
    check(RecordType::A, "\\# 3 0a0000", "another length");
    check(RecordType::OPT, "\\# 0", "cannot stand in a zone");
}

/// Octets that a field may have.
fn octets_of(field: Field) -> BoxedStrategy<Vec<u8>> {
    let some = |most: usize| {
        prop::collection::vec(
            prop_oneof![any::<u8>(), Just(b','), Just(b'\\'), Just(b'"'), Just(b'a')],
            0..most,
        )
    };
    let text = move || {
        some(6).prop_map(|octets| [&[u8::try_from(octets.len()).expect("short")], &octets[..]].concat())
    };
    match field {
        Field::U8 => prop::collection::vec(any::<u8>(), 1).boxed(),
        Field::U16 => prop::collection::vec(any::<u8>(), 2).boxed(),
        Field::U32 | Field::Seconds | Field::V4 => prop::collection::vec(any::<u8>(), 4).boxed(),
        Field::V6 => prop::collection::vec(any::<u8>(), 16).boxed(),
        Field::Name => prop::collection::vec(prop::collection::vec(any::<u8>(), 1..5), 0..4)
            .prop_map(|labels| {
                let name =
                    labels.iter().fold(DomainName::root(), |name, label| name.child(label).expect("short"));
                name.as_wire().to_vec()
            })
            .boxed(),
        Field::Text => text().boxed(),
        Field::Texts => prop::collection::vec(text(), 1..4).prop_map(|texts| texts.concat()).boxed(),
        Field::Tag => "[a-zA-Z0-9]{1,6}"
            .prop_map(|tag| [&[u8::try_from(tag.len()).expect("short")], tag.as_bytes()].concat())
            .boxed(),
        Field::Value | Field::Hex | Field::Base64 => some(9).boxed(),
        Field::Parameters => prop::collection::btree_map(
            0_u16..10,
            prop_oneof![
                some(9),
                prop::collection::vec(text(), 1..3).prop_map(|ids| ids.concat()),
                Just(vec![0, 1, 0, 4])
            ],
            0..6,
        )
        .prop_map(|parameters| {
            let one = |(key, value): (u16, Vec<u8>)| {
                let length = u16::try_from(value.len()).expect("short");
                [&key.to_be_bytes()[..], &length.to_be_bytes(), &value].concat()
            };
            parameters.into_iter().flat_map(one).collect()
        })
        .boxed(),
    }
}

fn data() -> impl Strategy<Value = RecordData> {
    let types: Vec<RecordType> = (0..300).map(RecordType).filter(|of| of.is_data()).collect();
    prop::sample::select(types).prop_flat_map(|record_type| {
        let fields = fields(record_type).unwrap_or(&[Field::Hex]);
        let parts: Vec<_> = fields.iter().map(|field| octets_of(*field)).collect();
        parts.prop_map(move |parts| RecordData::new(record_type, parts.concat()).expect("well formed"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]
    #[test]
    fn what_is_written_reads_back_as_the_same_octets(data in data()) {
        let text = data.to_string();
        let read = RecordData::parse(data.record_type(), &text);
        prop_assert_eq!(read.as_ref().map(|read| read.octets()), Ok(data.octets()), "{}", text);
        prop_assert!(text.bytes().all(|octet| matches!(octet, b' '..=b'~')), "it is fit for a terminal: {}", text);
    }

    #[test]
    fn any_text_is_data_or_an_error(number in 0_u16..300, text in "[\\PC\\n\\t]{0,60}") {
        let _ = RecordData::parse(RecordType(number), &text);
    }
}

#[test]
fn a_message_quotes_the_beginning_of_a_long_text() {
    let long = "ü".repeat(30_000);
    let check = |record_type: &str, text: String| {
        let record_type = RecordType::parse(record_type).expect("a type");
        let error = RecordData::parse(record_type, &text).expect_err("wrong").to_string();
        assert!(error.len() < 400 && error.contains('…') && error.contains("üüü"), "{error}");
    };
    check("A", long.clone());
    check("AAAA", long.clone());
    check("MX", format!("{long} a."));
    check("SOA", format!("a. b. 1 {long} 1 1 1"));
    check("CNAME", long.clone());
    check("CNAME", format!("{long}."));
    check("CNAME", format!("a. {long}"));
    check("DS", format!("1 8 2 {long}"));
    check("DNSKEY", format!("257 3 13 {long}"));
    check("TXT", format!("{long}\\300"));
    check("SVCB", format!("1 . {long}"));
    check("SVCB", format!("1 . port={long}"));
}
