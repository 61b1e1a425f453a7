//! Who runs where.

use std::process::Command;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// This thread, and what it starts from now on, runs on that core.
pub(crate) fn stay(core: usize) {
    let mut only = CpuSet::new();
    only.set(core).unwrap();
    sched_setaffinity(Pid::from_raw(0), &only).unwrap();
}

/// Does this on that core, in a thread of its own; threads that it starts stay there.
pub(crate) fn on<T: Send>(core: usize, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            stay(core);
            work()
        });
        working.join().unwrap()
    })
}

/// Every thread of a process stays on that core from now on.
pub(crate) fn bind(process: u32, core: usize) {
    let said =
        Command::new("taskset").args(["-acp", &core.to_string(), &process.to_string()]).output().unwrap();
    assert!(said.status.success(), "taskset: {}", String::from_utf8_lossy(&said.stderr));
}

/// A thread or a process of ours lets the load and the origin go first where they share a core: they are the clock.
pub(crate) fn give_way(id: Pid) {
    // Who asks for less gets it.
    let _status = Command::new("renice").args(["-n", "5", "-p", &id.to_string()]).output();
}
