//! Test whether a server is a good TCP echo server, point by point.

use anyhow::{Result, bail};
use clap::Args;
use common::cli;
use common::prefix::Prefix;

use crate::NAME;

/// Test whether a server is a good TCP echo server, point by point
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    server: cli::Server,

    /// Text that the server may put before each piece of its reply
    #[arg(long, value_name = "TEXT", default_value = Prefix::LECTURE)]
    prefix: Prefix,

    #[command(flatten)]
    trace: cli::Trace,
}

/// Errors: a reply was lost, late or wrong.
pub fn run(options: Options) -> Result<()> {
    options.trace.turn_on(NAME)?;
    let _ = (options.server, options.prefix);
    bail!("cannot check yet")
}
