//! The way to the registry: facts to write, and the lease to renew.
//!
//! In: edits of a turn. Out: requests that whoever put the house together answers. Never here: a registry.

use model::{Fact, FactKey, Revision};
use tokio::sync::{mpsc, oneshot};

/// One fact put or removed, when it is as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Which fact.
    pub key: FactKey,
    /// What it shall say; `None` removes it.
    pub fact: Option<Fact>,
    /// Its revision now; `None`: it is not there.
    pub expected: Option<Revision>,
}

/// What is asked of the registry.
#[derive(Debug)]
pub enum Request {
    /// Write all of these or none.
    Write {
        /// What.
        edits: Vec<Edit>,
        /// The revision at which the controller's own fact has to be still: its fencing token. `None`: there need be none.
        token: Option<Revision>,
        /// What became of it: the revision it made, and at which the edits now are.
        answer: oneshot::Sender<Result<Revision, PublishError>>,
    },
    /// Have the controller's lease hold on, if its fact is at this revision still.
    Renew {
        /// The fencing token.
        token: Revision,
        /// Whether it holds on.
        answer: oneshot::Sender<Result<bool, PublishError>>,
    },
}

/// Why something was not written; named by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Look again: something is not as expected.
    #[error("not as expected: {0}")]
    Conflict(String),
    /// Correct it: it is never accepted so.
    #[error("refused: {0}")]
    Refused(String),
    /// Try later: the registry cannot be reached. Nobody knows whether it was written.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// A handle on the registry.
#[derive(Debug, Clone)]
pub struct Publish(mpsc::Sender<Request>);

impl Publish {
    /// A handle, and where its requests come out.
    pub fn channel() -> (Self, mpsc::Receiver<Request>) {
        let (send, requests) = mpsc::channel(crate::config::PUBLISH_QUEUE);
        (Self(send), requests)
    }

    /// Writes all edits or none, if the controller's fact is at `token` still.
    ///
    /// # Errors
    /// [`PublishError`], named by what to do next.
    pub async fn write(&self, edits: Vec<Edit>, token: Option<Revision>) -> Result<Revision, PublishError> {
        self.ask(|answer| Request::Write { edits, token, answer }).await
    }

    /// Has the lease hold on; `false`: it is another's.
    ///
    /// # Errors
    /// [`PublishError`] when the registry cannot be asked.
    pub async fn renew(&self, token: Revision) -> Result<bool, PublishError> {
        self.ask(|answer| Request::Renew { token, answer }).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, PublishError>>) -> Request,
    ) -> Result<T, PublishError> {
        let gone = || PublishError::Unavailable("the registry was closed".to_owned());
        let (answer, answered) = oneshot::channel();
        self.0.send(request(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}
