//! The highest rate at which little enough is missing: doubling until it is too much, then halving the distance.

use anyhow::{Result, anyhow};
use common::measure::in_vain;
use common::screen;
use common::signal::Stop;
use common::stats::report::{Ended, Measured, Trial};

/// More runs than this tell nothing more: what a busy machine can do changes in the meantime.
const MOST_TRIALS: usize = 24;
/// The search ends when the rates that pass and fail are as close as this: a machine does not do the same twice.
const CLOSE_ENOUGH: f64 = 1.05;
/// The first rate to be tried: any server can do that.
const FIRST_RATE: u32 = 1000;
/// No machine sends more than this.
const HIGHEST_RATE: u32 = 100_000_000;

/// Makes runs at different rates. Returns the best that has passed, with all that were tried and how the search ended; where
/// none has passed, the last that was tried. If no rate was found, nobody is there any more, or a later run came to nothing, it
/// says so besides.
///
/// Errors: not even the first run could be made; stdout can't be written.
pub fn highest_rate(
    max_loss: f64,
    stop: &Stop,
    says_more: bool,
    run: impl Fn(Option<u32>) -> Result<Measured>,
) -> Result<(Measured, Result<()>)> {
    let (mut rate, mut tried) = (FIRST_RATE, Vec::new());
    let (mut passed_at, mut failed_at, mut broken) = (0, None, None);
    // Who is asked to stop before this has begun ends it at once, and it tells so.
    let mut measured = run(Some(rate))?;
    let mut newest = None;
    while !stop.is_asked() {
        let this = newest.as_ref().unwrap_or(&measured);
        broken = in_vain(this);
        let trial = judge(rate, this, broken.is_some(), max_loss);
        if says_more {
            screen::print_until(format!("{trial}\n"), stop)?;
        }
        tried.push(trial);
        if trial.passed {
            passed_at = rate;
        } else {
            failed_at = Some(rate);
        }
        measured = newest.take().filter(|_| trial.passed || passed_at == 0).unwrap_or(measured);
        if broken.is_some() || tried.len() == MOST_TRIALS {
            break;
        }
        let Some(next) = next_rate(passed_at, failed_at) else { break };
        rate = next;
        match run(Some(rate)) {
            Ok(measured) => newest = Some(measured),
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    let percent = max_loss * 100.0;
    if says_more && passed_at > 0 {
        // It has not looked any further, or could not.
        let name = if broken.is_some() || stop.is_asked() { "highest so far" } else { "highest rate" };
        let requests = if passed_at == 1 { "request" } else { "requests" };
        screen::print_until(format!("{name:<14} {passed_at:>9} {requests}/s: at most {percent} % missing\n"), stop)?;
    }
    let ended = match broken {
        Some(_) => Ended::Failed,
        None if stop.is_asked() => Ended::Signal,
        None => measured.ended,
    };
    let found = match broken {
        Some(error) => Err(error),
        None if passed_at > 0 => Ok(()),
        None if stop.is_asked() => Err(anyhow!("cannot find a rate in so short a time")),
        None => Err(anyhow!("cannot find a rate at which at most {percent} % are missing")),
    };
    Ok((Measured { ended, search: Some(tried), ..measured }, found))
}

/// The rate to try after one has passed (0: none yet) and another has failed.
fn next_rate(passed: u32, failed: Option<u32>) -> Option<u32> {
    match (passed, failed) {
        (0, None) => Some(FIRST_RATE),
        (passed, None) => (passed < HIGHEST_RATE / 2).then_some(passed.saturating_mul(2)),
        (0, Some(failed)) => (failed > 1).then_some(failed / 2),
        (passed, Some(failed)) => {
            let between = passed + (failed - passed) / 2;
            (f64::from(failed) / f64::from(passed) > CLOSE_ENOUGH && between > passed).then_some(between)
        }
    }
}

/// What was due and not sent, for want of time, is missing too: this was not the rate. Nor was it, if the server went away
/// before the end, however little was missing until then, or all was in vain, however much may be missing.
fn judge(rate: u32, measured: &Measured, is_in_vain: bool, max_loss: f64) -> Trial {
    let offered = measured.offered.map_or(measured.account.sent, |offered| offered.requests);
    let missing = offered.saturating_sub(measured.account.received);
    let is_cut_short = is_in_vain || measured.ended == Ended::Failed;
    let passed = !is_cut_short && missing as f64 <= offered as f64 * max_loss;
    Trial { rate_per_second: u64::from(rate), offered, missing, passed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::stats::report::{Head, Kind, Rate, Settings, Target};
    use common::stats::{Outcome, Tally};
    use proptest::prelude::*;

    /// A run of 1,000 requests, of which one was refused.
    fn run(ended: Ended) -> Measured {
        let target = Target { host: "localhost".to_owned(), port: Some(2000), address: String::new() };
        let mut tally = Tally::default();
        (tally.account.sent, tally.account.received, tally.account.refused) = (1000, 999, 1);
        let rate = Rate::of(1000, 1_000_000_000);
        let outcome = Outcome { ended, elapsed_ns: 1_000_000_000, offered: Some(rate), achieved: rate };
        tally.report(Head::new(Kind::Load, crate::PROGRAM, target), Settings::default(), &outcome)
    }

    #[test]
    fn a_run_that_was_cut_short_has_not_passed_however_little_was_missing() {
        for (ended, passes) in [(Ended::Duration, true), (Ended::Failed, false)] {
            let trial = judge(1000, &run(ended), false, 0.01);
            assert_eq!((trial.offered, trial.missing, trial.passed), (1000, 1, passes));
        }
        assert!(!judge(1000, &run(Ended::Duration), true, 1.0).passed);
    }

    #[test]
    fn who_is_asked_to_stop_before_the_first_run_tells_that_and_blames_nobody() {
        let stop = Stop::on_signals().unwrap();
        stop.ask();
        let (measured, outcome) = highest_rate(0.01, &stop, false, |_| Ok(run(Ended::Signal))).unwrap();
        assert_eq!(outcome.unwrap_err().to_string(), "cannot find a rate in so short a time");
        assert_eq!((measured.ended, measured.search.map(|tried| tried.len())), (Ended::Signal, Some(0)));
    }

    #[test]
    fn a_run_that_can_not_be_made_loses_nothing_that_was_found() {
        let stop = Stop::on_signals().unwrap();
        for limit in [1, 1000, 4000] {
            let run = |rate| match rate {
                Some(rate) if rate <= limit => Ok(run(Ended::Duration)),
                _ => Err(anyhow!("cannot receive")),
            };
            let found = highest_rate(0.01, &stop, false, run);
            let Ok((measured, outcome)) = found else {
                assert_eq!(limit, 1, "the first rate is {FIRST_RATE}");
                continue;
            };
            assert_eq!(outcome.unwrap_err().to_string(), "cannot receive");
            let tried: Vec<u64> = measured.search.unwrap().iter().map(|trial| trial.rate_per_second).collect();
            assert_eq!((tried.last(), measured.ended), (Some(&u64::from(limit)), Ended::Failed));
            assert_eq!(measured.account.received, 999);
        }
    }

    proptest! {
        #[test]
        fn the_search_ends_close_to_the_limit_and_soon(limit in 1u32..50_000_000) {
            let (mut passed, mut failed, mut trials) = (0, None, 0);
            while let Some(rate) = next_rate(passed, failed) {
                trials += 1;
                if rate <= limit { passed = rate } else { failed = Some(rate) }
            }
            prop_assert!(trials <= MOST_TRIALS, "{trials}");
            prop_assert!(passed <= limit);
            prop_assert!(f64::from(limit) <= f64::from(passed.max(1)) * CLOSE_ENOUGH + 1.0, "{passed}");
        }
    }
}
