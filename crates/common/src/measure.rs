//! What every measurement has around its loop, `ping` and `load` of both clients: the options, and the end of the story.

use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use clap::Args;

use crate::address::Address;
use crate::check::our_shortage;
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

    /// There is nobody to measure, for this reason, which is handed back: with `--json`, a document says so as well. If it
    /// `searches` for a rate, it has tried none.
    pub fn nobody(&self, kind: Kind, program: Program, settings: Settings, searches: bool, why: Error) -> Error {
        if self.json {
            // If that fails too, the first reason is the better one.
            let _ = screen::print(self.nothing(kind, program, settings, searches, &why).text(true));
        }
        why
    }

    fn nothing(&self, kind: Kind, program: Program, settings: Settings, searches: bool, why: &Error) -> Measured {
        let has_schedule = settings.rate_per_second.is_some() || settings.interval_ns.is_some();
        let mut tally = Tally { from_schedule: has_schedule.then(Times::default), ..Tally::default() };
        let errno = why.root_cause().downcast_ref().copied();
        // Where there are no connections, a way that is missing, and what we are short of, are told as they are of a datagram.
        let is_of_a_datagram = |errno: &Errno| {
            let is_told_so = Trouble::sending(*errno) == Trouble::Unreachable || our_shortage(why).is_some();
            program.transport == "udp" && is_told_so
        };
        if let Some(errno) = errno.filter(is_of_a_datagram) {
            tally.errors.count(Trouble::sending(errno));
            tally.causes.count(errno, || exit::plain(errno));
        } else {
            tally.errors.count(errno.map_or(Trouble::ConnectFailed, Trouble::connecting));
        }
        let nothing = Rate::of(0, 0);
        let offered = has_schedule.then_some(nothing);
        let outcome = Outcome { ended: Ended::Failed, elapsed_ns: 0, offered, achieved: nothing };
        let head = Head::new(kind, program, Target::of(&self.server));
        Measured { search: searches.then(Vec::new), ..tally.report(head, settings, &outcome) }
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
/// Errors: a reply was lost, late or wrong; nothing was sent that counts; the server could not be reached for a while; stdout can't
/// be written.
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
    } else if errors.connect_refused + errors.connect_timeout + errors.connect_failed > 0 {
        bail!("cannot reach {address} all the time: {errors}");
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        common: Common,
    }

    /// What is told of a measurement that did not begin.
    fn nothing(transport: &'static str, why: Error, searches: bool) -> serde_json::Value {
        let Options { common } = Options::parse_from(["program", "localhost"]);
        let program = Program { name: "program", version: "1", transport };
        let measured = common.nothing(Kind::Load, program, Settings::default(), searches, &why);
        serde_json::from_str(&measured.text(true)).unwrap()
    }

    #[test]
    fn why_there_is_nobody_is_told_as_it_would_be_of_a_request() {
        let network = exit::plain(Errno::NETUNREACH);
        let shortage = exit::plain(Errno::MFILE);
        for (transport, errno, error, cause) in [
            ("udp", Errno::NETUNREACH, "unreachable", Some(network)),
            ("udp", Errno::MFILE, "other", Some(shortage)),
            ("udp", Errno::CONNREFUSED, "connect_refused", None),
            ("udp", Errno::ACCESS, "connect_failed", None),
            ("tcp", Errno::NETUNREACH, "connect_failed", None),
            ("tcp", Errno::TIMEDOUT, "connect_timeout", None),
        ] {
            let report = nothing(transport, Error::new(errno).context("cannot reach localhost"), false);
            let errors: u64 = report["errors"].as_object().unwrap().values().filter_map(|count| count.as_u64()).sum();
            assert_eq!((errors, &report["errors"][error]), (1, &1.into()), "{report}");
            let causes = cause.map(|cause| serde_json::json!({ "cause": cause, "count": 1 }));
            assert_eq!(report["causes"], serde_json::Value::from_iter(causes), "{report}");
        }
        let report = nothing("udp", Error::msg("no such name"), false);
        assert_eq!((&report["errors"]["connect_failed"], &report["search"]), (&1.into(), &serde_json::Value::Null));
        assert_eq!(nothing("udp", Error::msg("no such name"), true)["search"], serde_json::json!([]));
    }
}
