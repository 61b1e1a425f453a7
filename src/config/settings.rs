//! Every setting there is, in one list: its key, its place in a crate's `Config`, and how it is written.
//!
//! The list is the file format: files, variables, flags, `portico check` and the test of `config/example.toml` all read it,
//! so that a setting cannot be in one of them and missing in another.

use std::path::{Path, PathBuf};

use model::EngineUrl;

use super::value::{Form, Size, Value};

/// Everything portico is started with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The format of the file; there is one.
    pub version: u32,
    /// Where portico keeps what it must not lose.
    pub data: PathBuf,
    /// Whom to become once the listeners are bound: a name or a number.
    pub user: Option<String>,
    /// Which group to become; by default the user's own.
    pub group: Option<String>,
    /// portico's own log.
    pub log: Log,
    /// The data path.
    pub proxy: proxy::config::Config,
    /// DNS.
    pub dns: dnsd::config::Config,
    /// The registry.
    pub registry: Registry,
    /// What launches and ends instances.
    pub control: Control,
    /// The operator's door.
    pub admin: admin::Config,
}

/// Whether this node may control, and how it reaches engines.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    /// Whether it may.
    pub enabled: bool,
    /// The certificates for engines at `tcp://`: of the authority, ours, its key. All or none.
    pub tls_ca: Option<PathBuf>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Engines at `tcp://` that are spoken to without TLS.
    pub plain_engines: Vec<EngineUrl>,
    /// The file of settings for `ssh`; `None`: its own.
    pub ssh_config: Option<PathBuf>,
    /// Where credentials for images are; `None`: images are fetched without.
    pub login: Option<PathBuf>,
    /// The rest.
    pub config: control::config::Config,
}

/// portico's own log, on standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// Which messages: `error`, `warn`, `info`, `debug`, `trace`, also for each crate (`info,proxy=debug`).
    pub level: String,
    /// In which form.
    pub format: Format,
}

/// The form of portico's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which registry, and how it is watched.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    /// One URL, or hipache's pair: to read from and to write to.
    pub url: Vec<String>,
    /// This node's name in histories and reports; empty: made of the machine's name and the first port.
    pub node: String,
    /// Where the world reaches this node's proxy; empty: where it listens.
    pub addresses: Vec<std::net::IpAddr>,
    /// Whether the last known good snapshot of a remote store is kept in the data folder.
    pub cache: bool,
    /// The rest.
    pub config: registry::Config,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: 1,
            data: default_data(),
            user: None,
            group: None,
            log: Log { level: "info".into(), format: Format::Text },
            proxy: proxy::config::Config::default(),
            dns: dnsd::config::Config::default(),
            registry: Registry {
                url: vec!["embedded:".into()],
                node: String::new(),
                addresses: Vec::new(),
                cache: true,
                config: registry::Config::default(),
            },
            control: Control {
                enabled: true,
                tls_ca: None,
                tls_cert: None,
                tls_key: None,
                plain_engines: Vec::new(),
                ssh_config: None,
                login: None,
                config: control::config::Config::default(),
            },
            admin: admin::Config::default(),
        }
    }
}

/// `/var/lib/portico` for root; for anybody else the place where programs keep their state.
fn default_data() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/portico");
    }
    let folder = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    state.as_deref().unwrap_or(Path::new(".")).join("portico")
}

/// Whether SIGHUP can take a new value over; otherwise a restart is needed.
#[derive(Clone, Copy)]
pub(crate) enum Live {
    /// Yes.
    Yes,
    /// No.
    No,
    /// If both configurations agree in this.
    Where(fn(&Settings, &Settings) -> bool),
}

/// One setting.
pub(crate) struct Setting {
    /// `section.name`, as in the file.
    pub key: &'static str,
    /// Whether SIGHUP can take a new value over; otherwise a restart is needed.
    pub live: Live,
    /// Whether its value must not be shown.
    pub secret: bool,
    get: fn(&Settings) -> Value,
    set: fn(&mut Settings, &Value) -> Result<(), String>,
}

impl Setting {
    /// What it is now.
    pub(crate) fn get(&self, settings: &Settings) -> Value {
        (self.get)(settings)
    }

    /// Sets it, or says what is wrong with the value, so that it can follow the key.
    pub(crate) fn set(&self, settings: &mut Settings, value: &Value) -> Result<(), String> {
        (self.set)(settings, value)
    }

    /// Whether only a restart takes the difference of two configurations over, where they differ in this.
    pub(crate) fn needs_restart(&self, settings: &Settings, other: &Settings) -> bool {
        match self.live {
            Live::Yes => false,
            Live::No => true,
            Live::Where(agree) => !agree(settings, other),
        }
    }

    /// The setting of that name.
    pub(crate) fn named(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

macro_rules! setting {
    ($key:literal, $($place:ident).+ $(, $mark:ident)*) => {
        setting!(@build $key, |s| Form::show(&s.$($place).+), |s, v| {
            s.$($place).+ = Form::read(v)?;
            Ok(())
        } $(, $mark)*)
    };
    (size $key:literal, $($place:ident).+ $(, $mark:ident)*) => {
        setting!(@build $key, |s| Size::show(s.$($place).+ as u64), |s, v| {
            s.$($place).+ = Size::read(v)?.try_into().map_err(|_| format!("is {v}, too large for this machine"))?;
            Ok(())
        } $(, $mark)*)
    };
    (@build $key:literal, $get:expr, $set:expr $(, $mark:ident)*) => {
        Setting {
            key: $key,
            live: if marked!(live $($mark)*) { Live::Yes } else { Live::No },
            secret: marked!(secret $($mark)*),
            get: $get,
            set: $set,
        }
    };
}

macro_rules! marked {
    (live live $($rest:ident)*) => { true };
    (secret secret $($rest:ident)*) => { true };
    ($wanted:ident $other:ident $($rest:ident)*) => { marked!($wanted $($rest)*) };
    ($wanted:ident) => { false };
}

/// All settings, in the order in which `config/example.toml` explains them.
pub(crate) const SETTINGS: &[Setting] = &[
    setting!("version", version),
    setting!("data", data),
    setting!("user", user),
    setting!("group", group),
    setting!("log.level", log.level, live),
    setting!("log.format", log.format),
    Setting {
        key: "http.listen",
        live: Live::Where(|s, other| s.proxy.listens_as(&other.proxy)),
        secret: false,
        get: |s| s.proxy.listen.show(),
        set: |s, v| {
            s.proxy.listen = Form::read(v)?;
            Ok(())
        },
    },
    setting!("http.dual_stack", proxy.dual_stack),
    setting!("http.workers", proxy.workers),
    setting!("http.trusted", proxy.trusted, live),
    setting!("http.forwarded", proxy.forwarded, live),
    setting!("http.debug_headers", proxy.debug_headers, live),
    setting!("http.via", proxy.via, live),
    setting!("http.error_pages", proxy.error_pages, live),
    Setting {
        key: "http.memory",
        live: Live::Yes,
        secret: false,
        get: |s| s.proxy.memory.map_or_else(|| Value::Text("group".into()), Size::show),
        set: |s, v| {
            let group = matches!(v, Value::Text(text) if text == "group");
            s.proxy.memory = if group { None } else { Some(Size::read(v)?) };
            Ok(())
        },
    },
    setting!("http.drain", proxy.drain, live),
    setting!("access_log.path", proxy.access_log.target, live),
    setting!("access_log.format", proxy.access_log.format, live),
    setting!(size "access_log.queue", proxy.access_log.queue_bytes),
    setting!(size "client.request_line", proxy.client.request_line_bytes, live),
    setting!(size "client.head", proxy.client.head_bytes, live),
    setting!("client.headers", proxy.client.headers, live),
    Setting {
        key: "client.body",
        live: Live::Yes,
        secret: false,
        get: |s| s.proxy.client.body_bytes.map_or_else(|| Value::Text("unlimited".into()), Size::show),
        set: |s, v| {
            let unlimited = matches!(v, Value::Text(text) if text == "unlimited");
            s.proxy.client.body_bytes = if unlimited { None } else { Some(Size::read(v)?) };
            Ok(())
        },
    },
    setting!("client.head_timeout", proxy.client.head_timeout, live),
    setting!("client.keep_alive_timeout", proxy.client.keep_alive_timeout, live),
    setting!("client.idle_timeout", proxy.client.idle_timeout, live),
    setting!(size "client.min_rate", proxy.client.min_rate, live),
    setting!("client.min_rate_window", proxy.client.min_rate_window, live),
    setting!("client.tunnel_timeout", proxy.client.tunnel_timeout, live),
    setting!(size "client.drain", proxy.client.drain_bytes, live),
    setting!("client.connections", proxy.client.connections),
    setting!("client.connections_per_address", proxy.client.connections_per_address, live),
    setting!("client.requests_per_connection", proxy.client.requests_per_connection, live),
    setting!("upstream.connect_timeout", proxy.upstream.connect_timeout, live),
    setting!("upstream.response_timeout", proxy.upstream.response_timeout, live),
    setting!("upstream.idle_timeout", proxy.upstream.idle_timeout, live),
    setting!("upstream.keep_alive_timeout", proxy.upstream.keep_alive_timeout, live),
    setting!("upstream.idle_per_endpoint", proxy.upstream.idle_per_endpoint, live),
    setting!("upstream.idle_connections", proxy.upstream.idle_connections, live),
    setting!("upstream.connections", proxy.upstream.connections),
    setting!("upstream.queue", proxy.upstream.queue, live),
    setting!("upstream.queue_timeout", proxy.upstream.queue_timeout, live),
    setting!(size "upstream.head", proxy.upstream.head_bytes, live),
    setting!("upstream.headers", proxy.upstream.headers, live),
    setting!("upstream.informational", proxy.upstream.informational, live),
    setting!("upstream.retries", proxy.upstream.retries, live),
    setting!("upstream.retry_budget_percent", proxy.upstream.retry_budget_percent, live),
    setting!("upstream.retry_budget_floor", proxy.upstream.retry_budget_floor, live),
    setting!(size "upstream.replay", proxy.upstream.replay_bytes, live),
    setting!("upstream.resolve_min", proxy.upstream.resolve_min),
    setting!("upstream.resolve_interval", proxy.upstream.resolve_interval),
    setting!("upstream.resolvers", proxy.upstream.resolvers),
    setting!("upstream.allow", proxy.upstream.allow, live),
    setting!("upstream.deny", proxy.upstream.deny, live),
    setting!("upstream.unix", proxy.upstream.unix, live),
    setting!("health.dead_ttl", proxy.health.dead_ttl, live),
    setting!("health.dead_on_500", proxy.health.dead_on_500, live),
    Setting {
        key: "health.active_checks",
        live: Live::No,
        secret: false,
        get: |s| Form::show(&s.proxy.health.active_checks),
        // Checks of our own, and the word of others: one switch.
        set: |s, v| {
            s.proxy.health.active_checks = Form::read(v)?;
            s.registry.config.active_checks = s.proxy.health.active_checks;
            Ok(())
        },
    },
    setting!("health.check_interval", proxy.health.check.interval, live),
    setting!("health.check_timeout", proxy.health.check.timeout, live),
    setting!("health.check_rise", proxy.health.check.rise, live),
    setting!("health.check_fall", proxy.health.check.fall, live),
    setting!("health.check_jitter", proxy.health.check.jitter_percent, live),
    setting!("health.checks_at_once", proxy.health.check.at_once, live),
    setting!(size "health.check_body", proxy.health.check.body_bytes, live),
    Setting {
        key: "dns.listen",
        live: Live::No,
        secret: false,
        get: |s| if s.dns.listen.is_empty() { Value::Text("off".into()) } else { s.dns.listen.show() },
        set: |s, v| {
            let off = |v: &Value| matches!(v, Value::Text(text) if text == "off");
            let is_off =
                off(v) || matches!(v, Value::List(values) if matches!(&values[..], [one] if off(one)));
            s.dns.listen = if is_off { Vec::new() } else { Form::read(v)? };
            Ok(())
        },
    },
    setting!("dns.threads", dns.threads),
    setting!("dns.zone", dns.zone),
    setting!("dns.ttl_service", dns.ttl_service),
    setting!("dns.ttl_host", dns.ttl_host),
    setting!("dns.negative_ttl", dns.negative_ttl),
    setting!("dns.name_servers", dns.name_servers),
    setting!("dns.reverse", dns.reverse),
    setting!("dns.zone_files", dns.zone_files, live),
    setting!(size "dns.zone_file_size", dns.zone_file_bytes, live),
    setting!("dns.forward", dns.forward),
    setting!("dns.forward_allow", dns.forward_allow),
    setting!("dns.forward_private", dns.forward_private),
    setting!(size "dns.cache_size", dns.cache_bytes),
    setting!(size "dns.receive_buffer", dns.receive_buffer_bytes),
    setting!("dns.tcp_connections", dns.tcp_connections),
    setting!("dns.tcp_connections_per_address", dns.tcp_connections_per_address),
    setting!("dns.tcp_idle", dns.tcp_idle),
    setting!("dns.tcp_message", dns.tcp_message),
    setting!("dns.key_file", dns.key_file),
    setting!("dns.transfer_allow", dns.transfer_allow),
    setting!("dns.transfers", dns.transfers),
    setting!("dns.notify", dns.notify),
    setting!("dns.update_allow", dns.update_allow),
    setting!("dns.allow", dns.allow, live),
    setting!("dns.deny", dns.deny, live),
    setting!("dns.cookies", dns.cookies, live),
    setting!("dns.cookie_secret", dns.cookie_secret, live, secret),
    setting!("dns.nsid", dns.nsid, live),
    setting!("dns.rate_limit", dns.rate_limit, live),
    setting!("dns.rate_limit_slip", dns.rate_limit_slip, live),
    setting!("dns.rate_limit_allow", dns.rate_limit_allow, live),
    setting!(size "dns.rate_limit_table", dns.rate_limit_table_bytes, live),
    setting!("dns.max_age", dns.max_age),
    setting!("registry.url", registry.url, secret),
    setting!("registry.node", registry.node),
    setting!("registry.addresses", registry.addresses),
    setting!("registry.lease", registry.config.lease),
    setting!("registry.lost", registry.config.lost),
    setting!("registry.cache", registry.cache),
    setting!("registry.history", registry.config.history),
    setting!("registry.timeout", registry.config.timeout),
    setting!("registry.reconnect_max", registry.config.reconnect_max),
    setting!("registry.reconcile", registry.config.reconcile),
    setting!("registry.hold", registry.config.hold),
    setting!("registry.hold_older", registry.config.hold_older),
    setting!("registry.ca_file", registry.config.ca_file),
    setting!("registry.configure_keyspace_events", registry.config.configure_keyspace_events),
    setting!(size "registry.max_value", registry.config.max_value),
    setting!("control.enabled", control.enabled),
    setting!("control.fleet", control.config.fleet),
    setting!("control.lease", control.config.lease),
    setting!("control.interval", control.config.interval),
    setting!("control.call_timeout", control.config.call_timeout),
    setting!("control.host_grace", control.config.host_grace),
    setting!("control.node_grace", control.config.node_grace),
    setting!("control.backoff", control.config.backoff),
    setting!("control.backoff_max", control.config.backoff_max),
    setting!("control.forget", control.config.forget),
    setting!("control.failures", control.config.failures),
    setting!("control.max_processes", control.config.max_processes),
    Setting {
        key: "control.memory",
        live: Live::No,
        secret: false,
        get: |s| s.control.config.memory.map_or_else(|| Value::Text("unlimited".into()), Size::show),
        set: |s, v| {
            let unlimited = matches!(v, Value::Text(text) if text == "unlimited");
            s.control.config.memory = if unlimited { None } else { Some(Size::read(v)?) };
            Ok(())
        },
    },
    setting!("control.host_paths", control.config.host_paths),
    setting!("control.label_frontends", control.config.label_frontends),
    setting!("control.resolvers", control.config.resolvers),
    setting!("control.search", control.config.search),
    setting!("control.hooks", control.config.hooks),
    setting!("control.hook_timeout", control.config.hook_timeout),
    setting!("control.actions", control.config.actions),
    setting!("control.action_timeout", control.config.action_timeout),
    setting!("control.host_wait", control.config.host_wait),
    setting!("control.host_idle", control.config.host_idle),
    setting!("control.addresses", control.config.addresses),
    setting!("control.tls_ca", control.tls_ca),
    setting!("control.tls_cert", control.tls_cert),
    setting!("control.tls_key", control.tls_key),
    setting!("control.plain_engines", control.plain_engines),
    setting!("control.ssh_config", control.ssh_config),
    setting!("control.login", control.login),
    setting!("admin.listen", admin.listen),
    setting!("admin.token", admin.token, secret),
    setting!("admin.connections", admin.connections),
    setting!("admin.requests", admin.requests),
    setting!("admin.waits", admin.waits),
    setting!("admin.events", admin.events),
    setting!("admin.head_timeout", admin.head_timeout),
    setting!("admin.request_timeout", admin.request_timeout),
    setting!("admin.operations", admin.operations),
    setting!("admin.operation_timeout", admin.operation_timeout),
    setting!("admin.connection_lifetime", admin.connection_lifetime),
    setting!("admin.drain", admin.drain),
    setting!(size "admin.head", admin.head_bytes),
    setting!("admin.headers", admin.headers),
    setting!(size "admin.body", admin.body_bytes),
    setting!(size "admin.import", admin.import_bytes),
    setting!("admin.live_wait", admin.live_wait),
    setting!("admin.page", admin.page),
];

impl Form for Format {
    fn show(&self) -> Value {
        Value::Text(
            match self {
                Self::Text => "text",
                Self::Json => "json",
            }
            .into(),
        )
    }

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) if text == "text" => Ok(Self::Text),
            Value::Text(text) if text == "json" => Ok(Self::Json),
            other => Err(format!("is {other}, but must be \"text\" or \"json\"")),
        }
    }
}
