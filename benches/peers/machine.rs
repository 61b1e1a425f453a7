//! What the kernel says of processes and cores, and what this machine is.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// Where load and origin run …
pub(crate) const LOAD_CORE: usize = 0;
/// … and where the proxy does.
pub(crate) const PROXY_CORE: usize = 1;

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

/// How long a core has been busy and idle so far, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CoreTime {
    busy: u64,
    idle: u64,
}

impl CoreTime {
    /// So far.
    pub(crate) fn of(core: usize) -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line =
            stat.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} "))).unwrap_or_default();
        let fields: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let idle: u64 = fields.iter().skip(3).take(2).sum();
        Self { busy: fields.iter().take(8).sum::<u64>() - idle, idle }
    }

    /// Of the time since `before`, how much it was busy: 1 is all.
    pub(crate) fn busy_since(self, before: Self) -> f64 {
        let (busy, idle) = (self.busy - before.busy, self.idle - before.idle);
        busy as f64 / (busy + idle).max(1) as f64
    }
}

/// How busy the busier one of both cores is while we do nothing.
pub(crate) fn noise() -> f64 {
    let cores = [LOAD_CORE, PROXY_CORE];
    let before = cores.map(CoreTime::of);
    std::thread::sleep(Duration::from_secs(1));
    cores.into_iter().zip(before).map(|(core, then)| CoreTime::of(core).busy_since(then)).fold(0.0, f64::max)
}

/// More of the cores than other work on the machine gets, for us and whatever we start, until dropped. Who may not, does without.
#[derive(Debug)]
pub(crate) struct Priority;

impl Priority {
    /// Asks for it: of this process, and of its session, by which Linux may share first (sched(7), autogroup).
    pub(crate) fn ask() -> Self {
        let this = std::process::id().to_string();
        let _may_not = Command::new("renice").args(["-n", "-15", "-p", &this]).output();
        let _may_not = fs::write("/proc/self/autogroup", "-15");
        Self
    }
}

impl Drop for Priority {
    fn drop(&mut self) {
        let _may_not = fs::write("/proc/self/autogroup", "0");
    }
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
    let line = line.trim_start_matches("nginx version: ").trim_start_matches("HAProxy version ");
    // Some say first what day it is.
    let is_number = |part: &&str| part.starts_with(|c: char| c.is_ascii_digit());
    line.split_whitespace()
        .find(|word| word.split(['.', '/']).filter(is_number).count() > 1)
        .map(|word| word.trim_start_matches("nginx/").to_owned())
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

/// What is missing of these commands, in a sentence; each with the package (Debian's name) it comes in.
pub(crate) fn missing(commands: &[(&str, &str)]) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let is_there =
        |command: &str| path.split(':').any(|folder| fs::metadata(format!("{folder}/{command}")).is_ok());
    let missing: Vec<_> = commands.iter().filter(|(command, _)| !is_there(command)).collect();
    let named = missing.iter().map(|(command, _)| *command).collect::<Vec<_>>().join(", ");
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    (!missing.is_empty())
        .then(|| format!("{named} cannot be found; install it (apt-get install {})", packages.join(" ")))
}
