//! Every field that a service of a Compose file may have, and what becomes of it.

use super::Around;
use super::at::{At, Wrong};

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is a part of the facts.
    Taken,
    /// It is named, and why it has no meaning here.
    None(&'static str),
    /// It cannot be left out safely: it is refused, and why.
    Refused(&'static str),
}

/// Why some have none.
const NAMED: &str = "instances have names that the controller gives them";
const ALONE: &str = "instances run without a terminal, and what they print is kept by the engine";
const TUNED: &str = "the engine's own default holds";
const RESOLVED: &str = "DNS answers with what is stated in facts";

/// Why some are refused.
const POWER: &str = "it would give the container power over its host";
const SHARED: &str = "what containers share with their host or each other is not for a fact to say";
const GUARDED: &str = "the container would be less guarded without it";
const NEEDED: &str = "the container would lack what it needs";

/// What becomes of a field of a service; `None` where there is no such field.
pub(super) fn meaning(field: &str) -> Option<Meaning> {
    use Meaning::{None, Refused, Taken};
    Some(match field {
        "image" | "command" | "entrypoint" | "environment" | "env_file" | "ports" | "expose" | "volumes"
        | "depends_on" | "healthcheck" | "deploy" | "labels" | "user" | "working_dir" | "restart"
        | "stop_signal" | "stop_grace_period" | "scale" | "networks" | "cpus" | "mem_limit" | "profiles" => {
            Taken
        }
        field if field.starts_with("x-") => Taken,
        "container_name" | "hostname" | "domainname" => None(NAMED),
        "init" => None("the image's entry point is what runs"),
        "attach" | "logging" | "log_driver" | "log_opt" | "stdin_open" | "tty" => None(ALONE),
        "annotations" | "label_file" | "platform" | "pull_policy" | "pull_refresh_after" | "storage_opt" => {
            None(TUNED)
        }
        "blkio_config" | "cpu_count" | "cpu_percent" | "cpu_period" | "cpu_quota" | "cpu_rt_period"
        | "cpu_rt_runtime" | "cpu_shares" | "cpuset" | "mem_reservation" | "mem_swappiness"
        | "memswap_limit" | "oom_kill_disable" | "oom_score_adj" | "pids_limit" | "shm_size" | "sysctls"
        | "tmpfs" | "ulimits" => None(TUNED),
        "dns" | "dns_opt" | "dns_search" | "external_links" | "extra_hosts" | "links" | "mac_address" => {
            None(RESOLVED)
        }
        "develop" => None("nothing is built or watched"),
        "build" => Refused("portico builds no images"),
        "cap_add"
        | "device_cgroup_rules"
        | "devices"
        | "gpus"
        | "privileged"
        | "runtime"
        | "use_api_socket" => Refused(POWER),
        "cgroup" | "cgroup_parent" | "ipc" | "network_mode" | "pid" | "userns_mode" | "uts"
        | "volumes_from" => Refused(SHARED),
        "cap_drop" | "isolation" | "read_only" | "security_opt" => Refused(GUARDED),
        "configs" | "credential_spec" | "group_add" | "models" | "post_start" | "pre_stop" | "provider"
        | "secrets" => Refused(NEEDED),
        "extends" => Refused("other services are not taken in"),
        _ => return Option::None,
    })
}

/// Names what has no meaning.
///
/// # Errors
/// [`Wrong`] for what is refused, and for what no field is called.
pub(super) fn judged(service: &At<'_>, around: &mut Around<'_>) -> Result<(), Wrong> {
    for (field, at) in service.fields()? {
        match meaning(field) {
            Some(Meaning::Taken) => {}
            Some(Meaning::None(why)) => around.no_meaning(&at, why),
            Some(Meaning::Refused(_)) if says_the_usual(field, &at) => {}
            Some(Meaning::Refused(why)) => return Err(at.wrong(why, remedy(field))),
            None => {
                let reason = format!("`{field}` is no field of a service in a Compose file");
                return Err(at.wrong(reason, "correct it, or take it out"));
            }
        }
    }
    Ok(())
}

/// What to do instead.
fn remedy(field: &str) -> &'static str {
    match field {
        "build" => "build it, push it, and name it as `image`; take `build` out",
        "extends" => "write it out, as `docker compose config` does",
        "secrets" | "configs" => "put it into a volume or a variable; take it out of the file",
        _ => "take it out of the file",
    }
}

/// Whether a field that is refused says no more than what holds without it.
fn says_the_usual(field: &str, at: &At<'_>) -> bool {
    let text = at.text().unwrap_or_default();
    match field {
        "privileged" | "read_only" | "use_api_socket" => text == "false",
        "network_mode" => matches!(&*text, "bridge" | "default"),
        "ipc" | "cgroup" => text == "private",
        // Instances get no new privileges as it is.
        "security_opt" => at.entries().iter().all(|entry| {
            let text = entry.text().unwrap_or_default();
            matches!(&*text, "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true")
        }),
        _ => at.value.as_array().is_some_and(Vec::is_empty),
    }
}
