//! What `ping` and `load` have in common around their loops: the options, and the end of the story.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use common::address::Address;
use common::berkeley::OwnedFd;
use common::cli;
use common::prefix::Prefix;
use common::sockopt::set_no_delay;
use common::stats::report::{self, Ended, Head, Kind, Measured, Target};

use crate::NAME;
use crate::stdio::Output;

/// After the user has asked to stop, replies on their way have so long to arrive.
pub const GRACE: Duration = Duration::from_secs(1);

/// Options of every measurement.
#[derive(Args)]
pub struct Common {
    #[command(flatten)]
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
    pub trace: cli::Trace,
}

impl Common {
    /// How the report begins.
    pub fn head(&self, kind: Kind, peer: &Address) -> Head {
        let (host, port) = (self.server.host.clone(), self.server.port);
        let target = Target { host, port, address: peer.to_string() };
        Head::new(kind, NAME, env!("CARGO_PKG_VERSION"), "tcp", target)
    }

    /// Requests go out at once, and don't wait for the acknowledgement of those before.
    ///
    /// Errors: as setsockopt(2).
    pub fn prepare(connection: &OwnedFd, peer: &Address) -> Result<(), common::Errno> {
        if peer.internet().is_some() { set_no_delay(connection) } else { Ok(()) }
    }
}

/// A duration in nanoseconds; one of centuries is as good as a longer one.
pub fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Prints the report.
///
/// Errors: a reply was lost, late or wrong; stdout can't be written.
pub fn finish(measured: &Measured, json: bool, output: &mut Output) -> Result<()> {
    let text = if json { report::json(measured) } else { measured.to_string() };
    output.write(text.as_bytes()).context("cannot report")?;
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
