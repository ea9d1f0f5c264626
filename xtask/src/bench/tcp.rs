//! `cargo xtask bench tcp`: what an echo costs our server, a bare epoll loop, and each peer that is installed.

mod callgrind;
mod generators;
pub mod load;
pub mod peers;
pub mod scenes;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{Bench, Pace, Rounds};

/// The programs that it needs, and the yardsticks for both.
const PACKAGES: [&str; 2] = ["tcp-echo-server", "tcp-echo-client"];
const YARDSTICK: &str = "bare_epoll";
const LOAD_YARDSTICK: &str = "bare_load";

/// Measure tcp-echo-server against other TCP echo servers
///
/// It takes about twenty minutes. The exit status is 1 when a bar is missed. The machine should have nothing else to do.
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
    /// Messages to and fro on 50 and 500 connections
    Echo,
    /// The same on 1,000 connections, and beside 9,000 that are idle
    Scale,
    /// Memory for 10,000 idle connections
    Idle,
    /// Connect, one message, close
    Churn,
    /// 512 MiB on one connection, both ways
    Bulk,
    /// The lecture's prefix, and none
    Prefix,
    /// Instructions with the tracing code and without it
    Trace,
    /// Our client's load beside other generators, against our server and the bare one
    Load,
}

/// Measures what was asked for.
///
/// Errors: this is not Linux; a program can't be built; our own server can't be measured.
pub fn run(options: &Options) -> Result<ExitCode> {
    let bench = open(options.rounds.pace)?;
    let lineup = peers::lineup(&bench)?;
    let scenes = options.only.map_or(Scene::value_variants().to_vec(), |only| vec![only]);
    let makes = scenes.into_iter().flat_map(scenes::tables).collect();
    let figures = "us: microseconds of the server's processor time, the kernel's on its behalf included";
    bench.report(&lineup, figures, makes, &options.rounds)
}

/// Builds what is needed to measure a TCP server.
///
/// Errors: as [`Bench::new`].
pub fn open(pace: Pace) -> Result<Bench> {
    Bench::new(pace, &PACKAGES, &[YARDSTICK, LOAD_YARDSTICK])
}
