//! An engine that takes every connection, and says nothing there any more.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use control::runtime::docker::{Docker, Settings};
use control::runtime::{Exec, LogQuery, Progress, Runtime, RuntimeError};
use model::EngineUrl;
use model::launch::Image;
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc, watch};

/// How long a call may take; what is not bounded would take the whole of a test's time.
const LIMIT: Duration = Duration::from_millis(200);

/// An engine that says its version, and nothing else.
fn hung() -> (TempDir, Docker) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    // It ends with the test's process.
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            kept.extend(stream.ok().and_then(|stream| answer(stream).ok()));
        }
    });
    let url = EngineUrl::parse(&format!("unix://{}", path.display())).unwrap();
    let settings = Settings { timeout: LIMIT, ..Settings::default() };
    (folder, Docker::open(&url, settings).unwrap())
}

/// The connection, which is not to be closed.
fn answer(mut stream: UnixStream) -> std::io::Result<UnixStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet)?;
        head.extend(octet);
    }
    if head.starts_with(b"GET /version ") {
        let version = r#"{"ApiVersion":"1.41"}"#;
        let length = version.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{version}"
        )?;
    }
    Ok(stream)
}

fn check<T: std::fmt::Debug>(call: &str, answer: Result<T, RuntimeError>) {
    let Err(RuntimeError::Unreachable(why)) = answer else { panic!("{call}: {answer:?}") };
    assert!(why.ends_with("docker.sock: no answer in time"), "{call}: {why}");
}

#[tokio::test]
async fn what_is_asked_of_an_engine_that_hangs_ends_in_time() {
    let (_folder, docker) = hung();
    let (lines, _read) = mpsc::channel(1);
    let (_typed, input) = mpsc::channel(1);

    let about = docker.about().await;
    let list = docker.list().await;
    let followed = LogQuery { follow: true, ..LogQuery::default() };
    let logs = docker.logs("a", followed, lines.clone()).await;
    let heard = docker.follow(&Notify::new()).await;
    let exec = docker.exec("a", Exec::default(), input, lines).await;

    check("about", about);
    check("list", list);
    check("logs", logs);
    check("follow", Err::<(), _>(heard));
    check("exec", exec);
}

#[tokio::test]
async fn an_image_is_not_waited_for_from_an_engine_that_hangs() {
    let (_folder, docker) = hung();
    let image = Image::parse("127.0.0.1:1/web:1").unwrap();
    let (progress, _) = watch::channel(Progress::default());
    // Its version is known from now on: what follows is not held up by that.
    check("about", docker.about().await);
    tokio::time::pause();

    let begun = tokio::time::Instant::now();
    let pulled = docker.pull(&image, &progress).await;
    let sent = docker.push(&image, &progress).await;

    check("pull", pulled);
    check("push", sent);
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
}
