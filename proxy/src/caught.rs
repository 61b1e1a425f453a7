//! A panic is a defect of ours, and costs what panicked: one exchange, one connection, one check, one lookup.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use model::Watched;

/// A defect of ours showed. It was told by the panic hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs `future` to its end, and keeps a panic from ending more than it. The caller counts.
pub(crate) async fn caught<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Panicked> {
    poll_fn(|cx| {
        // What is shared holds no half-done work across a call that could panic: counts, caches, free lists.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            // It is not polled again.
            Err(_told_by_the_hook) => std::task::Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

/// Runs a part that the process lives by: whoever watches it is told when it panics.
pub(crate) async fn watched(part: Watched, running: impl Future<Output = ()>) {
    let _part = part;
    running.await;
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use model::Alarm;
    use tokio::sync::watch;

    use super::*;

    async fn panics(when: bool) {
        tokio::task::yield_now().await;
        assert!(!when, "as the test wants it");
    }

    #[tokio::test]
    async fn what_is_caught_ends_by_itself_or_by_its_panic() {
        assert_eq!(caught(pin!(panics(false))).await, Ok(()));
        assert_eq!(caught(pin!(panics(true))).await, Err(Panicked));
    }

    #[tokio::test]
    async fn a_task_that_the_process_lives_by_tells_of_its_panic() {
        let (tell, mut told) = watch::channel(None);
        let alarm = Alarm::new(move |part| {
            tell.send_replace(Some(part));
        });

        tokio::spawn(watched(alarm.watch("fine"), panics(false))).await.expect("no panic");
        assert_eq!(*told.borrow(), None);

        let ended = tokio::spawn(watched(alarm.watch("the checker"), panics(true))).await;
        assert!(ended.is_err_and(|error| error.is_panic()));
        assert_eq!(*told.wait_for(Option::is_some).await.expect("told"), Some("the checker"));
    }
}
