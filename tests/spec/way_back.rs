//! The way back: what differs, what was, and copies of it all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::world::{Origin, World, eventually, get, until};

#[test]
fn what_is_exported_and_imported_elsewhere_is_routed_the_same() {
    let (here, there) = (World::new(), World::new());
    let (one, two) = (here.portico(&[]), there.portico(&[]));
    let origins = ["exact", "api", "any"].map(Origin::saying);
    for (frontend, origin) in ["www.example.com", "www.example.com/api", "*"].into_iter().zip(&origins) {
        one.does(&["frontend", "add", frontend, &origin.url(), "--weight", "3"]);
    }
    let file = here.path("facts.json").display().to_string();

    one.does(&["export", &file]);
    let said = two.does(&["import", &file]);

    assert!(said.contains("imported: 3 added"), "{said}");
    for (host, path, body) in
        [("www.example.com", "/", "exact"), ("www.example.com", "/api/x", "api"), ("a.org", "/", "any")]
    {
        for portico in [&one, &two] {
            eventually("it is routed", || get(portico.http(), host, path).body == body);
        }
    }
    let facts = |text: String| text.split_once("\"frontends\"").unwrap().1.to_owned();
    assert_eq!(facts(one.does(&["export"])), facts(two.does(&["export"])));
    let again = two.does(&["import", &file, "--replace"]);
    assert!(again.contains("3 unchanged (nothing to be done"), "{again}");
}

#[test]
fn a_bad_change_is_rolled_back_and_the_way_back_is_in_the_history() {
    let world = World::new();
    let redis = world.redis();
    let on_redis = redis.url();
    for arguments in [&[][..], &["--registry", &on_redis]] {
        let portico = world.portico(arguments);
        eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
        let good = Origin::saying("good");
        let answers = |status: u16, body: &str| {
            let reply = get(portico.http(), "www.example.com", "/");
            (reply.status, reply.body.as_str()) == (status, body)
                || (reply.status == status && body.is_empty())
        };
        portico.does(&["frontend", "add", "www.example.com", &good.url()]);
        portico.does(&["frontend", "add", "www.example.com", "http://127.0.0.1:1", "--replace"]);
        portico.does(&["frontend", "add", "new.example.com", &good.url()]);
        eventually("it is broken", || answers(502, ""));

        let diff = portico.does(&["diff", "1"]);
        let dry = portico.does(&["rollback", "1", "--dry-run"]);
        let unchanged = portico.does(&["status"]);
        let said = portico.does(&["rollback", "1", "--only", "frontends"]);

        assert!(diff.contains(&format!("-{} +http://127.0.0.1:1", good.url())), "{diff}");
        assert!(dry.contains("nothing was written") && unchanged.contains('3'), "{dry}{unchanged}");
        assert!(said.contains("0 added, 1 changed, 1 removed"), "{said}");
        eventually("it serves again", || answers(200, "good"));
        assert_eq!(get(portico.http(), "new.example.com", "/").status, 400);
        let history = portico.does(&["history"]);
        assert!(history.contains("rollback to 1 by cli:"), "{history}");

        portico.does(&["rollback", "3"]);
        eventually("it is broken again", || answers(502, ""));
        assert_eq!(get(portico.http(), "new.example.com", "/").body, "good");
    }
}

#[test]
fn a_revision_that_is_older_than_the_history_is_refused_with_the_oldest() {
    let world = World::new();
    let portico = world.portico_command(&[]).env("PORTICO_REGISTRY__HISTORY", "2").start();
    for n in 1..=4 {
        portico.does(&["frontend", "add", &format!("h{n}"), "http://127.0.0.1:1"]);
    }

    for command in [&["diff", "1"][..], &["rollback", "1"]] {
        let finished = portico.cli(command);
        assert_eq!(finished.code, Some(1), "{}", finished.stdout);
        let remedy = "which goes back to revision 2; name 2 or a later one";
        assert!(finished.stderr.contains(remedy), "{}", finished.stderr);
    }
    assert!(portico.does(&["diff", "2"]).contains("h3"));
}

#[test]
fn a_backup_made_while_writes_go_on_opens_and_holds_what_was_acknowledged_before_it() {
    let world = World::new();
    let portico = world.portico(&[]);
    let origin = Origin::saying("kept");
    portico.does(&["frontend", "add", "first.example.com", &origin.url()]);
    let acknowledged = AtomicUsize::new(0);
    let path = world.path("copy.redb").display().to_string();

    let before = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..12 {
                portico.does(&["frontend", "add", &format!("h{n}.example.com"), &origin.url()]);
                acknowledged.store(n + 1, Ordering::SeqCst);
            }
        });
        until("some are written", || (acknowledged.load(Ordering::SeqCst) >= 3).then_some(()));
        let before = acknowledged.load(Ordering::SeqCst);
        portico.does(&["backup", &path]);
        writer.join().unwrap();
        before
    });

    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let elsewhere = World::new();
    let copy = elsewhere.portico(&["--registry", &format!("embedded:{path}")]);
    eventually("it serves", || get(copy.http(), "first.example.com", "/").body == "kept");
    let holds = |n: usize| get(copy.http(), &format!("h{n}.example.com"), "/").status == 200;
    let held = (0..12).take_while(|n| holds(*n)).count();
    assert!(held >= before, "{held} of {before} acknowledged before it");
    assert!((held..12).all(|n| !holds(n)), "a prefix");
    let revision = held + 1;
    let next = copy.does(&["frontend", "add", "next.example.com", &origin.url()]);
    assert!(next.contains(&format!("revision {}", revision + 1)), "{next} behind {revision}");
    let history = copy.does(&["history", "--limit", "100"]);
    assert!(history.contains("first.example.com"), "{history}");
}

#[test]
fn a_redis_is_backed_up_by_its_own_means() {
    let world = World::new();
    let redis = world.redis();
    let portico = world.portico(&["--registry", &redis.url()]);
    let path = world.path("copy").display().to_string();

    let finished = portico.cli(&["backup", &path]);

    assert_eq!(finished.code, Some(1));
    for part in ["redis-cli --rdb", "portico export"] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
    assert!(std::fs::read_dir(world.folder()).unwrap().flatten().all(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        !name.contains("copy")
    }));
}

#[test]
fn hipaches_lists_are_imported_from_their_redis() {
    let world = World::new();
    let redis = world.redis();
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    redis.command(&["RPUSH", "frontend:www.example.com", "web", &one.url()]);
    redis.command(&["RPUSH", "frontend:*.example.com", "any", &two.url(), &two.url()]);
    redis.command(&["RPUSH", "frontend:www.example.com:8080", "web", &two.url()]);
    redis.command(&["RPUSH", "frontend:*.example.com:8080", "web", &one.url()]);
    redis.command(&["HSET", "healthcheck:www.example.com", "path", "/up"]);
    let portico = world.portico(&[]);
    let import = ["import", "--from", &redis.url()];

    let refused = portico.cli(&import);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("a port is only allowed behind a whole host"), "{}", refused.stderr);
    assert_eq!(get(portico.http(), "www.example.com", "/").status, 400, "all or nothing");
    let finished = portico.cli(&[&import[..], &["--keep-going"]].concat());

    assert_eq!(finished.code, Some(1), "something was not taken in");
    assert!(finished.stdout.contains("imported: 3 added"), "{}", finished.stdout);
    let shown = portico.does(&["frontend", "show", "www.example.com"]);
    assert!(shown.contains("http GET /up, status any"), "{shown}");
    eventually("it is routed", || get(portico.http(), "www.example.com", "/").body == "one");
    assert_eq!(get(portico.http(), "x.example.com", "/").body, "two");
    assert_eq!(get(portico.http(), "www.example.com:8080", "/").body, "two");
    let shown = portico.does(&["frontend", "show", "*.example.com"]);
    assert!(shown.contains(&two.url()) && shown.contains('2'), "{shown}");
    assert!(portico.does(&["history"]).contains("import by cli:"));
}

#[test]
fn what_nobody_saw_is_not_guessed_by_a_rollback() {
    let world = World::new();
    let redis = world.redis();
    let origin = Origin::saying("there all along");
    redis.command(&["RPUSH", "frontend:old.example.com", "x", &origin.url()]);
    let portico = world.portico(&["--registry", &redis.url()]);
    eventually("it is routed", || get(portico.http(), "old.example.com", "/").status == 200);
    portico.does(&["frontend", "add", "new.example.com", &origin.url()]);

    let refused = portico.cli(&["rollback", "0"]);
    let said = portico.does(&["rollback", "0", "--keep-unknown"]);

    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("nobody saw what old.example.com said"), "{}", refused.stderr);
    assert!(said.contains("0 added, 0 changed, 1 removed"), "{said}");
    eventually("the other is gone", || get(portico.http(), "new.example.com", "/").status == 400);
    assert_eq!(get(portico.http(), "old.example.com", "/").body, "there all along");
}

#[test]
fn what_is_too_much_for_one_write_is_written_in_parts_only_when_told_to() {
    let world = World::new();
    let redis = world.redis();
    let portico = world.portico(&["--registry", &redis.url()]);
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    let frontends: Vec<String> =
        (0..1001).map(|n| format!(r#"{{"host":"h{n}","endpoints":["http://127.0.0.1:1"]}}"#)).collect();
    let text = format!(r#"{{"format":"portico.facts","version":1,"frontends":[{}]}}"#, frontends.join(","));
    let file = world.write("facts.json", &text).display().to_string();

    let refused = portico.cli(&["import", &file]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("say --keep-going"), "{}", refused.stderr);
    assert_eq!(redis.command(&["DBSIZE"]).parse::<u32>().unwrap_or(0) / 1000, 0, "nothing was written");
    let said = portico.does(&["import", &file, "--keep-going"]);
    assert!(said.contains("imported: 1001 added") && said.contains("in 2 parts"), "{said}");

    let refused = portico.cli(&["rollback", "0"]);
    assert!(refused.stderr.contains("say --in-parts"), "{}", refused.stderr);
    assert_eq!(get(portico.http(), "h1000", "/").status, 502, "nothing was rolled back");
    let said = portico.does(&["rollback", "0", "--in-parts"]);

    assert!(said.contains("1001 removed") && said.contains("in 2 parts"), "{said}");
    eventually("all are gone", || get(portico.http(), "h1000", "/").status == 400);
}
