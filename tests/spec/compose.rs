//! Compose files, applied as facts.

use crate::world::World;

const FILE: &str = "\
name: shop
services:
  web:
    image: shop/web:${TAG:-1}
    container_name: web
    ports: [\"80:8080\"]
    environment: {DATABASE: db}
    depends_on: {db: {condition: service_healthy}}
    deploy: {replicas: 3}
    labels: {portico.frontend: www.example.com}
  db:
    image: db:1
    env_file: db.env
    volumes: [\"data:/var/lib/db\"]
    healthcheck: {test: [CMD, ready], interval: 5s}
volumes:
  data:
";

#[test]
fn a_compose_file_is_applied_and_what_has_no_meaning_here_is_named() {
    let world = World::new();
    let portico = world.portico(&[]);
    world.write("db.env", "# of the database\nSIZE=\"small\"\n");
    world.write(".env", "TAG=2\n");
    let file = world.write("compose.yaml", FILE).display().to_string();
    let unsafe_file = FILE.replace("    container_name: web\n", "    privileged: true\n");
    let unsafe_file = world.write("unsafe.yaml", &unsafe_file).display().to_string();

    let refused = portico.cli(&["apply", "--compose", &unsafe_file]);
    let applied = portico.cli(&["apply", "--compose", &file]);
    let again = portico.does(&["apply", "--compose", &file, "--dry-run", "--json"]);

    assert_eq!((refused.code, applied.code), (Some(1), Some(0)), "{}", applied.stderr);
    assert!(refused.stderr.contains("services.web.privileged: it would give"), "{}", refused.stderr);
    assert!(applied.stdout.contains("3 added"), "{}", applied.stdout);
    for note in
        ["note: services.web.container_name: has no meaning here", "note: services.web.ports[0]: has no"]
    {
        assert!(applied.stderr.contains(note), "{}", applied.stderr);
    }
    assert!(again.contains(r#""unchanged": 3"#) && again.contains("container_name"), "{again}");
    let web = portico.does(&["service", "show", "web", "--json"]);
    for part in [r#""image": "shop/web:2""#, r#""instances": 3"#, r#""db": "healthy""#, r#""port": 8080"#] {
        assert!(web.contains(part), "{part}: {web}");
    }
    let db = portico.does(&["service", "show", "db", "--json"]);
    for part in [r#""SIZE": "small""#, r#""source": "shop_data""#, r#""interval_ms": 5000"#] {
        assert!(db.contains(part), "{part}: {db}");
    }
    assert!(portico.does(&["frontend", "show", "www.example.com"]).contains("service web"));
}
