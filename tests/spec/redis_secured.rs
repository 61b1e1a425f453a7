//! A Redis behind TLS, with users, as a pair, or one that may only be read.

use crate::world::{Origin, Portico, World, eventually, get};

fn serves(portico: &Portico, host: &str) -> bool {
    get(portico.http(), host, "/").body == "served"
}

#[test]
fn a_redis_behind_tls_is_followed_and_written_and_its_last_known_good_routes_serve_without_it() {
    let (world, origin) = (World::new(), Origin::saying("served"));
    let (mut redis, url, authority) = world.redis_with_tls();
    let start = || {
        let command = world.portico_command(&["--registry", &url]);
        command.env("PORTICO_REGISTRY__CA_FILE", authority.to_str().unwrap()).start()
    };
    let mut portico = start();

    redis.command(&["RPUSH", "frontend:www.example.com", "x", &origin.url()]);
    eventually("it is routed", || serves(&portico, "www.example.com"));
    portico.does(&["frontend", "add", "mine.example.com", &origin.url()]);
    assert_eq!(redis.command(&["LLEN", "frontend:mine.example.com"]), "2");

    redis.stop();
    portico.signal("TERM");
    assert_eq!(portico.ended().code(), Some(0));
    let portico = start();
    eventually("the last known good routes serve", || {
        serves(&portico, "www.example.com") && serves(&portico, "mine.example.com")
    });
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_and_said() {
    let world = World::new();
    let (_redis, url, _) = world.redis_with_tls();

    let portico = world.portico(&["--registry", &url]);

    eventually("it is said", || portico.cli(&["status"]).stdout.contains("certificate"));
    let ready = get(portico.admin(), "127.0.0.1", "/readyz");
    assert!(ready.status == 503 && ready.body.contains("certificate"), "{}", ready.body);
}

#[test]
fn a_user_with_a_password_is_who_portico_is_and_a_wrong_password_is_said_and_not_shown() {
    let (world, origin) = (World::new(), Origin::saying("served"));
    let redis = world.redis();
    // The default user has no password: whoever does not log in may do everything.
    redis.command(&["ACL", "SETUSER", "portico", "on", ">s3cret", "~*", "&*", "+@all"]);
    redis.command(&["RPUSH", "frontend:www.example.com", "x", &origin.url()]);
    let at = |login: &str| redis.url().replace("redis://", &format!("redis://{login}@"));
    // Who is connected, but for this very asking.
    let users = || {
        let clients = redis.command(&["CLIENT", "LIST"]);
        let user =
            |line: &str| line.split(' ').find_map(|word| word.strip_prefix("user=").map(str::to_owned));
        clients.lines().filter(|line| !line.contains("cmd=client")).filter_map(user).collect::<Vec<_>>()
    };

    let wrong = world.portico(&["--registry", &at("portico:wr0ng")]);
    eventually("it is said", || wrong.cli(&["status"]).stdout.contains("password"));
    let ready = get(wrong.admin(), "127.0.0.1", "/readyz");
    assert_eq!(ready.status, 503, "{}", ready.body);
    let place = redis.url().replace("redis://", "redis://portico:…@");
    let said =
        format!("{place} refuses the user name or the password (WRONGPASS); put the right ones into the");
    assert!(ready.body.contains(&said), "{}", ready.body);
    assert!(!(wrong.log() + &wrong.cli(&["status"]).stdout + &ready.body).contains("wr0ng"));
    eventually("nobody came in", || users().is_empty());
    assert_ne!(get(wrong.http(), "www.example.com", "/").status, 200);
    drop(wrong);

    let portico = World::new().portico(&["--registry", &at("portico:s3cret")]);
    eventually("it is routed", || serves(&portico, "www.example.com"));
    eventually("it is nobody else", || !users().is_empty() && users().iter().all(|user| user == "portico"));
    assert!(!(portico.log() + &portico.does(&["status"])).contains("s3cret"));
}

#[test]
fn of_a_pair_the_first_is_read_and_the_second_is_written() {
    let (world, origin) = (World::new(), Origin::saying("served"));
    let primary = world.redis();
    let replica = crate::world::Redis::start_replica(&world.path("replica"), &primary);
    let pair = format!("{},{}", replica.url(), primary.url());
    let portico = world.portico_command(&[]).env("PORTICO_REGISTRY", &pair).start();

    primary.command(&["RPUSH", "frontend:www.example.com", "x", &origin.url()]);
    eventually("it is routed", || serves(&portico, "www.example.com"));
    portico.does(&["frontend", "add", "mine.example.com", &origin.url()]);

    assert_eq!(primary.command(&["LLEN", "frontend:mine.example.com"]), "2");
    assert!(serves(&portico, "mine.example.com"));
}

#[test]
fn a_replica_alone_is_followed_and_says_that_it_takes_no_writes() {
    let (world, origin) = (World::new(), Origin::saying("served"));
    let primary = world.redis();
    let replica = crate::world::Redis::start_replica(&world.path("replica"), &primary);
    let portico = world.portico(&["--registry", &replica.url()]);

    primary.command(&["RPUSH", "frontend:www.example.com", "x", &origin.url()]);

    eventually("it is routed", || serves(&portico, "www.example.com"));
    let refused = portico.cli(&["frontend", "add", "mine.example.com", &origin.url()]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("write to the registry's primary"), "{}", refused.stderr);
    assert!(portico.does(&["status"]).contains("read-only"), "{}", portico.does(&["status"]));
}
