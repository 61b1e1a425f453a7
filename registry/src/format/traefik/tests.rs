use super::*;
use crate::format::native;

fn gather(pairs: &[(&str, &str)]) -> Gathered {
    let pair = |(key, value): &(&str, &str)| (format!("traefik/http/{key}"), value.as_bytes().to_vec());
    read(pairs.iter().map(pair).collect())
}

fn written(gathered: &Gathered) -> Vec<String> {
    gathered.facts.iter().map(native::write_fact).collect()
}

#[test]
fn routers_and_services_become_frontends() {
    let gathered = gather(&[
        ("routers/web/rule", "Host(`www.example.com`) && PathPrefix(`/api`)"),
        ("routers/web/service", "api@redis"),
        ("routers/any/rule", "PathPrefix(`/`)"),
        ("routers/any/service", "web"),
        ("services/api/loadBalancer/servers/10/url", "http://10.0.0.3"),
        ("services/api/loadBalancer/servers/2/url", "http://10.0.0.2:8000/"),
        ("services/api/loadbalancer/servers/2/weight", "3"),
        ("services/api/loadBalancer/passHostHeader", "true"),
        ("services/web/loadBalancer/servers/0/url", "http://web"),
    ]);

    assert_eq!(
        written(&gathered),
        [
            r#"{"host":"*","backend":"web","endpoints":[{"url":"http://web:80"}]}"#,
            r#"{"host":"www.example.com","path":"/api","backend":"api","endpoints":[{"url":"http://10.0.0.2:8000","weight":3},{"url":"http://10.0.0.3:80"}]}"#,
        ]
    );
    assert_eq!((gathered.refused, gathered.ignored), (Vec::new(), Vec::new()));
}

#[test]
fn what_has_no_counterpart_is_named() {
    let gathered = gather(&[
        ("routers/a/rule", "Host(`a`)"),
        ("routers/a/service", "s"),
        ("routers/a/entrypoints/0", "web"),
        ("routers/b/rule", "Host(`b`)"),
        ("routers/b/service", "s"),
        ("routers/b/middlewares/0", "auth"),
        ("routers/c/rule", "Host(`c`) && Method(`GET`)"),
        ("routers/c/service", "s"),
        ("routers/d/rule", "Host(`d`)"),
        ("routers/d/service", "missing"),
        ("routers/e/rule", "Host(`a`)"),
        ("routers/e/service", "s"),
        ("routers/f/service", "s"),
        ("routers/g/rule", "Host(`g`)"),
        ("routers/g/service", "w"),
        ("services/s/loadBalancer/servers/0/url", "http://s"),
        ("services/s/loadBalancer/servers/1/url", "https://s"),
        ("services/s/loadBalancer/healthCheck/path", "/up"),
        ("services/w/weighted/services/0/name", "s"),
        ("middlewares/auth/basicAuth/users/0", "x"),
    ]);

    assert_eq!(written(&gathered), [r#"{"host":"a","backend":"s","endpoints":[{"url":"http://s:80"}]}"#]);
    let refused: Vec<String> =
        gathered.refused.iter().map(|r| format!("{}: {}", r.place, r.reason)).collect();
    for (line, part) in refused.iter().zip([
        "routers/a: `https://s`: scheme `https`",
        "routers/b: its middleware `auth`",
        "routers/c: its rule Host(`c`) && Method(`GET`): `Method` cannot",
        "routers/d: its service `missing`",
        "routers/e: `https://s`",
        "routers/f: it has no rule",
        "routers/g: service w is `weighted`",
        "frontend:a: it is stated more than once",
    ]) {
        assert!(line.contains(part), "{part}: {refused:#?}");
    }
    assert_eq!(refused.len(), 8, "{refused:#?}");
    let ignored: Vec<&str> = gathered.ignored.iter().map(|r| r.place.as_str()).collect();
    assert_eq!(
        ignored,
        [
            "traefik/http/middlewares/auth/basicAuth/users/0",
            "traefik/http/services/s/loadbalancer/healthcheck/path",
            "traefik/http/routers/a/entrypoints/0",
        ]
    );
}
