//! An engine over TCP: with TLS, as `dockerd --tlsverify` wants it, and never without unless that is allowed by name.

use std::path::Path;

use control::runtime::docker::{Docker, Settings, Tls};
use control::runtime::{Runtime, RuntimeError};
use engine::{Authority, Certificate, Engine, Registry};
use model::EngineUrl;

use crate::docker::fill;
use crate::list;
use crate::stand::Stand;

const HERE: &str = "IP:127.0.0.1";

fn url(host: &str, port: u16) -> EngineUrl {
    EngineUrl::parse(&format!("tcp://{host}:{port}")).unwrap()
}

fn with(authority: &Path, own: &Certificate) -> Settings {
    let (certificate, key) = (own.certificate.clone(), own.key.clone());
    let tls = Tls { authority: authority.to_owned(), certificate, key };
    Settings { tls: Some(tls), ..Settings::default() }
}

/// What is said of an engine that cannot be reached; it names the engine.
async fn said(url: &EngineUrl, settings: Settings) -> String {
    let listed = Docker::open(url, settings).unwrap().list().await;
    let Err(RuntimeError::Unreachable(text)) = listed else { panic!("{listed:?}") };
    assert!(text.starts_with(&url.to_string()), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_wants_tls_is_reached_with_a_certificate_and_what_is_wrong_is_named_with_the_remedy() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let (server, client) = (authority.sign("server", HERE).unwrap(), authority.sign("client", HERE).unwrap());
    let (engine, port) = Engine::start_tls(&authority, &server).unwrap();
    fill(&engine);
    let here = url("127.0.0.1", port);
    let stand = || {
        let docker = Docker::open(&here, with(&authority.file(), &client)).unwrap();
        Stand::new(std::sync::Arc::new(docker), ())
    };

    list::an_engine_says_what_it_is_and_has(stand()).await;
    list::a_started_container_runs_and_starting_it_again_changes_nothing(stand()).await;
    list::logs_tell_output_from_errors_and_begin_at_the_tail(stand()).await;
    list::a_command_reads_its_input_to_the_end(stand()).await;
    list::what_happens_is_heard(stand()).await;

    let unknown = said(&here, with(&other.file(), &client)).await;
    let named = said(&url("localhost", port), with(&authority.file(), &client)).await;
    let stranger = other.sign("client", HERE).unwrap();
    let refused = said(&here, with(&authority.file(), &stranger)).await;
    let old = authority.sign_expired("old", HERE).unwrap();
    let late = said(&here, with(&authority.file(), &old)).await;
    let nowhere = said(&here, with(Path::new("/nonexistent/ca.pem"), &client)).await;
    let plain = said(&here, Settings { plain: vec![here.clone()], ..Settings::default() }).await;

    let file = other.file().display().to_string();
    for (said, parts) in [
        (unknown, [&*file, "control.tls_ca"]),
        (named, ["not for `localhost`", "subjectAltName"]),
        (refused, ["does not accept our certificate", "control.tls_cert"]),
        (late, ["does not accept our certificate", "control.tls_cert"]),
        (nowhere, ["/nonexistent/ca.pem", "needs a PEM file"]),
        (plain, ["it wants TLS", "control.tls_ca"]),
    ] {
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_certificate_has_expired_or_that_does_not_speak_tls_is_named_with_the_remedy() {
    let authority = Authority::new().unwrap();
    let (old, client) =
        (authority.sign_expired("old", HERE).unwrap(), authority.sign("client", HERE).unwrap());
    let (_engine, port) = Engine::start_tls(&authority, &old).unwrap();
    let registry = Registry::start().unwrap();
    let plain = EngineUrl::parse(&format!("tcp://{}", registry.name())).unwrap();

    let expired = said(&url("127.0.0.1", port), with(&authority.file(), &client)).await;
    let speaks_none = said(&plain, with(&authority.file(), &client)).await;

    assert!(expired.contains("has expired; renew it"), "{expired}");
    assert!(speaks_none.contains("does not speak TLS; start it with --tlsverify"), "{speaks_none}");
}

#[test]
fn no_engine_is_spoken_to_over_tcp_in_plain_unless_it_is_allowed_by_name() {
    let (allowed, other) = (url("127.0.0.1", 2375), url("10.0.0.2", 2375));
    let settings = Settings { plain: vec![allowed.clone()], ..Settings::default() };

    let opened = Docker::open(&allowed, settings.clone());
    let refused = Docker::open(&other, settings).map(drop);

    assert!(opened.is_ok());
    let Err(RuntimeError::Refused(reason)) = refused else { panic!("{refused:?}") };
    for part in ["tcp://10.0.0.2:2375", "without TLS", "control.tls_ca", "control.plain_engines"] {
        assert!(reason.contains(part), "{reason}");
    }
}
