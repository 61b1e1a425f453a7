//! The Lua scripts, each with the functions it builds on.

use std::sync::LazyLock;

use redis::Script;

/// The counter and the digests of keys; reads only.
pub(super) static DIGESTS: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("lua/digest.lua"), include_str!("lua/digests.lua"))));

/// Numbers foreign changes.
pub(super) static NUMBER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/digest.lua"),
        include_str!("lua/revision.lua"),
        include_str!("lua/number.lua")
    ))
});

/// Renews leases.
pub(super) static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/digest.lua"),
        include_str!("lua/stands.lua"),
        include_str!("lua/renew.lua")
    ))
});

/// Writes facts.
pub(super) static WRITE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("lua/digest.lua"),
        include_str!("lua/revision.lua"),
        include_str!("lua/stands.lua"),
        include_str!("lua/write.lua")
    ))
});

/// Takes marks of endpoints back.
pub(super) static ALIVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/alive.lua")));

/// Says that our checks run.
pub(super) static PING: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/ping.lua")));

/// Marks endpoints dead.
pub(super) static MARK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/mark.lua")));

/// Enters a node into the index of nodes; said in a pipeline with its report, so it is sent as text.
pub(super) const ENTER: &str = include_str!("lua/enter.lua");

/// The nodes of the index.
pub(super) const MEMBERS: &str = include_str!("lua/members.lua");
