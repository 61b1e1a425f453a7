//! The store's books: the counter, the revisions by key, the history. While one of them holds another type, nothing can be numbered
//! or written; the facts serve.

use std::fmt;

use model::Quarantined;
use redis::RedisError;
use redis::aio::MultiplexedConnection;

use super::connect::{Refusal, Stop};
use super::follow::Session;
use super::names::{Names, shown};
use super::settle::refuses;

/// Books that hold another type: their keys, what is wrong, and the remedy. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage(pub(super) Vec<(Box<str>, Quarantined)>);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, why)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}`{key}` {}: {}", why.reason, why.remedy)?;
        }
        Ok(())
    }
}

/// What is wrong with the books; `None`: nothing.
pub(super) async fn damage(
    connection: &mut MultiplexedConnection,
    names: &Names,
) -> Result<Option<Damage>, RedisError> {
    let books: [(&[u8], &str); 3] = [
        (names.revision.as_bytes(), "string"),
        (names.revisions.as_bytes(), "hash"),
        (names.history.as_bytes(), "stream"),
    ];
    let mut pipeline = redis::pipe();
    for (key, _) in books {
        pipeline.cmd("TYPE").arg(key);
    }
    let kinds: Vec<String> = pipeline.query_async(connection).await?;
    let wrong = books.into_iter().zip(kinds).filter(|((_, wanted), kind)| kind != wanted && kind != "none");
    let told = wrong.map(|((key, wanted), kind)| {
        let key = shown(key);
        let why = Quarantined {
            reason: format!("holds a {kind}, not a {wanted}, so that nothing can be written").into(),
            remedy: format!("`DEL {key}`, and portico makes it anew").into(),
        };
        (key, why)
    });
    let told: Vec<_> = told.collect();
    Ok((!told.is_empty()).then_some(Damage(told)))
}

impl Session<'_> {
    /// Why the store said no.
    pub(super) async fn refusal(&mut self, error: &RedisError) -> Refusal {
        let asked = self.writer.as_mut().filter(|_| error.to_string().contains("WRONGTYPE"));
        if let Some(writer) = asked
            && let Ok(Some(damage)) = damage(writer, &self.shared.names).await
        {
            return Refusal::Damaged(damage);
        }
        Refusal::of(error)
    }

    /// Looks at the books even where nobody writes, so that `verify` tells before somebody does.
    pub(super) async fn check_books(&mut self) -> Result<(), Stop> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        match damage(writer, &self.shared.names).await {
            Ok(Some(damage)) => self.become_read_only(Refusal::Damaged(damage)),
            Err(error) if !refuses(&error) && self.writer_is_reader() => return Err(error.into()),
            // A user without the right to ask is told when something is written.
            Ok(None) | Err(_) => {}
        }
        Ok(())
    }
}
