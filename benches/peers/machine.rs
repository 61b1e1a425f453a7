//! What the kernel says of processes and cores, and what this machine is.

use std::fs;
use std::process::Command;

/// What processes have taken so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    /// CPU time, user and system, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// Resident memory, in KiB.
    pub(crate) resident_kib: u64,
}

/// What `process` and its descendants have taken.
pub(crate) fn taken(process: u32) -> Taken {
    let mut all = vec![process];
    let mut taken = Taken::default();
    while let Some(process) = all.pop() {
        for thread in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            let read = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
            all.extend(read("children").split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            let spent = read("schedstat");
            taken.cpu_ns += spent.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
        }
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        taken.resident_kib +=
            resident.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    }
    taken
}

/// How long `core` has been busy and idle so far, in ticks.
pub(crate) fn ticks(core: usize) -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} "))).unwrap_or_default();
    let fields: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let idle: u64 = fields.iter().skip(3).take(2).sum();
    (fields.iter().take(8).sum::<u64>() - idle, idle)
}

/// The machine, in a line.
pub(crate) fn description() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, {cores} cores, Linux {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim())
}

/// What a command says of its version: the first line that has a number in it.
pub(crate) fn version(command: &str, argument: &str) -> Option<String> {
    let output = Command::new(command).arg(argument).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().find(|line| line.contains(|c: char| c.is_ascii_digit()))?;
    Some(line.split_whitespace().take(4).collect::<Vec<_>>().join(" "))
}

/// Today, in UTC.
pub(crate) fn today() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}

/// `command` with `arguments`, bound to one core.
pub(crate) fn on_core(core: usize, command: &str, arguments: &[&str]) -> Command {
    let mut bound = Command::new("taskset");
    bound.args(["-c", &core.to_string(), command]).args(arguments);
    bound
}
