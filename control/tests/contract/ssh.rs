//! An engine behind a real `sshd`: what it promises otherwise, and what goes wrong on the way.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use control::runtime::docker::{Docker, Settings};
use control::runtime::{Runtime as _, RuntimeError};
use engine::Sshd;
use futures_util::future::join_all;
use model::EngineUrl;
use tokio::sync::Notify;

use crate::docker::filled;
use crate::list::contract;
use crate::stand::{DEADLINE, Stand, WEB};

fn docker(sshd: &Sshd, config: PathBuf) -> Docker {
    let settings = Settings { ssh_config: Some(config), ..Settings::default() };
    Docker::open(&EngineUrl::parse(&sshd.url()).unwrap(), settings).unwrap()
}

async fn stand() -> Stand {
    let engine = filled().await;
    let sshd = Sshd::start(&engine).unwrap();
    Stand::new(Arc::new(docker(&sshd, sshd.config().unwrap())), (engine, sshd))
}

// Each call begins a shell: these alone differ by the way.
contract!(stand().await;
    a_started_container_runs_and_starting_it_again_changes_nothing,
    an_image_that_is_not_there_is_not_sent,
    logs_tell_output_from_errors_and_begin_at_the_tail,
    a_command_reads_its_input_to_the_end,
    what_happens_is_heard,
);

/// What is said of an engine that cannot be reached; soon, for nobody waits for a password.
async fn said(runtime: &Docker) -> String {
    let began = Instant::now();
    let listed = runtime.list().await;
    let Err(RuntimeError::Unreachable(text)) = listed else { panic!("{listed:?}") };
    assert!(began.elapsed() < Settings::default().timeout, "{text}");
    text
}

#[tokio::test]
async fn an_sshd_that_is_not_known_or_does_not_let_in_is_named_with_the_remedy_and_nobody_is_asked() {
    let sshd = Sshd::start(&*filled().await).unwrap();
    let knows = docker(&sshd, sshd.config().unwrap());
    let stranger = docker(&sshd, sshd.config_of_a_stranger().unwrap());

    let refused = said(&stranger).await;
    sshd.forget().unwrap();
    let unknown = said(&knows).await;
    sshd.know_another().unwrap();
    let changed = said(&knows).await;

    let check = |text: &str, parts: &[&str]| {
        assert!(text.starts_with(&sshd.url()) && parts.iter().all(|part| text.contains(part)), "{text}");
    };
    check(&refused, &["Permission denied (publickey)", "authorized_keys"]);
    check(&unknown, &["Host key verification failed", "known_hosts has no key", "control.ssh_config"]);
    check(&changed, &["Host key verification failed", "another one"]);
}

#[tokio::test]
async fn a_machine_without_docker_or_whose_engine_does_not_run_is_named_with_the_remedy() {
    let without = Sshd::start_with("SetEnv PATH=/nonexistent\n").unwrap();
    let stopped = Sshd::start_with("SetEnv DOCKER_HOST=unix:///nonexistent/docker.sock\n").unwrap();
    let mut gone = Sshd::start_with("").unwrap();
    let open = |sshd: &Sshd| docker(sshd, sshd.config().unwrap());
    let runtimes = [open(&without), open(&stopped), open(&gone)];
    gone.end();

    let said = [said(&runtimes[0]).await, said(&runtimes[1]).await, said(&runtimes[2]).await];

    let parts = ["has to find `docker` there", "does the engine run there", "Connection refused"];
    for (said, part) in said.iter().zip(parts) {
        assert!(said.starts_with("ssh://root@127.0.0.1:") && said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn many_calls_at_once_are_all_answered() {
    let engine = filled().await;
    // It turns away all who come while ten are not let in yet.
    let sshd = Sshd::start_with(&format!("MaxStartups 10\nSetEnv DOCKER_HOST={}\n", engine.url())).unwrap();
    let stand = Stand::new(Arc::new(docker(&sshd, sshd.config().unwrap())), (engine, sshd));
    for name in ["a", "b", "c"] {
        stand.runtime.create(&stand.spec(name, WEB)).await.unwrap();
    }

    let listed = join_all((0..6).map(|_| stand.list())).await;

    assert!(listed.iter().all(|list| list.len() == 3), "{listed:?}");
}

#[tokio::test]
async fn calls_one_after_the_other_log_in_once_and_again_where_that_has_ended() {
    let engine = filled().await;
    let docker_host = format!("SetEnv DOCKER_HOST={}\n", engine.url());
    let sshd = Sshd::start_with(&docker_host).unwrap();
    let runtime = docker(&sshd, sshd.config().unwrap());
    let logins = || sshd.log().matches("Accepted publickey").count();

    for _ in 0..5 {
        runtime.list().await.unwrap();
    }
    let once = logins();
    sshd.hang_up().unwrap();
    runtime.list().await.unwrap();

    assert_eq!((once, logins()), (1, 2), "{}", sshd.log());
}

#[tokio::test]
async fn a_connection_that_is_lost_in_the_middle_is_unreachable() {
    let mut sshd = Sshd::start(&*filled().await).unwrap();
    let runtime = docker(&sshd, sshd.config().unwrap());
    let changed = Notify::new();
    let lose = async {
        changed.notified().await;
        sshd.end();
        std::future::pending::<()>().await;
    };

    let follow = async {
        tokio::select! {
            why = runtime.follow(&changed) => why,
            () = lose => unreachable!("it never ends"),
        }
    };
    let why = tokio::time::timeout(DEADLINE, follow).await.expect("it ends with the connection");

    let RuntimeError::Unreachable(said) = why else { panic!("{why:?}") };
    assert!(said.starts_with("ssh://root@127.0.0.1:"), "{said}");
}
