//! Send as much as a window allows, or at a given rate, check every byte, and sum up how long the echoes took.
//!
//! Without `--rate` each reply makes room for the next request ("closed loop"): it finds out how much a server can do. With
//! `--rate` requests are due on a schedule that waits for nobody ("open loop"), as they are in the world: there it shows how
//! much gets lost. `--find-rate` looks for the highest such rate by itself: `load/search.rs`.
//!
//! `common::stats::plan` says when requests are due, `load/engine.rs` is the event loop; which datagram answers which request
//! is in `ledger.rs`.

#[cfg(unix)]
mod engine;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod search;
#[cfg(unix)]
mod wire;

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use common::{cli, measure};

use crate::NAME;
use crate::flow::Way;
use crate::ping::{SIZE, TIMEOUT};

/// How long to run when neither a duration nor a count is given; and each run of a search.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);
const DEFAULT_TRIAL: Duration = Duration::from_secs(1);

/// Send as much as a window allows, or at a given rate, and check every byte
///
/// To compare servers: --json --window 64 --flows N --duration 5s --prefix '', with --size and perhaps --train.
#[derive(Args)]
#[command(mut_arg("timeout", |timeout| timeout.default_value("1s").help(TIMEOUT)))]
#[command(mut_arg("size", |size| size.help(SIZE)))]
pub struct Options {
    #[command(flatten)]
    measure: measure::Common,

    /// How many flows there are, each from a port of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    flows: u32,

    /// How many requests may be on their way on one flow, without a rate; a lost one keeps its place until --timeout
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    window: u32,

    /// Requests a second, over all flows [default: as many as come back]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// Look for the highest rate at which no more is missing than --max-loss allows: runs of a second, or of --duration
    #[arg(long, conflicts_with_all = ["rate", "count"])]
    find_rate: bool,

    /// The share of requests that may be missing
    #[arg(long, value_name = "PERCENT", default_value = "0.1%", value_parser = cli::share, requires = "find_rate")]
    max_loss: f64,

    /// How long to send requests [default: 10s, or until the count is reached]
    #[arg(long, short, value_name = "TIME", value_parser = cli::some_duration)]
    duration: Option<Duration>,

    /// How many requests to send
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// How long to send requests, before those that count
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = cli::duration)]
    warmup: Duration,

    /// Hand the kernel so many requests as one, for it to cut into datagrams as late as it can (UDP_SEGMENT, Linux); replies
    /// that come glued together are taken apart (UDP_GRO)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    train: u32,

    #[command(flatten)]
    way: Way,
}

impl Options {
    fn duration(&self) -> Option<Duration> {
        let default = if self.find_rate { DEFAULT_TRIAL } else { DEFAULT_DURATION };
        self.duration.or_else(|| self.count.is_none().then_some(default))
    }
}

/// Loads the server until the time is over, the count is reached, or the user wants no more.
///
/// Errors: no address at first; a reply was lost, late or wrong; no rate was found; stdout can't be written.
#[cfg(unix)]
pub fn run(options: Options) -> Result<()> {
    options.measure.trace.turn_on(NAME)?;
    run::run(&options)
}

/// The event loop needs what only Unix has.
#[cfg(windows)]
pub fn run(options: Options) -> Result<()> {
    options.measure.trace.turn_on(NAME)?;
    let _ = (options.flows, options.window, options.rate, options.max_loss, options.duration());
    let _ = (options.warmup, options.train, options.way);
    anyhow::bail!("cannot load: not on Windows yet")
}
