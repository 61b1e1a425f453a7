//! One fact, read, changed, and written back when it is still as it was read.

use std::thread;
use std::time::Duration;

use admin::wire::{FactView, FactWritten, Named};
use serde::Serialize;
use ureq::http::Method;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::frontend::line;
use crate::named::Kind;

/// How often a fact is read again that somebody else changed meanwhile.
const TRIES: u32 = 5;
/// How long the first of them gives this node to follow; the others longer.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of a fact.
#[derive(Debug, Serialize)]
pub(crate) struct Edited {
    /// The revision it made; the fact's own where nothing had to be changed.
    pub(crate) revision: u64,
    /// Whether anything changed.
    changed: bool,
    /// What, in words.
    said: String,
    /// The fact as it stands.
    #[serde(flatten)]
    fact: Option<Named>,
}

/// Changes a fact, taken out of what was read by `doc`: `change` says what it did. What is so already is not written again.
///
/// # Errors
/// [`Failure`]: as `change` says, there is no such fact, or others change it all the time.
pub(crate) fn edit<T: Clone + PartialEq + Serialize>(
    kind: Kind,
    name: &str,
    client: &Client,
    doc: fn(Named) -> Option<T>,
    change: impl Fn(&mut T) -> Result<String, Failure>,
) -> Result<Edited, Failure> {
    let url = kind.url_of(name)?;
    let mut tried = 0;
    loop {
        tried += 1;
        let view: FactView = client.get(&url).map_err(|failure| kind.meant(failure, name, client))?;
        let before = doc(view.fact.clone());
        let before =
            before.ok_or_else(|| Failure::Usage(format!("{name} is none that can be changed so")))?;
        let mut after = before.clone();
        let said = change(&mut after)?;
        if after == before {
            return Ok(Edited { revision: view.revision, changed: false, said, fact: Some(view.fact) });
        }
        let condition = [("If-Match", format!("\"{}\"", view.revision))];
        match client.write::<FactWritten>(Method::PUT, &url, Some(&after), &condition) {
            Ok(FactWritten { revision, fact, .. }) => {
                return Ok(Edited { revision, changed: true, said, fact });
            }
            Err(Failure::Refused(problem)) if problem.kind.ends_with(":conflict") && tried < TRIES => {
                thread::sleep(PAUSE * tried);
            }
            Err(failure) => return Err(kind.in_our_words(failure, name)),
        }
    }
}

impl Edited {
    /// `web: instances 2 -> 5 (revision 41)`.
    pub(crate) fn answer(&self, name: &str) -> Result<Answer, Failure> {
        Answer::new(self, self.says(name))
    }

    /// The same, in words.
    pub(crate) fn says(&self, name: &str) -> String {
        let nothing = if self.changed { "" } else { "nothing to be done; " };
        line(&format!("{name}: {} ({nothing}revision {})", self.said, self.revision))
    }
}
