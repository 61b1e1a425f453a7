//! Who is told when a part that the whole process lives by ends by a panic.

use std::fmt;
use std::sync::Arc;

/// A bell for parts without which the process would live on and serve no more: whoever is told ends it, so that a supervisor starts
/// it anew. The default tells nobody.
#[derive(Clone)]
pub struct Alarm(Arc<dyn Fn(&'static str) + Send + Sync>);

impl Alarm {
    /// `tell` is called with the name of a part, in the thread that panics.
    pub fn new(tell: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Held by `part` for as long as it lives, as a local of its thread or task. Any other end than by a panic tells nobody.
    pub fn watch(&self, part: &'static str) -> Watched {
        Watched { alarm: self.clone(), part }
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alarm")
    }
}

/// A part that is watched by an [`Alarm`].
#[derive(Debug)]
pub struct Watched {
    alarm: Alarm,
    part: &'static str,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.alarm.0)(self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use super::*;

    #[test]
    fn a_part_that_panics_is_told_by_its_name_and_one_that_ends_is_not() {
        let told = Arc::<Mutex<Vec<_>>>::default();
        let heard = Arc::clone(&told);
        let alarm = Alarm::new(move |part| heard.lock().expect("no panic here").push(part));

        let (first, second) = (alarm.watch("the first"), alarm.watch("the second"));
        let ended = thread::spawn(move || drop(first)).join();
        let panicked = thread::spawn(move || {
            let _second = second;
            panic!("as the test wants it");
        });

        assert!(ended.is_ok() && panicked.join().is_err());
        assert_eq!(*told.lock().expect("no panic here"), ["the second"]);
    }
}
