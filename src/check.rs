//! `portico check`: what a configuration would do, without doing it.

use std::io::{self, Write};

use crate::config::{Loaded, Place, SETTINGS, Settings, listener, registry_url};
use crate::failure::Failure;
use crate::privileges;

/// Looks at what a start would need from the machine, without taking any of it.
pub(crate) fn verify(loaded: &Loaded) -> Result<(), Failure> {
    privileges::wanted(&loaded.settings)?;
    dnsd::check(&loaded.settings.dns)?;
    let pages = loaded.settings.proxy.error_pages.as_deref();
    proxy::respond::Pages::load(pages).map(drop).map_err(|error| Failure::Proxy(error.into()))
}

/// Writes what this configuration would do.
pub(crate) fn describe(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let settings = &loaded.settings;
    match &loaded.file {
        Some(file) if loaded.hipache => writeln!(out, "{} is read as hipache's", file.display())?,
        Some(file) => writeln!(out, "{} is fine", file.display())?,
        None => writeln!(out, "no file: defaults, variables and flags")?,
    }
    let listeners: Vec<String> = settings.proxy.listen.iter().map(listener::describe).collect();
    let threads = match settings.proxy.workers {
        0 => "one thread a core".to_owned(),
        1 => "1 thread".to_owned(),
        n => format!("{n} threads"),
    };
    writeln!(out, "  serves HTTP on {}, {threads}", listeners.join(", "))?;
    dns(&settings.dns, out)?;
    if let Ok(url) = registry_url(loaded) {
        writeln!(out, "  routes by {url}")?;
    }
    match settings.admin.listen {
        Some(address) => {
            let token = if settings.admin.token.is_some() { "with a token" } else { "without a token" };
            writeln!(out, "  serves the admin API on {address}, {token}")?;
        }
        None => writeln!(out, "  serves no admin API")?,
    }
    writeln!(out, "  keeps its data in {}", settings.data.display())?;
    if let Some(user) = &settings.user {
        let group = settings.group.as_ref().map_or_else(String::new, |group| format!(", group {group}"));
        writeln!(out, "  becomes user {user}{group} once it listens, when started as root")?;
    }
    changed(loaded, out)?;
    remarks(loaded, out)
}

fn dns(settings: &dnsd::config::Config, out: &mut impl Write) -> io::Result<()> {
    if settings.listen.is_empty() {
        return writeln!(out, "  serves no DNS");
    }
    let listeners: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    let zones = match settings.zone_files.len() {
        0 => String::new(),
        1 => ", a zone from a file".to_owned(),
        files => format!(", {files} zones from files"),
    };
    writeln!(out, "  serves DNS on {} (UDP and TCP){zones}", listeners.join(", "))
}

fn changed(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let defaults = Settings::default();
    let changed: Vec<_> =
        SETTINGS.iter().filter(|setting| setting.get(&loaded.settings) != setting.get(&defaults)).collect();
    if changed.is_empty() {
        return writeln!(out, "all settings have their defaults");
    }
    writeln!(out, "settings other than the defaults:")?;
    for setting in changed {
        let value = match (setting.key, setting.secret) {
            ("registry.url", _) => registry_url(loaded).map_or_else(|_| String::new(), |url| url.to_string()),
            (_, true) => "(hidden)".to_owned(),
            (_, false) => setting.get(&loaded.settings).to_string(),
        };
        match loaded.place(setting.key) {
            Place::Default => writeln!(out, "  {} = {value}", setting.key)?,
            place => writeln!(out, "  {} = {value}    # {place}", setting.key)?,
        }
    }
    Ok(())
}

fn remarks(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    if !loaded.remarks.is_empty() {
        writeln!(out, "other than in the file:")?;
    }
    for remark in &loaded.remarks {
        writeln!(out, "  {remark}")?;
    }
    Ok(())
}
