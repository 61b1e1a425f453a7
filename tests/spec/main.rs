//! Promises, through the real binary and the network, beside the real servers that users have.
//!
//! Each file holds the promises of one matter; `world` starts and ends what they need. A test is three paragraphs: given,
//! when, then. No sleeps: a condition is waited for, with a deadline.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod canary;
mod checks;
mod clocks;
mod command_line;
mod compose;
mod demo;
mod disk;
mod dns;
mod dns_explain;
mod dns_forward;
mod dns_guards;
mod dns_names;
mod dns_services;
mod dns_transfer;
mod dns_update;
mod documents;
mod edges;
mod events;
mod exchange;
mod facts;
mod floods;
mod guard;
mod headline;
mod hipache;
mod launch;
mod launch_faults;
mod launch_hosts;
mod launch_images;
mod launch_logins;
mod launch_nodes;
mod launch_progress;
mod launch_reach;
mod launch_watched;
mod lifecycle;
mod limits;
mod listeners;
mod logs_exec;
mod memory;
mod names;
mod one_revision;
mod operate;
mod operator;
mod records;
mod redis;
mod redis_failovers;
mod redis_faults;
mod redis_production;
mod redis_secured;
mod routes;
mod services;
mod sinks;
mod slow;
mod soak;
mod threads;
mod tidy;
mod unix;
mod verify;
mod way_back;
mod world;
