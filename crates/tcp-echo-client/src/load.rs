//! Send as much as many connections can, or at a given rate, check every byte, and sum up how long the echoes took.
//!
//! Without `--rate` each reply is followed by the next request ("closed loop"): it finds out how much a server can do. With
//! `--rate` requests are due on a schedule that doesn't wait for anybody ("open loop"): it finds out how long users would
//! wait. A request that can't be sent when it is due, because all connections are busy, is sent later, and its time counts
//! from when it was due.
//!
//! `common::stats::plan` says when requests are due, `load/engine.rs` is the event loop, `load/lines.rs` opens the connections
//! and opens those again that are lost; what is said on each is in `flow.rs`.

#[cfg(unix)]
mod engine;
#[cfg(unix)]
mod lines;
#[cfg(unix)]
mod run;

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use common::{cli, measure};

use crate::NAME;

/// How long to run when neither a duration nor a count is given.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

/// Send as much as many connections can, or at a given rate, and check every byte
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    measure: measure::Common,

    /// How many connections there are
    #[arg(long, short, value_name = "N", default_value_t = 10, value_parser = cli::whole::<u32>(1..=1_000_000))]
    connections: u32,

    /// Requests a second, over all connections [default: as many as come back]
    #[arg(long, short, value_name = "N", value_parser = cli::whole::<u32>(1..=u64::MAX))]
    rate: Option<u32>,

    /// How many requests may be on their way on one connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = cli::whole::<u32>(1..=65_536))]
    pipeline: u32,

    /// How long to send requests [default: 10s, or until the count is reached]
    #[arg(long, short, value_name = "TIME", value_parser = cli::some_duration)]
    duration: Option<Duration>,

    /// How many requests to send
    #[arg(long, value_name = "N", value_parser = cli::whole::<u64>(1..=u64::MAX))]
    count: Option<u64>,

    /// How long to send requests, before those that count
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = cli::duration)]
    warmup: Duration,
}

impl Options {
    fn duration(&self) -> Option<Duration> {
        self.duration.or_else(|| self.count.is_none().then_some(DEFAULT_DURATION))
    }
}

/// Loads the server until the time is over, the count is reached, or the user wants no more.
///
/// Errors: no connection at first, or too many are wanted; a reply was lost, late or wrong; stdout can't be written.
#[cfg(unix)]
pub fn run(options: Options) -> Result<()> {
    options.measure.trace.turn_on(NAME)?;
    run::run(&options)
}

/// The event loop needs what only Unix has.
#[cfg(windows)]
pub fn run(options: Options) -> Result<()> {
    options.measure.trace.turn_on(NAME)?;
    let _ = (options.connections, options.rate, options.pipeline, options.duration(), options.warmup);
    anyhow::bail!("cannot load: not on Windows yet")
}
