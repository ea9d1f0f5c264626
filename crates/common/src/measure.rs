//! What every measurement has around its loop, `ping` and `load` of both clients: the options, and the end of the story.

use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use clap::Args;

use crate::address::Address;
use crate::prefix::Prefix;
use crate::signal::Stop;
use crate::stats::report::{Ended, Head, Kind, Measured, Program, Rate, Settings, Target};
use crate::stats::{Outcome, Tally, Times, Trouble};
use crate::{Errno, cli, exit, log, screen};

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

    /// Print one JSON document at the end, and nothing else; its form is report.schema.json in the sources of the crate common
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

/// Prints the report, and on stderr why its account may not be exact.
///
/// Errors: a reply was lost, late or wrong; nothing was sent that counts; stdout can't be written.
pub fn finish(measured: &Measured, json: bool, stop: &Stop) -> Result<()> {
    let is_read = screen::print_until(measured.text(json), stop).context("cannot report")?;
    if let Some(doubt) = &measured.doubt {
        log::line(measured.head.program.name, doubt);
    }
    let (account, errors, address) = (&measured.account, &measured.errors, &measured.head.target.address);
    if account.missing() > 0 {
        let what = format!("cannot get every reply from {address}: {}", account.in_vain());
        let hint = remedy(measured, &what);
        bail!(match hint {
            Some(hint) => exit::hinted(what, hint),
            None => Error::msg(what),
        });
    } else if errors.corrupt > 0 {
        bail!("cannot accept the replies of {address}: {} are not what was sent", errors.corrupt);
    } else if measured.ended == Ended::Failed {
        bail!("cannot reach {address} any more: {errors}");
    } else if account.sent == 0 && is_read {
        bail!("cannot measure {address}: no request was sent that counts; errors: {errors}");
    }
    Ok(())
}

/// Why nothing at all came back, where the system has said so: there is no point in trying again.
pub fn in_vain(measured: &Measured) -> Option<Error> {
    let first = measured.causes.first().filter(|_| measured.account.received == 0);
    let words = match first {
        Some((_, words)) => words.to_owned(),
        None if is_refused(measured) => exit::plain(Errno::CONNREFUSED),
        None => return None,
    };
    let what = format!("cannot reach {}: {words}", measured.head.target.address);
    Some(match remedy(measured, &what) {
        Some(hint) => exit::hinted(what, hint),
        None => Error::msg(what),
    })
}

/// Nobody listens there, as far as is known.
fn is_refused(measured: &Measured) -> bool {
    measured.account.received == 0 && measured.errors.connect_refused > 0
}

/// What to do about it if `what` is to be said of a measurement.
fn remedy(measured: &Measured, what: &str) -> Option<&'static str> {
    let of_the_first = || match measured.causes.first() {
        _ if is_refused(measured) => exit::remedy(Errno::CONNREFUSED, what),
        Some((errno, _)) if measured.account.received == 0 => exit::remedy(errno, what),
        _ => None,
    };
    let is_never_right = measured.account.received == 0 && measured.errors.corrupt > 0;
    measured.hint.or_else(of_the_first).or(is_never_right.then_some(ANOTHER_PREFIX))
}
