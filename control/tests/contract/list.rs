//! The list. A runtime joins it with a file of its own beside this one: a function that makes a [`Stand`], and `contract!(…)`.

use control::runtime::{ContainerState, Exec, Exit, Health, Input, LogQuery, Progress, RuntimeError};
use model::launch::{Image, Resources, Signal};
use tokio::sync::{Notify, watch};

use crate::stand::{DEADLINE, GLUTTON, NOWHERE, PRINTER, SICK, Stand, WEB, WELL, command, complaint, line};

/// One test for each line of the list.
macro_rules! contract {
    ($stand:expr) => {
        $crate::list::contract!($stand;
            an_engine_says_what_it_is_and_has,
            a_created_container_is_listed_with_its_labels_and_does_not_run,
            a_second_container_of_the_same_name_is_taken,
            a_started_container_runs_and_starting_it_again_changes_nothing,
            a_signal_ends_a_container_and_its_exit_code_is_told,
            a_signal_to_what_ended_is_no_error,
            what_takes_too_much_memory_ends_and_that_is_named,
            a_missing_image_is_named_with_the_remedy,
            an_image_that_is_there_has_a_digest,
            an_image_that_is_not_there_is_not_sent,
            removing_runs_or_not_and_twice_is_no_error,
            what_is_not_there_is_named,
            logs_tell_output_from_errors_and_begin_at_the_tail,
            a_command_answers_what_it_printed_and_its_exit_code,
            a_command_reads_its_input_to_the_end,
            what_happens_is_heard,
            an_images_own_check_is_told,
        );
    };
    ($stand:expr; $($promise:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $promise() {
            $crate::list::$promise($stand).await;
        })+
    };
}
pub(crate) use contract;

pub(crate) async fn an_engine_says_what_it_is_and_has(stand: Stand) {
    let about = stand.runtime.about().await.unwrap();

    assert!(!about.version.is_empty() && about.cpu_millis >= 1000 && about.memory > 64 << 20, "{about:?}");
}

pub(crate) async fn a_created_container_is_listed_with_its_labels_and_does_not_run(stand: Stand) {
    let mut spec = stand.spec("a", WEB);
    spec.labels.insert("portico.instance".to_owned(), "web-1".to_owned());

    let id = stand.runtime.create(&spec).await.unwrap();

    let all = stand.list().await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((&all[0].id, &all[0].name, all[0].image.as_str()), (&id, &spec.name, WEB));
    assert_eq!((&all[0].labels, &all[0].state), (&spec.labels, &ContainerState::Created));
}

pub(crate) async fn a_second_container_of_the_same_name_is_taken(stand: Stand) {
    let spec = stand.spec("a", WEB);
    stand.runtime.create(&spec).await.unwrap();

    let second = stand.runtime.create(&spec).await;

    assert_eq!(second, Err(RuntimeError::Taken(spec.name)));
    assert_eq!(stand.list().await.len(), 1);
}

pub(crate) async fn a_started_container_runs_and_starting_it_again_changes_nothing(stand: Stand) {
    let mut spec = stand.spec("a", WEB);
    spec.published = vec![(8080.try_into().unwrap(), model::Protocol::Tcp)];
    let id = stand.start(&spec).await;
    let first = stand.until(&id, |container| container.state == ContainerState::Running).await;

    stand.runtime.start(&id).await.unwrap();

    assert_eq!(stand.list().await, std::slice::from_ref(&first));
    let inside: Vec<u16> = first.published.iter().map(|port| port.inside.get()).collect();
    assert_eq!(inside, [8080]);
}

pub(crate) async fn a_signal_ends_a_container_and_its_exit_code_is_told(stand: Stand) {
    let told = stand.run("told", WEB).await;
    let killed = stand.run("killed", WEB).await;

    stand.runtime.signal(&told, None).await.unwrap();
    stand.runtime.signal(&killed, Some(Signal::parse("KILL").unwrap())).await.unwrap();

    let exited = |code| ContainerState::Exited(Exit { code, ..Exit::default() });
    stand.until(&told, |container| container.state == exited(143)).await;
    stand.until(&killed, |container| container.state == exited(137)).await;
}

pub(crate) async fn a_signal_to_what_ended_is_no_error(stand: Stand) {
    let id = stand.run("a", PRINTER).await;
    stand.until(&id, |container| matches!(container.state, ContainerState::Exited(_))).await;

    let signalled = stand.runtime.signal(&id, None).await;

    assert_eq!(signalled, Ok(()));
}

pub(crate) async fn what_takes_too_much_memory_ends_and_that_is_named(stand: Stand) {
    let mut spec = stand.spec("a", GLUTTON);
    spec.resources = Resources::new(None, Some(16 << 20)).unwrap();

    let id = stand.start(&spec).await;

    // An engine may hear of the end before it hears why.
    let is_named =
        |state: &ContainerState| matches!(state, ContainerState::Exited(exit) if exit.out_of_memory);
    stand.until(&id, |container| is_named(&container.state)).await;
}

pub(crate) async fn a_missing_image_is_named_with_the_remedy(stand: Stand) {
    let created = stand.runtime.create(&stand.spec("a", NOWHERE)).await;

    let Err(RuntimeError::NoImage { image, reason }) = created else { panic!("{created:?}") };
    assert_eq!(image, NOWHERE);
    assert!(reason.contains("pull it, or push it"), "{reason}");
    assert_eq!(stand.runtime.image(&Image::parse(NOWHERE).unwrap()).await, Ok(None));
}

pub(crate) async fn an_image_that_is_there_has_a_digest(stand: Stand) {
    let image = Image::parse(WEB).unwrap();

    let digest = stand.runtime.image(&image).await.unwrap();

    let digest = digest.expect("it is there");
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
}

pub(crate) async fn an_image_that_is_not_there_is_not_sent(stand: Stand) {
    let (progress, _) = watch::channel(Progress::default());

    let sent = stand.runtime.push(&Image::parse(NOWHERE).unwrap(), &progress).await;

    assert!(matches!(&sent, Err(RuntimeError::NoImage { image, .. }) if image == NOWHERE), "{sent:?}");
}

pub(crate) async fn removing_runs_or_not_and_twice_is_no_error(stand: Stand) {
    let runs = stand.run("runs", WEB).await;
    let never_ran = stand.runtime.create(&stand.spec("never", WEB)).await.unwrap();

    for id in [&runs, &runs, &never_ran, &never_ran] {
        assert_eq!(stand.runtime.remove(id).await, Ok(()), "{id}");
    }

    assert_eq!(stand.list().await, []);
}

pub(crate) async fn what_is_not_there_is_named(stand: Stand) {
    let id = stand.runtime.create(&stand.spec("a", WEB)).await.unwrap();
    stand.runtime.remove(&id).await.unwrap();

    let gone = || Err(RuntimeError::NoContainer(id.clone()));
    assert_eq!(stand.runtime.start(&id).await, gone());
    assert_eq!(stand.runtime.signal(&id, None).await, gone());
    assert_eq!(stand.logs(&id, LogQuery::default()).await.map(drop), gone());
    assert_eq!(stand.exec(&id, command(&["true"]), vec![]).await.map(drop), gone());
}

pub(crate) async fn logs_tell_output_from_errors_and_begin_at_the_tail(stand: Stand) {
    let id = stand.run("a", PRINTER).await;
    stand.until(&id, |container| matches!(container.state, ContainerState::Exited(_))).await;

    // What ended prints nothing more: to follow it ends too.
    for follow in [false, true] {
        let all = stand.logs(&id, LogQuery { follow, ..LogQuery::default() }).await.unwrap();
        let tail = stand.logs(&id, LogQuery { follow, tail: Some(2), ..LogQuery::default() }).await.unwrap();

        let (said, oops): (Vec<_>, Vec<_>) = all.into_iter().partition(|line| !line.is_error);
        assert_eq!(said, ["one\n", "two\n", "three\n"].map(line));
        assert_eq!(oops, [complaint("oops\n")]);
        assert_eq!(tail.len(), 2, "{tail:?}");
    }
}

pub(crate) async fn a_command_answers_what_it_printed_and_its_exit_code(stand: Stand) {
    let id = stand.run("a", WEB).await;

    let (printed, code) =
        stand.exec(&id, command(&["sh", "-c", "echo out; echo err >&2; exit 7"]), vec![]).await.unwrap();

    assert_eq!(code, 7);
    assert!(printed.contains(&line("out\n")) && printed.contains(&complaint("err\n")), "{printed:?}");
}

pub(crate) async fn a_command_reads_its_input_to_the_end(stand: Stand) {
    let id = stand.run("a", WEB).await;
    let cat = Exec { input: true, ..command(&["cat"]) };
    let input = ["first\n", "second\n"].map(|text| Input::Octets(text.into()));

    let (printed, code) = stand.exec(&id, cat, input.into()).await.unwrap();

    assert_eq!(code, 0);
    let text: Vec<u8> = printed.iter().flat_map(|line| line.text.to_vec()).collect();
    assert_eq!(String::from_utf8_lossy(&text), "first\nsecond\n");
}

pub(crate) async fn what_happens_is_heard(stand: Stand) {
    let changed = Notify::new();
    let heard = || async { tokio::time::timeout(DEADLINE, changed.notified()).await.expect("heard in time") };
    // What was heard of others too is no matter: each step is seen in the list once something was heard.
    let until = async |expected: fn(&ContainerState) -> bool| {
        while !stand.list().await.iter().any(|container| expected(&container.state)) {
            heard().await;
        }
    };

    let story = async {
        heard().await;
        let id = stand.run("a", WEB).await;
        until(|state| *state == ContainerState::Running).await;
        stand.runtime.signal(&id, None).await.unwrap();
        until(|state| matches!(state, ContainerState::Exited(_))).await;
    };

    tokio::select! {
        () = story => {}
        why = stand.runtime.follow(&changed) => panic!("it ended: {why}"),
    }
}

pub(crate) async fn an_images_own_check_is_told(stand: Stand) {
    let sick = stand.run("sick", SICK).await;
    let well = stand.run("well", WELL).await;
    let unchecked = stand.run("unchecked", WEB).await;

    let health = |expected: Health| {
        move |container: &control::runtime::Container| container.health == Some(expected.clone())
    };
    stand.until(&well, health(Health::Healthy)).await;
    stand.until(&sick, health(Health::Unhealthy("no page".to_owned()))).await;
    stand.until(&unchecked, |container| container.health.is_none()).await;
}
