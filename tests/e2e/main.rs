//! The five programs against each other, and against other people's, as their users run them.
//!
//! One module per topic, one harness. `cargo xtask e2e` builds the programs and says where they are; `cargo test -p e2e`
//! builds them itself. No test has a fixed port or waits for a fixed time; each is bounded, and leaves no process behind.

#![forbid(unsafe_code)]

mod browser;
mod check;
mod client;
mod doors;
mod endpoint;
mod harness;
mod life;
#[cfg(target_os = "linux")]
mod loops;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod network;
mod peers;
#[cfg(target_os = "linux")]
mod progress;
mod tcp;
mod trace;
#[cfg(target_os = "linux")]
mod turns;
mod udp;
mod udp_check;
mod udp_measure;
mod web;
