//! The engine that is none.

use std::sync::Arc;
use std::time::Duration;

use control::runtime::fake::{Asked, Behaviour, Fake, Fault, line};
use control::runtime::{Container, ContainerState, Exit, Runtime as _, RuntimeError};
use tokio::sync::Notify;

use crate::list::contract;
use crate::stand::{DEADLINE, GLUTTON, PRINTER, SICK, Stand, WEB, WELL};

/// With the images of the contract.
fn fake() -> Arc<Fake> {
    let fake = Fake::new(1, DEADLINE);
    let words = ["sh", "-c", "echo out; echo err >&2; exit 7"].map(str::to_owned);
    let said = (vec![line("out", false), line("err", true)], 7);
    fake.set_image(WEB, Behaviour { commands: [(words.to_vec(), said)].into(), ..Behaviour::default() });
    let ends = |exit| Some((Duration::from_millis(20), exit));
    let prints = ["one", "two", "three"].map(|text| line(text, false)).into_iter();
    let prints = prints.chain([line("oops", true)]).collect();
    let printed = Exit { code: 3, ..Exit::default() };
    fake.set_image(PRINTER, Behaviour { prints, ends: ends(printed), ..Behaviour::default() });
    let killed = Exit { code: 137, out_of_memory: true, ..Exit::default() };
    fake.set_image(GLUTTON, Behaviour { ends: ends(killed), ..Behaviour::default() });
    let check = |says| Behaviour { check: Some((Duration::from_millis(20), says)), ..Behaviour::default() };
    fake.set_image(SICK, check(Err("no page".to_owned())));
    fake.set_image(WELL, check(Ok(())));
    Arc::new(fake)
}

fn stand() -> Stand {
    Stand::new(fake(), ())
}

contract!(stand());

fn states(containers: &[Container]) -> Vec<&ContainerState> {
    containers.iter().map(|container| &container.state).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_in_vain_is_not_done_and_what_is_answered_in_vain_is() {
    let fake = fake();
    let stand = Stand::new(Arc::clone(&fake) as _, ());
    let check = async |fault, name, expected: &[&ContainerState]| {
        fake.set_fault(fault);
        let created = fake.create(&stand.spec(name, WEB)).await;
        assert!(matches!(created, Err(RuntimeError::Unreachable(_))), "{fault:?}: {created:?}");
        assert_eq!(states(&fake.containers()), expected, "{fault:?}");
    };

    check(Fault::Unreachable, "a", &[]).await;
    check(Fault::Hangs, "b", &[]).await;
    check(Fault::AnswersLost, "c", &[&ContainerState::Created]).await;

    fake.set_fault(Fault::None);
    assert_eq!(stand.list().await.len(), 1);
    let calls: Vec<Asked> = fake.take_calls().into_iter().map(|call| call.asked).collect();
    assert_eq!(calls, [Asked::Create(stand.spec("c", WEB).name), Asked::Tell]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_starts_again_has_killed_all_and_is_followed_anew() {
    let fake = fake();
    let stand = Stand::new(Arc::clone(&fake) as _, ());
    stand.run("a", WEB).await;
    let changed = Notify::new();
    let restart = async {
        changed.notified().await;
        fake.restart();
    };

    let (why, ()) = tokio::join!(fake.follow(&changed), restart);

    assert!(matches!(why, RuntimeError::Unreachable(_)), "{why}");
    let killed = ContainerState::Exited(Exit { code: 137, ..Exit::default() });
    assert_eq!(states(&fake.containers()), [&killed]);
}
