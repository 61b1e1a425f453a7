//! Images are sent to a registry, fetched from it, and told.

use base64::Engine as _;
use engine::{Authority, Engine, PASSWORD, Registry, USER};

use crate::world::{Fleet, World, get, portico};

fn web(image: &str) -> String {
    format!(
        "---\nkind: service\nname: web\nimage: {image}\nports: [{{name: http, port: 8080}}]\n\
         heartbeat: {{kind: http, port: http, path: /, interval_ms: 500}}\n\
         ---\nkind: frontend\nhost: web.example.com\nservice: {{name: web}}\n"
    )
}

/// What `docker login` keeps for a registry, as a file in a folder of its own.
fn logged_in(registry: &Registry) -> World {
    let world = World::new();
    let entry = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let kept = serde_json::json!({ "auths": { registry.name(): { "auth": entry } } });
    world.write("config.json", &kept.to_string());
    world
}

/// Makes an image that is called as a registry's is; its name with its tag.
fn tagged(engine: &Engine, short: &str, registry: &Registry) -> String {
    let there = format!("{}/{short}", registry.name());
    engine.web(&format!("{there}:1"), "of a registry").unwrap();
    format!("{there}:1")
}

fn forget(engine: &Engine, image: &str) {
    let answer = engine.ask("DELETE", &format!("/images/{image}?force=true"), "", b"").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn an_image_is_sent_to_a_registry_and_launched_from_there_by_its_tag_and_by_its_digest() {
    let registry = Registry::start().unwrap();
    let login = logged_in(&registry);
    let path = login.path("config.json").display().to_string();
    let fleet = Fleet::with(Engine::shared().unwrap(), &[("PORTICO_CONTROL__LOGIN", &path)]);
    let image = tagged(&fleet.engine, "pushed-web", &registry);

    let said = fleet.portico.does(&["image", "push", &image, "--host", "one"]);
    forget(&fleet.engine, &image);
    fleet.apply(&web(&image));
    fleet.settles("web", 1);
    let digest = fleet.instances("web")[0]["run"]["image"].as_str().unwrap().to_owned();
    let listed = fleet.portico.does(&["image", "ls", "--host", "one"]);
    let page = get(fleet.portico.http(), "web.example.com", "/").body;
    let pinned = format!("{}@{digest}", image.strip_suffix(":1").unwrap());
    fleet.portico.does(&["deploy", "web", "--image", &pinned, "--wait", "--timeout", "1m"]);

    assert!(said.ends_with(&format!("{image}: sent ({digest})\n")), "{said} {digest}");
    let words: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(words, ["web", &image, &digest, "1", "one"]);
    assert_eq!(page.trim(), "of a registry");
    fleet.settles("web", 1);
    assert_eq!(fleet.instances("web")[0]["run"]["image"], *digest);
}

#[test]
fn a_registry_tells_its_images_to_a_user_and_an_image_that_cannot_be_sent_is_named() {
    let registry = Registry::start().unwrap();
    let login = logged_in(&registry);
    let path = login.path("config.json").display().to_string();
    let fleet = Fleet::with(Engine::shared().unwrap(), &[("PORTICO_CONTROL__LOGIN", &path)]);
    let image = tagged(&fleet.engine, "listed-web", &registry);
    let list = |of: &str, folder: &str| {
        portico(&["image", "ls", "--registry", of]).env("DOCKER_CONFIG", folder).finish()
    };
    let (folder, name) = (login.folder().display().to_string(), registry.name());

    let none = list(&name, &folder);
    fleet.portico.does(&["image", "push", &image, "--host", "one"]);
    let all = list(&name, &folder);
    let one = list(&format!("{name}/listed-web"), &folder);
    let other = list(&format!("{name}/other"), &folder);
    let stranger = list(&name, "/nonexistent");
    let missing = fleet.portico.cli(&["image", "push", &format!("{name}/missing:1"), "--host", "one"]);
    let nowhere = fleet.portico.cli(&["image", "push", &image, "--host", "two"]);

    assert!(none.stdout.contains("has no images"), "{none:?}");
    let row = format!("{name}/listed-web  1\n");
    assert!(all.stdout.ends_with(&row) && one.stdout.ends_with(&row), "{all:?} {one:?}");
    for (refused, reason) in [
        (other, "has no image other"),
        (stranger, "`docker login"),
        (missing, "the engine does not have it"),
        (nowhere, "there is no host two"),
    ] {
        assert!(refused.code == Some(1) && refused.stderr.contains(reason), "{refused:?}");
    }
}

/// What `docker` keeps of an authority, beside what it keeps of who logged in.
fn trusts(login: &World, registry: &Registry, authority: &Authority) {
    let folder = login.path(&format!("certs.d/{}", registry.name()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(authority.file(), folder.join("ca.crt")).unwrap();
}

#[test]
fn an_image_is_sent_to_a_registry_with_tls_fetched_from_there_and_listed_with_its_authority() {
    let authority = Authority::new().unwrap();
    let own = authority.sign("registry", "IP:127.0.0.1").unwrap();
    let registry = Registry::start_tls("127.0.0.1", &own).unwrap();
    let (login, stranger) = (logged_in(&registry), logged_in(&registry));
    trusts(&login, &registry, &authority);
    trusts(&stranger, &registry, &Authority::new().unwrap());
    let path = login.path("config.json").display().to_string();
    let fleet = Fleet::with(Engine::shared().unwrap(), &[("PORTICO_CONTROL__LOGIN", &path)]);
    let image = tagged(&fleet.engine, "secure-web", &registry);
    let list = |folder: &World| {
        let folder = folder.folder().display().to_string();
        portico(&["image", "ls", "--registry", &registry.name()]).env("DOCKER_CONFIG", &folder).finish()
    };

    fleet.portico.does(&["image", "push", &image, "--host", "one"]);
    forget(&fleet.engine, &image);
    fleet.apply(&web(&image));
    fleet.settles("web", 1);
    let (listed, refused, plain) = (list(&login), list(&stranger), list(&logged_in(&registry)));

    let row = format!("{}/secure-web  1\n", registry.name());
    assert!(listed.stdout.ends_with(&row), "{listed:?}");
    let remedy = format!("certs.d/{}/ca.crt", registry.name());
    for refused in [refused, plain] {
        assert!(refused.code == Some(1) && refused.stderr.contains(&remedy), "{refused:?}");
    }
}

#[test]
fn a_registry_whose_authority_the_engine_does_not_have_is_named_with_the_remedy() {
    let fleet = Fleet::new();
    let told = fleet.engine.ask("GET", "/networks/bridge", "", b"").unwrap();
    let told: serde_json::Value = serde_json::from_str(&told.text).unwrap();
    // Of an address that is not the loopback's an engine wants to know whose it is.
    let address = told["IPAM"]["Config"][0]["Gateway"].as_str().unwrap();
    let authority = Authority::new().unwrap();
    let own = authority.sign("registry", &format!("IP:{address}")).unwrap();
    let registry = Registry::start_tls(address, &own).unwrap();
    let image = tagged(&fleet.engine, "unknown-web", &registry);

    let refused = fleet.portico.cli(&["image", "push", &image, "--host", "one"]);

    assert!(refused.code == Some(1) && refused.stderr.contains("x509: "), "{refused:?}");
    assert!(refused.stderr.contains("/etc/docker/certs.d/REGISTRY/ca.crt"), "{refused:?}");
}
