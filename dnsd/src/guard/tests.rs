//! What guards decide, from settings on.

use super::*;
use crate::wire::Cookie;

const NOW: u32 = 1_700_000_000;
const CLIENT: Cookie<'_> = Cookie { client: [7; 8], server: &[] };

fn guards(change: impl FnOnce(&mut Config)) -> Guards {
    let mut config = Config::default();
    change(&mut config);
    let drawn = Drawn { cookie: Secret::new([1; SECRET]), rate: [2; SECRET] };
    Guards::new(&config, &drawn)
}

fn client(address: &str, over: Over) -> Client {
    Client { address: address.parse().expect("an address"), over }
}

fn now() -> Now {
    Now { at: Instant::now(), unix: NOW }
}

fn asked(cookie: Option<Cookie<'_>>) -> Options<'_> {
    Options { cookie, nsid: true, keepalive: true }
}

/// The cookie that these guards tell a client.
fn full(guards: &Guards, client: &Client) -> [u8; 24] {
    guards.receive(client, &asked(Some(CLIENT)), now()).told.cookie.expect("a cookie")
}

#[test]
fn a_cookie_that_was_told_proves_the_address() {
    let guards = guards(|_| {});
    let home = client("192.0.2.1", Over::Udp);
    let told = full(&guards, &home);
    let shown = Cookie { client: CLIENT.client, server: &told[8..] };
    let check = |client: &Client, cookie: Option<Cookie<'_>>, proven: bool, bad: bool| {
        let visit = guards.receive(client, &asked(cookie), now());
        assert_eq!((visit.proven, visit.bad_cookie), (proven, bad), "{client:?} {cookie:?}");
        assert_eq!(visit.told.cookie.is_some(), cookie.is_some());
    };
    check(&home, Some(shown), true, false);
    check(&home, Some(CLIENT), false, false);
    check(&home, Some(Cookie { server: &[1; 8], ..CLIENT }), false, true);
    check(&home, None, false, false);
    check(&client("192.0.2.2", Over::Udp), Some(shown), false, true);
    check(&client("192.0.2.2", Over::Tcp), Some(shown), true, true);
    check(&client("192.0.2.2", Over::Tcp), None, true, false);
}

#[test]
fn options_are_told_where_they_are_asked_for_and_set() {
    let guards = guards(|config| config.nsid = Some("a1".into()));
    let told = |over| guards.receive(&client("192.0.2.1", over), &asked(None), now()).told;
    assert_eq!((told(Over::Udp).nsid, told(Over::Udp).keepalive), (&b"a1"[..], None));
    assert_eq!(told(Over::Tcp).keepalive, Some(100));
    let nothing = guards.receive(&client("192.0.2.1", Over::Tcp), &Options::default(), now()).told;
    assert_eq!(nothing, Told::default());
    let off = super::tests::guards(|config| config.cookies = CookieUse::Off);
    let told = off.receive(&client("192.0.2.1", Over::Udp), &asked(Some(CLIENT)), now()).told;
    assert_eq!(told, Told::default());
}

#[test]
fn who_may_not_ask_or_shows_no_cookie_is_stopped() {
    let guards = guards(|config| {
        config.deny = vec!["10.0.0.0/8".parse().expect("a network")];
        config.cookies = CookieUse::Required;
    });
    let home = client("192.0.2.1", Over::Udp);
    let told = full(&guards, &home);
    let check = |client: &Client, cookie: Option<Cookie<'_>>, expected: Option<Stop>| {
        let visit = guards.receive(client, &asked(cookie), now());
        assert_eq!(guards.stop(&visit), expected, "{client:?} {cookie:?}");
    };
    check(&client("10.0.0.1", Over::Tcp), None, Some(Stop::Prohibited));
    check(&client("10.0.0.1", Over::Udp), Some(CLIENT), Some(Stop::Prohibited));
    check(&home, None, Some(Stop::Cut));
    check(&home, Some(CLIENT), Some(Stop::BadCookie));
    check(&home, Some(Cookie { server: &[1; 16], ..CLIENT }), Some(Stop::BadCookie));
    check(&home, Some(Cookie { server: &told[8..], ..CLIENT }), None);
    check(&client("192.0.2.1", Over::Tcp), None, None);
}

#[test]
fn what_is_proven_or_exempt_is_not_limited() {
    let guards = guards(|config| {
        config.rate_limit = 1;
        config.rate_limit_slip = 1;
        config.rate_limit_allow = vec!["10.0.0.0/8".parse().expect("a network")];
    });
    let home = client("192.0.2.1", Over::Udp);
    let told = full(&guards, &home);
    let check = |client: &Client, cookie: Option<Cookie<'_>>, expected: Verdict| {
        let visit = guards.receive(client, &asked(cookie), now());
        let verdicts = [(); 3].map(|()| guards.verdict(&visit, Kind::Data, b"\0", now(), 1));
        assert_eq!(verdicts[2], expected, "{client:?} {cookie:?}");
    };
    check(&home, None, Verdict::Cut);
    check(&home, Some(CLIENT), Verdict::Cut);
    check(&home, Some(Cookie { server: &told[8..], ..CLIENT }), Verdict::Send);
    check(&client("192.0.2.1", Over::Tcp), None, Verdict::Send);
    check(&client("10.0.0.1", Over::Udp), None, Verdict::Send);
    let open = OPEN.receive(&home, &asked(Some(CLIENT)), now());
    assert_eq!((OPEN.stop(&open), open.told), (None, Told::default()));
}
