//! What Redis tells without being asked: understood, and queued within a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::aio::SendError;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;

use super::connect::octets;
use super::names::{DEAD_CHANNEL, Names, RawKey};

/// How many pushed messages may wait. When more come, what they said is found by comparing everything.
const PUSH_QUEUE: usize = 4096;

/// Something Redis told without being asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// These keys may say something else now.
    Keys(Vec<RawKey>),
    /// A node numbered what these keys say. That node has read them itself.
    Numbered(String, Vec<RawKey>),
    /// All keys may, also those that are gone.
    All,
    /// hipache or portico announced a dead endpoint: `<frontend>;<url>;<id>;<len>`.
    Dead(Vec<u8>),
    /// The connection ended.
    Gone,
}

/// What Redis tells without being asked, in order.
#[derive(Debug)]
pub(super) struct Pushes {
    queue: mpsc::Receiver<Push>,
    overflowed: Arc<AtomicBool>,
}

impl Pushes {
    /// The next message; `None` only when the connection is gone.
    pub(super) async fn next(&mut self) -> Option<Push> {
        self.queue.recv().await
    }

    /// The next message, if one waits.
    pub(super) fn waiting(&mut self) -> Option<Push> {
        match self.queue.try_recv() {
            Ok(push) => Some(push),
            Err(_) if self.overflowed.swap(false, Ordering::Relaxed) => Some(Push::All),
            Err(_) => None,
        }
    }
}

/// Where a connection puts what it is told.
#[derive(Debug)]
pub(super) struct Ear {
    names: Names,
    queue: mpsc::Sender<Push>,
    overflowed: Arc<AtomicBool>,
}

/// An ear, and the queue behind it.
pub(super) fn ear(names: &Names) -> (Ear, Pushes) {
    let (sender, queue) = mpsc::channel(PUSH_QUEUE);
    let overflowed = Arc::new(AtomicBool::new(false));
    let ear = Ear { names: names.clone(), queue: sender, overflowed: Arc::clone(&overflowed) };
    (ear, Pushes { queue, overflowed })
}

impl Ear {
    /// Takes one message; never waits.
    ///
    /// # Errors
    /// [`SendError`] when nobody listens any more.
    pub(super) fn hear(&self, info: PushInfo) -> Result<(), SendError> {
        let Some(push) = understand(info, &self.names) else { return Ok(()) };
        match self.queue.try_send(push) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.overflowed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SendError),
        }
    }

    /// Waits until nobody listens any more.
    pub(super) async fn unheard(&self) {
        self.queue.closed().await;
    }
}

/// What a pushed message says to us; `None`: nothing.
fn understand(info: PushInfo, names: &Names) -> Option<Push> {
    match info.kind {
        PushKind::Disconnection => Some(Push::Gone),
        PushKind::Invalidate => match info.data.into_iter().next()? {
            Value::Array(keys) => {
                Some(Push::Keys(keys.into_iter().filter_map(octets).map(RawKey::from).collect()))
            }
            Value::Nil => Some(Push::All),
            _ => None,
        },
        PushKind::Message => {
            let mut data = info.data.into_iter();
            let (channel, payload) = (octets(data.next()?)?, octets(data.next()?)?);
            if channel == DEAD_CHANNEL.as_bytes() {
                return Some(Push::Dead(payload));
            }
            (channel == names.changes.as_bytes()).then(|| announced(&payload))
        }
        PushKind::PMessage => {
            let channel = octets(info.data.into_iter().nth(1)?)?;
            let at = channel.windows(3).position(|window| window == b"__:")?;
            Some(Push::Keys(vec![channel.get(at + 3..)?.into()]))
        }
        _ => None,
    }
}

/// The keys of an announcement on `portico:changes`; none where it cannot be read, so that the revision is asked for.
fn announced(payload: &[u8]) -> Push {
    #[derive(serde::Deserialize)]
    struct Announcement {
        keys: Vec<String>,
        node: Option<String>,
    }
    let Ok(announcement) = serde_json::from_slice::<Announcement>(payload) else {
        return Push::Keys(Vec::new());
    };
    let keys = announcement.keys.into_iter().map(|key| key.into_bytes().into()).collect();
    match announcement.node {
        Some(node) => Push::Numbered(node, keys),
        None => Push::Keys(keys),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: PushKind, data: Vec<Value>, expected: Option<Push>) {
        assert_eq!(understand(PushInfo { kind, data }, &Names::new("p:")), expected);
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn pushes_name_the_keys_to_read_again() {
        let keys = |keys: &[&str]| Some(Push::Keys(keys.iter().map(|k| k.as_bytes().into()).collect()));
        check(PushKind::Invalidate, vec![Value::Array(vec![bulk("a"), bulk("b")])], keys(&["a", "b"]));
        check(PushKind::Invalidate, vec![Value::Nil], Some(Push::All));
        check(PushKind::Invalidate, vec![], None);
        let event =
            [bulk("__keyspace@2__:p:frontend:*"), bulk("__keyspace@2__:p:frontend:a__:b"), bulk("del")];
        check(PushKind::PMessage, event.to_vec(), keys(&["p:frontend:a__:b"]));
        let news = r#"{"revision":3,"who":"redis","keys":["p:frontend:a"]}"#;
        check(PushKind::Message, vec![bulk("p:portico:changes"), bulk(news)], keys(&["p:frontend:a"]));
        let numbered = r#"{"revision":3,"who":"redis","keys":["p:frontend:a"],"node":"n"}"#;
        let told = Push::Numbered("n".to_owned(), vec![b"p:frontend:a".as_slice().into()]);
        check(PushKind::Message, vec![bulk("p:portico:changes"), bulk(numbered)], Some(told));
        check(PushKind::Message, vec![bulk("p:portico:changes"), bulk("junk")], keys(&[]));
        check(PushKind::Message, vec![bulk("dead"), bulk("a;b;0;1")], Some(Push::Dead(b"a;b;0;1".to_vec())));
        check(PushKind::Message, vec![bulk("other"), bulk("x")], None);
        check(PushKind::Disconnection, vec![], Some(Push::Gone));
    }
}
