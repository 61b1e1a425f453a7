//! A real engine, and what only that can promise.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use control::runtime::docker::{Docker, Settings};
use control::runtime::{Container, ContainerState, Exec, Input, Progress, Runtime as _, RuntimeError};
use engine::{Engine, PASSWORD, Registry, USER};
use model::EngineUrl;
use model::launch::{Image, Resources, Signal, Volume};
use tokio::sync::{Notify, watch};

use crate::list::contract;
use crate::stand::{DEADLINE, GLUTTON, PRINTER, SICK, Stand, WEB, WELL, command};

fn docker(engine: &Engine, settings: Settings) -> Docker {
    Docker::open(&EngineUrl::parse(&engine.url()).unwrap(), settings).unwrap()
}

/// The images of the contract.
pub(crate) fn fill(engine: &Engine) {
    engine.web(WEB, "one").unwrap();
    let print = r#"CMD ["sh", "-c", "echo one; echo two; echo three; echo oops >&2; exit 3"]"#;
    engine.image(PRINTER, &[], print).unwrap();
    let eat = r#"CMD ["sh", "-c", "all=much; while true; do all=$all$all; done"]"#;
    engine.image(GLUTTON, &[], eat).unwrap();
    let check = |does: &str| {
        format!("HEALTHCHECK --interval=100ms --retries=1 CMD {does}\nCMD [\"sleep\", \"1000\"]")
    };
    engine.image(SICK, &[], &check("echo no page; false")).unwrap();
    engine.image(WELL, &[], &check("true")).unwrap();
}

/// The engine that tests share, with the images of the contract.
pub(crate) async fn filled() -> Arc<Engine> {
    // Starting it takes a while, in which nothing else on this thread would go on.
    let engine = tokio::task::spawn_blocking(|| {
        let engine = Engine::shared().unwrap();
        static FILLED: Mutex<Option<PathBuf>> = Mutex::new(None);
        let mut filled = FILLED.lock().unwrap_or_else(PoisonError::into_inner);
        if filled.as_ref() != Some(&engine.socket()) {
            fill(&engine);
            *filled = Some(engine.socket());
        }
        engine
    });
    engine.await.unwrap()
}

async fn stand() -> Stand {
    let engine = filled().await;
    Stand::new(Arc::new(docker(&engine, Settings::default())), engine)
}

contract!(stand().await);

/// What is served at a port of 127.0.0.1.
fn page(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or(text))
}

#[tokio::test]
async fn a_published_port_answers() {
    let stand = stand().await;
    let mut spec = stand.spec("a", WEB);
    spec.published = vec![(8080.try_into().unwrap(), model::Protocol::Tcp)];

    let id = stand.start(&spec).await;

    let served = |container: &Container| {
        container
            .published
            .first()
            .is_some_and(|port| page(port.outside.get()).is_ok_and(|text| text == "one"))
    };
    let container = stand.until(&id, served).await;
    assert_eq!(container.addresses.len(), 1, "{container:?}");
}

#[tokio::test]
async fn an_engine_is_told_all_that_a_spec_says() {
    let stand = stand().await;
    let engine = Engine::shared().unwrap();
    let mut spec = stand.spec("a", WEB);
    spec.command = Some(vec!["sleep".to_owned(), "1000".to_owned()]);
    spec.entrypoint = Some(vec!["env".to_owned()]);
    spec.environment = vec![("COLOUR".to_owned(), "a=b".to_owned())];
    (spec.user, spec.working_dir) = (Some("65534".to_owned()), Some("/www".to_owned()));
    spec.volumes = vec![Volume::new("contract-data", "/data", true).unwrap()];
    spec.resources = Resources::new(Some(250), Some(32 << 20)).unwrap();
    spec.max_processes = 17;
    spec.stop_signal = Some(Signal::parse("INT").unwrap());
    spec.capabilities = vec!["NET_ADMIN".to_owned()];
    (spec.resolvers, spec.search) = (vec!["10.9.8.7".parse().unwrap()], vec!["example.net".to_owned()]);

    let id = stand.start(&spec).await;

    let told = engine.ask("GET", &format!("/containers/{id}/json"), "", b"").unwrap();
    let told: serde_json::Value = serde_json::from_str(&told.text).unwrap();
    let check = |at: &str, expected: serde_json::Value| assert_eq!(told.pointer(at), Some(&expected), "{at}");
    check("/HostConfig/SecurityOpt", ["no-new-privileges"].into());
    check("/HostConfig/Init", true.into());
    check("/HostConfig/Privileged", false.into());
    check("/HostConfig/RestartPolicy/Name", "no".into());
    check("/HostConfig/PidsLimit", 17.into());
    check("/HostConfig/Memory", (32 << 20).into());
    check("/HostConfig/MemorySwap", (32 << 20).into());
    check("/HostConfig/NanoCpus", 250_000_000.into());
    check("/HostConfig/CapAdd", ["NET_ADMIN"].into());
    check("/HostConfig/Dns", ["10.9.8.7"].into());
    check("/HostConfig/DnsSearch", ["example.net"].into());
    check("/Mounts/0/Name", "contract-data".into());
    check("/Mounts/0/RW", false.into());
    check("/Config/User", "65534".into());
    check("/Config/WorkingDir", "/www".into());
    check("/Config/StopSignal", "SIGINT".into());
    check("/Config/Entrypoint", ["env"].into());
    check("/Config/Cmd", ["sleep", "1000"].into());
    let (printed, _) = stand.exec(&id, command(&["sh", "-c", "echo $COLOUR"]), vec![]).await.unwrap();
    assert_eq!(&printed[0].text[..], b"a=b\n");
    // The signal that it wants is the one it gets, when none is named.
    stand.runtime.signal(&id, None).await.unwrap();
    let ended = stand.until(&id, |container| matches!(container.state, ContainerState::Exited(_))).await;
    assert!(matches!(&ended.state, ContainerState::Exited(exit) if exit.code == 130), "{ended:?}");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let stand = stand().await;
    let mut spec = stand.spec("a", WEB);
    spec.entrypoint = Some(vec!["/no/such/file".to_owned()]);
    let mut lacks = stand.spec("b", WEB);
    lacks.volumes = vec![Volume::new("/no/such/folder", "/data", false).unwrap()];

    // The engine's init process starts, and does not find what it is to run.
    let id = stand.start(&spec).await;
    let refused = stand.runtime.create(&lacks).await;

    let ended = stand.until(&id, |container| matches!(container.state, ContainerState::Exited(_))).await;
    assert!(matches!(&ended.state, ContainerState::Exited(exit) if exit.code == 127), "{ended:?}");
    let Err(RuntimeError::Refused(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("/no/such/folder"), "{reason}");
}

#[tokio::test]
async fn a_terminal_has_the_size_it_is_given() {
    let stand = stand().await;
    let id = stand.run("a", WEB).await;
    let ask = "read go; stty size";
    let shell = Exec { terminal: true, input: true, ..command(&["sh", "-c", ask]) };
    let input = vec![Input::Size { rows: 33, columns: 111 }, Input::Octets("go\n".into())];

    let (printed, code) = stand.exec(&id, shell, input).await.unwrap();

    assert_eq!(code, 0);
    let text: Vec<u8> = printed.iter().flat_map(|line| line.text.to_vec()).collect();
    assert!(String::from_utf8_lossy(&text).contains("33 111"), "{printed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_ends_or_hangs_is_unreachable_and_the_same_runtime_reaches_it_again() {
    let engine = tokio::task::spawn_blocking(|| Engine::start().unwrap()).await.unwrap();
    let runtime = docker(&engine, Settings { timeout: Duration::from_secs(2), ..Settings::default() });
    let changed = Notify::new();
    let stop = async {
        changed.notified().await;
        tokio::task::block_in_place(|| engine.kill().unwrap());
        std::future::pending::<()>().await;
    };

    let follow = async {
        tokio::select! {
            why = runtime.follow(&changed) => why,
            () = stop => unreachable!("it never ends"),
        }
    };
    let why = tokio::time::timeout(DEADLINE, follow).await.expect("it ends with the engine");

    assert!(matches!(why, RuntimeError::Unreachable(_)), "{why}");
    let gone = runtime.list().await;
    assert!(matches!(gone, Err(RuntimeError::Unreachable(_))), "{gone:?}");
    engine.start_again().unwrap();
    assert_eq!(runtime.list().await, Ok(vec![]));
    engine.freeze().unwrap();
    let silent = runtime.list().await;
    assert!(matches!(silent, Err(RuntimeError::Unreachable(_))), "{silent:?}");
    engine.thaw().unwrap();
    assert_eq!(runtime.list().await, Ok(vec![]));
}

/// With what `docker login` keeps for a registry.
fn logged_in(folder: &Path, registry: &Registry) -> Settings {
    let login = folder.join("config.json");
    let entry = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let kept = serde_json::json!({ "auths": { registry.name(): { "auth": entry } } });
    std::fs::write(&login, kept.to_string()).unwrap();
    Settings { login: Some(login), ..Settings::default() }
}

#[tokio::test]
async fn an_image_is_sent_to_a_registry_with_the_credentials_that_are_kept_for_it() {
    let stand = stand().await;
    let engine = Engine::shared().unwrap();
    let registry = Registry::start().unwrap();
    engine.web("contract-sent:1", "of its own").unwrap();
    let there = format!("{}/contract-sent", registry.name());
    engine.ask("POST", &format!("/images/contract-sent:1/tag?repo={there}&tag=1"), "", b"").unwrap();
    let image = Image::parse(&format!("{there}:1")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let knows = docker(&engine, logged_in(folder.path(), &registry));
    let (progress, seen) = watch::channel(Progress::default());

    let refused = stand.runtime.push(&image, &progress).await;
    let sent = knows.push(&image, &progress).await;

    assert!(
        matches!(&refused, Err(RuntimeError::Refused(reason)) if reason.contains("docker login")),
        "{refused:?}"
    );
    assert_eq!(sent, Ok(()));
    let seen = *seen.borrow();
    assert!(seen.of > 0 && seen.done == seen.of, "{seen:?}");
    engine.ask("DELETE", &format!("/images/{image}"), "", b"").unwrap();
    assert_eq!(knows.pull(&image, &progress).await, Ok(()));
}

#[tokio::test]
async fn an_image_is_fetched_from_a_registry_with_the_credentials_that_are_kept_for_it() {
    let stand = stand().await;
    let engine = Engine::shared().unwrap();
    let registry = Registry::start().unwrap();
    engine.web("contract-pushed:1", "of its own").unwrap();
    let image = Image::parse(&engine.push("contract-pushed:1", &registry).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let knows = docker(&engine, logged_in(folder.path(), &registry));
    let (progress, seen) = watch::channel(Progress::default());

    let refused = stand.runtime.pull(&image, &progress).await;
    let fetched = knows.pull(&image, &progress).await;

    let Err(RuntimeError::NoImage { reason, .. }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("docker login"), "{reason}");
    assert_eq!(fetched, Ok(()));
    let seen = *seen.borrow();
    assert_eq!(seen.done, seen.of);
    // By its digest it is there, and nobody is asked for it again.
    let digest = knows.image(&image).await.unwrap().unwrap();
    let pinned = Image::parse(&format!("{}@{digest}", image.name())).unwrap();
    assert_eq!(stand.runtime.pull(&pinned, &progress).await, Ok(()));
    stand.run("pinned", pinned.as_str()).await;
    // What a registry does not have is named with the remedy.
    let other = Image::parse(&format!("{}:2", image.name())).unwrap();
    let missing = knows.pull(&other, &progress).await;
    assert!(
        matches!(&missing, Err(RuntimeError::NoImage { reason, .. }) if reason.contains("push it")),
        "{missing:?}"
    );
}
