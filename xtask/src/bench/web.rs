//! `cargo xtask bench web`: what a request costs tiny-web, and each web server that is installed.

mod hostile;
mod load;
mod peers;
mod scenes;

use std::fs;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use super::workshop::works;
use super::{Bench, Rounds};

/// Where the kernel says how it finds out how fast it may send, on which the cost of a large file depends.
const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// Measure tiny-web against other web servers
///
/// It takes about ten minutes. The exit status is 1 when a bar is missed. The machine should have nothing else to do. The
/// load is wrk's, with one thread.
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
    /// 1 KiB, on 50 connections that stay
    Small,
    /// 1 KiB, each on a connection of its own
    Close,
    /// 100 KiB, on 10 connections
    Medium,
    /// 10 MiB, on 4 connections
    Large,
    /// Memory with nothing to do
    Memory,
    /// Memory for 10,000 connections that stay and are idle
    Idle,
    /// Time from the command to the first answer
    Start,
    /// A log, conditional requests, ranges, compressed neighbours
    Features,
    /// A good client's time to an answer beside hostile ones
    Hostile,
}

/// Measures what was asked for.
///
/// Errors: this is not Linux; wrk(1) is missing; a program can't be built; our own server can't be measured.
pub fn run(options: &Options) -> Result<ExitCode> {
    let bench = Bench::new(options.rounds.pace, &["tiny-web"], &[])?;
    // Asked for its version, wrk exits with 1.
    if !works("sh", &["-c", "command -v wrk"]) {
        let why = "cannot measure without wrk(1); to have it: apt install wrk";
        ensure!(bench.smoke, "{why}");
        return bench.skip(why).map(|()| ExitCode::SUCCESS);
    }
    load::make_files(&bench.workshop)?;
    let lineup = peers::lineup(&bench)?;
    let scenes = options.only.map_or(Scene::value_variants().to_vec(), |only| vec![only]);
    let makes = scenes.into_iter().flat_map(scenes::tables).collect();
    let control = fs::read_to_string(CONGESTION_CONTROL).unwrap_or_default();
    let figures = format!(
        "us: microseconds of the server's processor time, the kernel's on its behalf included\n\
         TCP sends as {} allows (net.ipv4.tcp_congestion_control)",
        control.trim()
    );
    bench.report(&lineup, &figures, makes, &options.rounds)
}
