//! What Redis tells without being asked: understood, and queued within a bound.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::NodeId;
use redis::aio::SendError;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;

use super::connect::octets;
use super::names::{DEAD_CHANNEL, Names, RawKey};
use super::report::MAX_DOCUMENT;

/// How many pushed messages may wait. When more come, what they said is found by comparing everything.
const PUSH_QUEUE: usize = 4096;
/// The longest announcement of a dead endpoint that is looked at, in octets: two URLs and two numbers.
const MAX_DEAD: usize = 16 * 1024;
/// The longest announcement of changes that is looked at, in octets; of a longer one it is asked what it says.
const MAX_ANNOUNCED: usize = 256 * 1024;

/// Something Redis told without being asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// These keys may say something else now.
    Keys(Vec<RawKey>),
    /// Another node announced what it wrote or numbered, see [`announced`].
    Announced(Vec<u8>),
    /// All keys may, also those that are gone.
    All,
    /// hipache or portico announced a dead endpoint: `<frontend>;<url>;<id>;<len>`.
    Dead(Vec<u8>),
    /// A node said what it serves.
    Node(Vec<u8>),
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
    /// Whose ear it is: what this node numbered, it has read itself.
    node: Box<str>,
    queue: mpsc::Sender<Push>,
    overflowed: Arc<AtomicBool>,
}

/// An ear of this node, and the queue behind it.
pub(super) fn ear(names: &Names, node: &NodeId) -> (Ear, Pushes) {
    let (sender, queue) = mpsc::channel(PUSH_QUEUE);
    let overflowed = Arc::new(AtomicBool::new(false));
    let ear = Ear {
        names: names.clone(),
        node: node.0.clone(),
        queue: sender,
        overflowed: Arc::clone(&overflowed),
    };
    (ear, Pushes { queue, overflowed })
}

impl Ear {
    /// Takes one message; never waits.
    ///
    /// # Errors
    /// [`SendError`] when nobody listens any more.
    pub(super) fn hear(&self, info: PushInfo) -> Result<(), SendError> {
        let Some(push) = understand(info, &self.names, &self.node) else { return Ok(()) };
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
fn understand(info: PushInfo, names: &Names, node: &str) -> Option<Push> {
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
                return (payload.len() <= MAX_DEAD).then_some(Push::Dead(payload));
            }
            if channel == names.nodes.as_bytes() {
                return (payload.len() <= MAX_DOCUMENT).then_some(Push::Node(payload));
            }
            if channel == names.changes.as_bytes() && payload.len() > MAX_ANNOUNCED {
                return Some(Push::Announced(Vec::new()));
            }
            let is_news = channel == names.changes.as_bytes() && !is_numbered_by(node, &payload);
            is_news.then_some(Push::Announced(payload))
        }
        PushKind::PMessage => {
            let channel = octets(info.data.into_iter().nth(1)?)?;
            let at = channel.windows(3).position(|window| window == b"__:")?;
            Some(Push::Keys(vec![channel.get(at + 3..)?.into()]))
        }
        _ => None,
    }
}

/// What an announcement on `portico:changes` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    /// None where it cannot be read: then the revision is to be asked for.
    pub(super) keys: Vec<RawKey>,
    /// Where a node numbered what others did: the lowest of the revisions that the keys were given.
    pub(super) since: Option<u64>,
}

/// Understands an announcement.
pub(super) fn announced(payload: &[u8]) -> Announced {
    #[derive(serde::Deserialize)]
    struct Announcement<'a> {
        #[serde(default)]
        revision: u64,
        keys: Vec<String>,
        #[serde(borrow)]
        node: Option<Cow<'a, str>>,
    }
    let Ok(Announcement { revision, keys, node }) = serde_json::from_slice(payload) else {
        return Announced::default();
    };
    let count = u64::try_from(keys.len()).unwrap_or(u64::MAX);
    let since = node.and(revision.checked_add(1)).and_then(|end| end.checked_sub(count));
    Announced { keys: keys.into_iter().map(|key| key.into_bytes().into()).collect(), since }
}

/// Whether an announcement says what `node` numbered; its keys, of which there may be many, are passed over.
fn is_numbered_by(node: &str, payload: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Numbered<'a> {
        #[serde(borrow)]
        node: Option<Cow<'a, str>>,
    }
    serde_json::from_slice(payload).is_ok_and(|Numbered { node: by }| by.is_some_and(|by| by == node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: PushKind, data: Vec<Value>, expected: Option<Push>) {
        assert_eq!(understand(PushInfo { kind, data }, &Names::new("p:"), "me"), expected);
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
        let told = |by: &str| format!(r#"{{"revision":3,"who":"redis","keys":["p:frontend:a"]{by}}}"#);
        for by in ["", r#","node":"other""#] {
            let news = told(by);
            let expected = Some(Push::Announced(news.clone().into_bytes()));
            check(PushKind::Message, vec![bulk("p:portico:changes"), bulk(&news)], expected);
        }
        let ours = told(r#","node":"me""#);
        check(PushKind::Message, vec![bulk("p:portico:changes"), bulk(&ours)], None);
        check(PushKind::Message, vec![bulk("dead"), bulk("a;b;0;1")], Some(Push::Dead(b"a;b;0;1".to_vec())));
        check(PushKind::Message, vec![bulk("p:portico:nodes"), bulk("{}")], Some(Push::Node(b"{}".to_vec())));
        check(PushKind::Message, vec![bulk("other"), bulk("x")], None);
        check(PushKind::Disconnection, vec![], Some(Push::Gone));
    }

    #[test]
    fn what_is_too_long_waits_in_no_queue() {
        let check_length = |channel: &str, most: usize, longer: Option<Push>| {
            let said = |length: usize| bulk(&"x".repeat(length));
            let data = |length| vec![bulk(channel), said(length)];
            let names = Names::new("p:");
            let heard = understand(PushInfo { kind: PushKind::Message, data: data(most) }, &names, "me");
            assert!(heard.is_some_and(|heard| Some(&heard) != longer.as_ref()), "{channel}");
            check(PushKind::Message, data(most + 1), longer);
        };
        check_length("p:portico:nodes", MAX_DOCUMENT, None);
        check_length("dead", MAX_DEAD, None);
        check_length("p:portico:changes", MAX_ANNOUNCED, Some(Push::Announced(Vec::new())));
    }

    #[test]
    fn an_announcement_names_its_keys_and_what_they_were_numbered_from() {
        let check = |payload: &str, keys: &[&str], since| {
            let keys = keys.iter().map(|key| key.as_bytes().into()).collect();
            assert_eq!(announced(payload.as_bytes()), Announced { keys, since }, "{payload}");
        };
        check(r#"{"revision":7,"who":"redis","keys":["a","b"],"node":"n"}"#, &["a", "b"], Some(6));
        check(r#"{"revision":7,"who":"w","keys":["a","b"]}"#, &["a", "b"], None);
        check(r#"{"revision":1,"who":"redis","keys":["a","b","c"],"node":"n"}"#, &["a", "b", "c"], None);
        check("junk", &[], None);
    }
}
