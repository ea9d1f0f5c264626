//! What every measurement has around its loop, `ping` and `load` of both clients: the options, and the end of the story.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::address::Address;
use crate::prefix::Prefix;
use crate::stats::report::{Ended, Head, Kind, Measured, Program, Target};
use crate::{cli, screen};

/// After the user has asked to stop, replies on their way have so long to arrive.
pub const GRACE: Duration = Duration::from_secs(1);

/// Options of every measurement.
#[derive(Args, Debug)]
pub struct Common {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: cli::Server,

    /// Bytes of a request: its number, when it was sent and the run's nonce, as far as they fit, and a pattern
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = cli::buffer_size)]
    pub size: usize,

    /// How long connecting or a reply may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::some_duration)]
    pub timeout: Duration,

    /// Text that the server may put before each piece of its reply
    #[arg(long, value_name = "TEXT", default_value = Prefix::LECTURE)]
    pub prefix: Prefix,

    /// Print one JSON document at the end, and nothing else; its schema is in crates/common/report.schema.json
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub trace: cli::Trace,
}

impl Common {
    /// How the report begins of a run that begins now.
    pub fn head(&self, kind: Kind, program: Program, peer: &Address) -> Head {
        Head::new(kind, program, Target { address: peer.to_string(), ..Target::of(&self.server) })
    }
}

/// A duration in nanoseconds; one of centuries is as good as a longer one.
pub fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Prints the report.
///
/// Errors: a reply was lost, late or wrong; stdout can't be written.
pub fn finish(measured: &Measured, json: bool) -> Result<()> {
    screen::print(measured.text(json)).context("cannot report")?;
    let (account, errors, address) = (&measured.account, &measured.errors, &measured.head.target.address);
    if account.missing() > 0 {
        bail!("cannot get every reply from {address}: {} of {} are missing", account.missing(), account.sent);
    } else if errors.corrupt > 0 {
        bail!("cannot accept the replies of {address}: {} are not what was sent", errors.corrupt);
    } else if measured.ended == Ended::Failed {
        bail!("cannot reach {address} any more: {errors}");
    }
    Ok(())
}
