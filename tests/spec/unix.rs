//! Endpoints at Unix sockets: where the operator allows them, by every way in, and nowhere else.

use crate::world::{self, Portico, World, eventually, get};

/// portico with this configuration file, which allows sockets below `folders`.
fn allowing(world: &World, folders: &str, arguments: &[&str]) -> Portico {
    world.write("portico.toml", &format!("[upstream]\nunix = [{folders}]\n"));
    let file = world.path("portico.toml").display().to_string();
    world.portico(&[&["--config", &file], arguments].concat())
}

#[test]
fn no_socket_is_an_endpoint_until_its_folder_is_allowed() {
    let world = World::new();
    let nginx = world.nginx("by-socket");
    let portico = allowing(&world, "", &[]);
    let added = portico.does(&["frontend", "add", "www.example.com", &format!("http://{}", nginx.socket())]);
    assert!(added.contains(nginx.socket()), "shown in one spelling: {added}");

    let reply = get(portico.http(), "www.example.com", "/");

    assert_eq!((reply.status, reply.body.as_str()), (502, "backend is invalid"));
    let explained = portico.does(&["explain", "www.example.com"]);
    assert!(explained.contains("out: refused: a Unix socket in no folder of upstream.unix"), "{explained}");
    let verified = portico.cli(&["verify"]);
    assert_eq!(verified.code, Some(1));
    assert!(verified.stdout.contains("name its folder in upstream.unix"), "{}", verified.stdout);

    let folder =
        nginx.socket().strip_prefix("unix:").and_then(|path| path.strip_suffix("nginx.sock")).unwrap();
    world.write("portico.toml", &format!("[upstream]\nunix = [\"{folder}\"]\n"));
    portico.signal("HUP");
    eventually("its folder is allowed", || get(portico.http(), "www.example.com", "/").body == "by-socket");
    let headers = get(portico.http(), "www.example.com", "/headers").body;
    assert_eq!(headers, "www.example.com|127.0.0.1|127.0.0.1");
    eventually("all is well", || portico.cli(&["verify"]).code == Some(0));
}

#[test]
fn lists_of_hipache_exports_and_imports_have_sockets_too() {
    let world = World::new();
    let (redis, nginx) = (world.redis(), world.nginx("by-socket"));
    let folders = format!("\"{}\"", world.folder().display());
    redis.command(&["RPUSH", "frontend:list.example.com", "web", nginx.socket()]);
    let on_redis = allowing(&world, &folders, &["--registry", &redis.url()]);
    on_redis.does(&["frontend", "add", "native.example.com", nginx.socket(), "--balance", "random"]);
    for host in ["list.example.com", "native.example.com"] {
        assert_eq!(get(on_redis.http(), host, "/").body, "by-socket", "{host}");
    }
    let file = world.path("facts.json").display().to_string();
    on_redis.does(&["export", &file]);

    let other = World::new();
    let embedded = allowing(&other, &folders, &[]);
    embedded.does(&["import", &file]);

    for host in ["list.example.com", "native.example.com"] {
        assert_eq!(get(embedded.http(), host, "/").body, "by-socket", "{host}");
    }
}

#[test]
fn a_socket_that_is_gone_is_out_and_the_next_endpoint_answers() {
    let world = World::new();
    let nginx = world.nginx("by-socket");
    let portico = allowing(&world, &format!("\"{}\"", world.folder().display()), &[]);
    let gone = format!("unix:{}", world.path("gone.sock").display());
    portico.does(&["frontend", "add", "www.example.com", &gone, nginx.socket()]);

    for _ in 0..10 {
        assert_eq!(get(portico.http(), "www.example.com", "/").body, "by-socket");
    }

    let explained = portico.does(&["explain", "www.example.com"]);
    assert!(explained.lines().any(|line| line.contains(&gone) && line.contains("out:")), "{explained}");
}

#[test]
fn a_path_that_is_none_is_refused_where_it_is_written() {
    let world = World::new();
    let portico = world.portico(&[]);
    for (url, why) in [
        ("unix:run/app.sock", "begins with `/`"),
        ("unix:/run/../etc/app.sock", "no `..`"),
        ("unix:/run/app.sock%00", "letters, digits"),
        ("unix:@app", "begins with `/`"),
    ] {
        let added = portico.cli(&["frontend", "add", "www.example.com", url]);

        assert_eq!(added.code, Some(1), "{url}");
        assert!(added.stderr.contains(why), "{url}: {}", added.stderr);
    }
    let file = world.write("wrong.toml", "[upstream]\n\nunix = [\"run/apps\"]\n");
    let checked = world::portico(&["check", "--config", file.to_str().unwrap()]).finish();
    assert!(
        checked.stderr.contains(":3: `upstream.unix` has run/apps, but folders begin with `/`"),
        "{}",
        checked.stderr
    );
}
