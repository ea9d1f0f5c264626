//! `cargo xtask bench udp`: what a datagram costs our server, a plain loop, and each peer that is installed.

mod flood;
mod peers;
mod scenes;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{Bench, Rounds};

/// The programs that it needs, and the yardstick.
const PACKAGES: [&str; 2] = ["udp-echo-server", "udp-echo-client"];
const YARDSTICK: &str = "plain_loop";

/// Measure udp-echo-server against other UDP echo servers
///
/// It takes about five minutes. The exit status is 1 when a bar is missed. The machine should have nothing else to do.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    rounds: Rounds,

    /// Measure only this
    #[arg(long, value_enum, value_name = "NAME")]
    only: Option<Scene>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scene {
    /// Datagrams of one client, and of sixteen, 64 under way
    Flows,
    /// Datagrams of 1,200 bytes in trains of 32, which the kernel takes as one (UDP_SEGMENT)
    Trains,
    /// One datagram at a time
    PingPong,
    /// Memory under a flood from a million senders that don't exist
    Flood,
}

/// Measures what was asked for.
///
/// Errors: this is not Linux; a program can't be built; our own server can't be measured.
pub fn run(options: &Options) -> Result<ExitCode> {
    let bench = Bench::new(options.rounds.pace, &PACKAGES, &[YARDSTICK])?;
    let lineup = peers::lineup(&bench)?;
    let scenes = options.only.map_or(Scene::value_variants().to_vec(), |only| vec![only]);
    let makes = scenes.into_iter().flat_map(scenes::tables).collect();
    let figures = "us: microseconds of the server's processor time, the kernel's on its behalf included";
    bench.report(&lineup, figures, makes, &options.rounds)
}
