//! The world around a promise: portico itself, a Redis, origins, a client; all on free ports, in a folder of their own.
//!
//! In: what a test wants to be there. Out: addresses, answers, what was logged. Never here: a process, a thread or a file that
//! outlives its `World` (each is ended by its own id when it is dropped); a wait without a deadline.

mod bystander;
mod client;
mod dig;
mod dns;
mod fleet;
mod haproxy;
mod helper;
mod load;
mod name_server;
mod nginx;
mod nsd;
mod origin;
mod portico;
mod redis;
mod redis_tls;
mod wait;
mod wide;

use std::path::{Path, PathBuf};

pub(crate) use bystander::{Bystander, Service};
pub(crate) use client::{Connection, Reply, get, send};
pub(crate) use dig::{Dug, dig, dig_all};
pub(crate) use dns::serial;
pub(crate) use fleet::Fleet;
pub(crate) use haproxy::Haproxy;
pub(crate) use helper::helped;
pub(crate) use load::{Ask, Judge, Load};
pub(crate) use name_server::{NameServer, Says};
pub(crate) use nginx::Nginx;
pub(crate) use nsd::Nsd;
pub(crate) use origin::{Origin, Script};
pub(crate) use portico::{Finished, Portico, portico};
pub(crate) use redis::{Redis, free_port};
pub(crate) use wait::{eventually, until, until_within};
pub(crate) use wide::WideOrigin;

/// A folder that everything of one test lives in; removed at the end.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("portico-spec-").tempdir().unwrap() }
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into its folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A Redis.
    pub(crate) fn redis(&self) -> Redis {
        Redis::start(&self.path("redis"), None)
    }

    /// A Redis that speaks TLS as well; with its URL and the file of its authority.
    pub(crate) fn redis_with_tls(&self) -> (Redis, String, PathBuf) {
        let (redis, url) = Redis::start_tls(&self.path("redis"));
        let authority = redis.file("ca.pem");
        (redis, url, authority)
    }

    /// A master, a replica of it, and three sentinels that know them as `m`; with the URL by which they are followed.
    pub(crate) fn redis_with_sentinels(&self) -> (Redis, Redis, Vec<Redis>, String) {
        let master = self.redis();
        let replica = Redis::start_replica(&self.path("replica"), &master);
        let sentinel = |i| Redis::start_sentinel(&self.path(&format!("sentinel{i}")), &master);
        let sentinels: Vec<Redis> = (0..3).map(sentinel).collect();
        let ports: Vec<String> = sentinels.iter().map(|s| format!("127.0.0.1:{}", s.port())).collect();
        eventually("all know each other", || {
            let said = sentinels.iter().map(|sentinel| sentinel.command(&["SENTINEL", "MASTER", "m"]));
            let known =
                |said: String| said.contains("num-slaves\n1\n") && said.contains("num-other-sentinels\n2\n");
            said.into_iter().all(known)
                && replica.command(&["INFO", "replication"]).contains("master_link_status:up")
        });
        (master, replica, sentinels, format!("redis+sentinel://{}/m", ports.join(",")))
    }

    /// An nginx that answers each request with its own name.
    pub(crate) fn nginx(&self, name: &str) -> Nginx {
        Nginx::start(&self.path(name), name)
    }

    /// portico, on the embedded registry in this world's data folder, with further arguments.
    pub(crate) fn portico(&self, arguments: &[&str]) -> Portico {
        self.portico_command(arguments).start()
    }

    /// The same, for a test that wants to look at how it starts.
    pub(crate) fn portico_command(&self, arguments: &[&str]) -> portico::Command {
        let data = self.path("data").display().to_string();
        let mut all = vec!["run", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "1"];
        all.extend(["--data", &data]);
        all.extend(arguments);
        portico(&all)
    }
}
