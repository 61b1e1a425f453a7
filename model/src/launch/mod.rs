//! How instances of a service are launched: what a controller makes true on hosts. A service without it is never launched.

mod canary;
mod circle;
mod environment;
mod heartbeat;
mod image;
mod placement;
mod resources;
mod rollout;
mod stop;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

use crate::label::{Label, ServiceName};

pub use canary::{Canary, Percent, PercentError, Shares};
pub use circle::circle;
pub use environment::{Environment, EnvironmentError, MAX_ENVIRONMENT, MAX_ENVIRONMENT_BYTES};
pub use heartbeat::{Heartbeat, HeartbeatKind, MAX_PROBE_TIME, ProbeTimes, ProbeTimesError};
pub use image::{Image, ImageError, MAX_IMAGE};
pub use placement::{Fill, HostLabels, PerHost, Placement};
pub use resources::{Resources, ResourcesError};
pub use rollout::{Order, Rollout};
pub use stop::{MAX_STOP, Signal, SignalError, Stop};
pub use volume::{MAX_VOLUMES, Source, Volume, VolumeError, VolumeName};

/// The most instances of a service.
pub const MAX_INSTANCES: u16 = 1000;
/// The most services that one waits for.
pub const MAX_DEPENDENCIES: usize = 64;
/// The most words of a command.
pub const MAX_WORDS: usize = 256;
/// The most octets of all words of a command together.
pub const MAX_COMMAND: usize = 32 << 10;

/// How instances of a service are launched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Launch {
    /// Of what.
    pub image: Image,
    /// What is tried beside it.
    pub canary: Option<Canary>,
    /// What is run instead of the image's own command.
    pub command: Option<Words>,
    /// What runs it instead of the image's own entry point.
    pub entrypoint: Option<Words>,
    /// Variables beside those of the image.
    pub environment: Environment,
    /// Labels of its containers beside those of the controller.
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// What of the host's, or kept by its engine, is seen inside.
    pub volumes: Box<[Volume]>,
    /// As whom it runs, `user[:group]`; `None`: as the image says.
    pub user: Option<Box<str>>,
    /// Where it runs; `None`: where the image says.
    pub working_dir: Option<Box<str>>,
    /// What is done when it ends.
    pub restart: Restart,
    /// How often it was restarted by hand: another number makes other containers.
    pub restarts: u32,
    /// Whether any runs at all.
    pub active: bool,
    /// How many run.
    pub instances: Instances,
    /// What each may take.
    pub resources: Resources,
    /// How it is known to be well; `None`: while it runs.
    pub heartbeat: Option<Heartbeat>,
    /// Where it may run.
    pub placement: Placement,
    /// How one version takes the place of another.
    pub rollout: Rollout,
    /// How it is ended.
    pub stop: Stop,
    /// What is there before it starts; at most [`MAX_DEPENDENCIES`].
    pub depends_on: BTreeMap<ServiceName, Readiness>,
    /// What the controller does around it, by names that its configuration gives a meaning.
    pub hooks: Hooks,
}

/// A command and its arguments: 1 to [`MAX_WORDS`] words without NUL, [`MAX_COMMAND`] octets together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Words(Box<[Box<str>]>);

/// Why words are no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// None, or a first one without a letter.
    #[error("there is no command; write it as a list of words, or leave it out")]
    Empty,
    /// Too many, or too long together.
    #[error(
        "the words are more than {MAX_WORDS}, or longer than {MAX_COMMAND} octets together; put them into a file of the image"
    )]
    TooLong,
    /// A NUL, at which a word would end.
    #[error("word {0} has a NUL octet; take it out")]
    Nul(usize),
}

/// What is done when an instance ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Restart {
    /// It is started again. The default.
    #[default]
    Always,
    /// It is started again unless it ended with 0.
    OnFailure,
    /// It has run.
    Never,
}

/// How many instances run: both ends from 0 to [`MAX_INSTANCES`], the least not above the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instances {
    least: u16,
    most: u16,
}

/// Numbers that are no range of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{least} to {most} instances are no range; write 0 to {MAX_INSTANCES}, the least first")]
pub struct InstancesError {
    /// The least asked for.
    pub least: u64,
    /// The most asked for.
    pub most: u64,
}

/// What a service waits for in one that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Readiness {
    /// An instance of it runs.
    Started,
    /// An instance of it is healthy. The default.
    #[default]
    Healthy,
    /// An instance of it has ended with 0: a job is done.
    Done,
}

/// Names of what a controller does before an instance starts and after it ended. What they do stands in its configuration alone: who may
/// write facts says which, never what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Hooks {
    /// Before it starts; one that fails keeps it from starting.
    pub before_start: BTreeSet<Label>,
    /// After it ended.
    pub after_stop: BTreeSet<Label>,
}

impl Words {
    /// Checks a command.
    ///
    /// # Errors
    /// [`WordsError`] says what cannot be.
    pub fn new(words: impl IntoIterator<Item = String>) -> Result<Self, WordsError> {
        let words: Box<[Box<str>]> = words.into_iter().take(MAX_WORDS + 1).map(Into::into).collect();
        if words.first().is_none_or(|first| first.is_empty()) {
            return Err(WordsError::Empty);
        }
        if words.len() > MAX_WORDS || words.iter().map(|word| word.len()).sum::<usize>() > MAX_COMMAND {
            return Err(WordsError::TooLong);
        }
        match words.iter().position(|word| word.contains('\0')) {
            Some(at) => Err(WordsError::Nul(at + 1)),
            None => Ok(Self(words)),
        }
    }

    /// The words, the command first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|word| &**word)
    }
}

impl Default for Instances {
    fn default() -> Self {
        Self { least: 1, most: 1 }
    }
}

impl Instances {
    /// From `least` to `most`.
    ///
    /// # Errors
    /// [`InstancesError`] for numbers that are no range.
    pub fn new(least: u64, most: u64) -> Result<Self, InstancesError> {
        let within = |number: u64| u16::try_from(number).ok().filter(|number| *number <= MAX_INSTANCES);
        match (within(least), within(most)) {
            (Some(least), Some(most)) if least <= most => Ok(Self { least, most }),
            _ => Err(InstancesError { least, most }),
        }
    }

    /// So many run at least: what is launched where nothing asks for more.
    pub const fn least(self) -> u16 {
        self.least
    }

    /// So many run at most.
    pub const fn most(self) -> u16 {
        self.most
    }

    /// How many are kept of so many that run.
    pub fn kept(self, running: u16) -> u16 {
        running.clamp(self.least, self.most)
    }
}

impl Launch {
    /// One instance of an image, with nothing said beside.
    pub fn new(image: Image) -> Self {
        Self {
            image,
            canary: None,
            command: None,
            entrypoint: None,
            environment: Environment::default(),
            labels: BTreeMap::new(),
            volumes: Box::default(),
            user: None,
            working_dir: None,
            restart: Restart::default(),
            restarts: 0,
            active: true,
            instances: Instances::default(),
            resources: Resources::default(),
            heartbeat: None,
            placement: Placement::default(),
            rollout: Rollout::default(),
            stop: Stop::default(),
            depends_on: BTreeMap::new(),
            hooks: Hooks::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_words_without_nul_and_within_its_limits() {
        let check = |words: &[&str], expected: Result<usize, WordsError>| {
            let read = Words::new(words.iter().map(|word| (*word).to_owned()));
            assert_eq!(read.map(|words| words.iter().len()), expected, "{words:?}");
        };
        check(&["sh", "-c", "", "x"], Ok(4));
        check(&[], Err(WordsError::Empty));
        check(&["", "x"], Err(WordsError::Empty));
        check(&["a", "b\0c"], Err(WordsError::Nul(2)));
        check(&["a"; MAX_WORDS], Ok(MAX_WORDS));
        check(&["a"; MAX_WORDS + 1], Err(WordsError::TooLong));
        check(&[&"a".repeat(MAX_COMMAND)], Ok(1));
        check(&[&"a".repeat(MAX_COMMAND), "b"], Err(WordsError::TooLong));
    }

    #[test]
    fn instances_are_a_range() {
        let check =
            |least, most, fine| assert_eq!(Instances::new(least, most).is_ok(), fine, "{least} {most}");
        check(0, 0, true);
        check(2, 1000, true);
        check(3, 2, false);
        check(1, 1001, false);
        check(u64::MAX, u64::MAX, false);
    }
}
