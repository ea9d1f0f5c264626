//! What every measurement has around its loop, `ping` and `load` of both clients: the options, and the end of the story.

use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use clap::Args;

use crate::address::Address;
use crate::prefix::Prefix;
use crate::signal::Stop;
use crate::stats::report::{Ended, Head, Kind, Measured, Program, Rate, Settings, Target};
use crate::stats::{Outcome, Tally, Times, Trouble};
use crate::{Errno, cli, exit, screen};

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

    /// There is nobody to measure, for this reason, which is handed back: with `--json`, a document says so as well.
    pub fn nobody(&self, kind: Kind, program: Program, settings: Settings, why: Error) -> Error {
        let has_schedule = settings.rate_per_second.is_some() || settings.interval_ns.is_some();
        let mut tally = Tally { from_schedule: has_schedule.then(Times::default), ..Tally::default() };
        let errno = why.root_cause().downcast_ref::<Errno>();
        tally.errors.count(errno.map_or(Trouble::ConnectFailed, |errno| Trouble::connecting(*errno)));
        let nothing = Rate::of(0, 0);
        let offered = has_schedule.then_some(nothing);
        let outcome = Outcome { ended: Ended::Failed, elapsed_ns: 0, offered, achieved: nothing };
        let head = Head::new(kind, program, Target::of(&self.server));
        if self.json {
            // If that fails too, the first reason is the better one.
            let _ = screen::print(tally.report(head, settings, &outcome).text(true));
        }
        why
    }
}

/// A duration in nanoseconds; one of centuries is as good as a longer one.
pub fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What to do if all replies are wrong, as they are behind another prefix.
const ANOTHER_PREFIX: &str =
    "a server may put another text before its replies than --prefix says; check finds out which";

/// Prints the report.
///
/// Errors: a reply was lost, late or wrong; nothing was sent that counts; stdout can't be written.
pub fn finish(measured: &Measured, json: bool, stop: &Stop) -> Result<()> {
    let is_read = screen::print_until(measured.text(json), stop).context("cannot report")?;
    let (account, errors, address) = (&measured.account, &measured.errors, &measured.head.target.address);
    if account.missing() > 0 {
        let what = format!("cannot get every reply from {address}: {}", account.in_vain());
        let is_never_right = account.received == 0 && errors.corrupt > 0;
        return Err(if is_never_right { exit::hinted(what, ANOTHER_PREFIX) } else { Error::msg(what) });
    } else if errors.corrupt > 0 {
        bail!("cannot accept the replies of {address}: {} are not what was sent", errors.corrupt);
    } else if measured.ended == Ended::Failed {
        bail!("cannot reach {address} any more: {errors}");
    } else if account.sent == 0 && is_read {
        bail!("cannot measure {address}: no request was sent that counts; errors: {errors}");
    }
    Ok(())
}
