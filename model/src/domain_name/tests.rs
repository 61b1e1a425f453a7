use std::hash::{BuildHasher, RandomState};

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn check(text: &str, expected: Result<&str, DomainNameError>) {
    let parsed = DomainName::parse(text).map(|name| name.to_string());
    assert_eq!(parsed, expected.map(str::to_owned), "name {text:?}");
}

#[test]
fn names_are_read_from_the_root_down_and_keep_their_spelling() {
    check(".", Ok("."));
    check("www.Example.COM", Ok("www.Example.COM."));
    check("www.Example.COM.", Ok("www.Example.COM."));
    check("_http._tcp.a", Ok("_http._tcp.a."));
    check("*.a", Ok("*.a."));
    check(r"a\.b.c", Ok(r"a\.b.c."));
    check(r"a\046b.c", Ok(r"a\.b.c."));
    check(r"\065\097.c", Ok("Aa.c."));
    check("Büro 2.c", Ok(r"B\195\188ro\0322.c."));
    check(r#"\"\(\;\@\$."#, Ok(r#"\"\(\;\@\$."#));
}

#[test]
fn malformed_names_are_named() {
    check("", Err(DomainNameError::Empty));
    check("..", Err(DomainNameError::EmptyLabel));
    check(".a", Err(DomainNameError::EmptyLabel));
    check("a..b", Err(DomainNameError::EmptyLabel));
    check("a..", Err(DomainNameError::EmptyLabel));
    check("a\\", Err(DomainNameError::Escape));
    check(r"a\25", Err(DomainNameError::Escape));
    check(r"a\256", Err(DomainNameError::Escape));
    check(r"a\2x5", Err(DomainNameError::Escape));
    check(&"a".repeat(64), Err(DomainNameError::LongLabel));
    check(&["a"; 128].join("."), Err(DomainNameError::TooLong));
}

#[test]
fn a_name_may_be_as_long_as_the_protocol_allows_and_no_longer() {
    let longest =
        [&"a".repeat(63), &"b".repeat(63), &"c".repeat(63), &"d".repeat(61)].map(String::as_str).join(".");
    assert_eq!(name(&longest).as_wire().len(), MAX_NAME);
    check(&format!("{longest}d"), Err(DomainNameError::TooLong));
    assert_eq!(name(&longest).child(b"x"), Err(DomainNameError::TooLong));
    assert_eq!(name(&["a"; 127].join(".")).label_count(), 127);
    assert_eq!(name("a").child(b""), Err(DomainNameError::EmptyLabel));
    assert_eq!(name("a").child(&[b'x'; 64]), Err(DomainNameError::LongLabel));
}

#[test]
fn a_wire_form_is_whole_and_uncompressed() {
    let check =
        |wire: &[u8], expected| assert_eq!(DomainName::from_wire(wire).map(|n| n.to_string()), expected);
    check(b"\x01a\x00", Ok("a.".to_owned()));
    check(b"\x00", Ok(".".to_owned()));
    for malformed in [&b""[..], b"\x01a", b"\x02a\x00", b"\x01a\x00\x00", b"\xc0\x0c", b"\x40a\x00"] {
        check(malformed, Err(DomainNameError::Malformed));
    }
    check(&[&[1, b'a'].repeat(127)[..], &[1, b'a', 0]].concat(), Err(DomainNameError::TooLong));
    assert_eq!(DomainName::wire_length(b"\x01a\x00rest"), Ok(3));
}

#[test]
fn names_know_what_they_are_below() {
    let www = name("www.Example.com");
    assert!(www.is_at_or_below(&name("example.COM")) && www.is_at_or_below(&www));
    assert!(www.is_at_or_below(&DomainName::root()));
    assert!(!name("example.com").is_at_or_below(&www));
    assert!(!name("badexample.com").is_at_or_below(&name("example.com")));
    assert!(!name(r"a\003com").is_at_or_below(&name("com")), "the octets of a label are no label");
    assert_eq!(www.parent(), Some(name("example.com")));
    assert_eq!(DomainName::root().parent(), None);
    assert_eq!(name("a.b").below(&name("c")), Ok(name("a.b.c")));
    assert!(name("*.a").is_wildcard() && !name("a.*").is_wildcard() && !name("**.a").is_wildcard());
}

#[test]
fn the_order_is_that_of_rfc_4034() {
    let texts =
        ["example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.", "z.example."];
    let last = [r"\001.z.example.", "*.z.example.", r"\200.z.example."];
    let names: Vec<_> = texts.into_iter().chain(last).map(name).collect();
    assert!(names.is_sorted());
    assert_eq!(name("A.example").cmp(&name("a.EXAMPLE.")), Ordering::Equal);
}

/// Names of a few octets each, so that they are alike often enough.
fn names() -> impl Strategy<Value = DomainName> {
    let label = prop::collection::vec(
        prop_oneof![Just(b'a'), Just(b'A'), Just(b'b'), Just(0), Just(b'.'), any::<u8>()],
        1..5,
    );
    prop::collection::vec(label, 0..5).prop_map(|labels| {
        let labels = labels.iter().map(Vec::as_slice);
        DomainName::from_labels(labels).expect("short enough")
    })
}

proptest! {
    #[test]
    fn text_and_wire_form_read_back_what_they_wrote(name in names()) {
        let text = DomainName::parse(&name.to_string());
        prop_assert!(text.is_ok_and(|read| read.same_spelling(&name)), "{}", name);
        let wire = DomainName::from_wire(name.as_wire());
        prop_assert!(wire.is_ok_and(|read| read.same_spelling(&name)));
    }

    #[test]
    fn any_text_is_a_name_or_an_error(text in ".{0,300}") {
        if let Ok(name) = DomainName::parse(&text) {
            prop_assert!(name.as_wire().len() <= MAX_NAME);
            prop_assert!(name.labels().all(|label| (1..=MAX_LABEL).contains(&label.len())));
        }
    }

    #[test]
    fn any_octets_are_a_name_or_an_error(wire in prop::collection::vec(0_u8..80, 0..300)) {
        if let Ok(name) = DomainName::from_wire(&wire) {
            prop_assert_eq!(name.as_wire(), &wire[..]);
        }
    }

    #[test]
    fn names_alike_but_for_their_case_are_one(name in names(), other in names()) {
        let folded = name.folded();
        let hasher = RandomState::new();
        prop_assert_eq!(&folded, &name);
        prop_assert_eq!(hasher.hash_one(&folded), hasher.hash_one(&name));
        prop_assert_eq!(name.cmp(&other) == Ordering::Equal, name == other);
        prop_assert_eq!(name.cmp(&other), folded.cmp(&other.folded()));
        prop_assert_eq!(name.cmp(&other), other.cmp(&name).reverse());
    }

    #[test]
    fn what_is_below_a_name_follows_it_without_a_gap(mut all in prop::collection::vec(names(), 0..12), top in names()) {
        all.sort();
        let inside: Vec<bool> = all.iter().filter(|name| **name >= top).map(|name| name.is_at_or_below(&top)).collect();
        prop_assert!(inside.is_sorted_by(|a, b| a >= b), "{:?} of {:?}", top, all);
        prop_assert!(all.iter().filter(|name| **name < top).all(|name| !name.is_at_or_below(&top)));
    }
}
