//! A load from its options to its report.

use std::cell::Cell;

use anyhow::{Context, Result, bail};
use common::exit;
use common::listener::raise_descriptor_limit;
use common::measure::{self, ns};
use common::screen::{self, bytes, counted};
use common::signal::Stop;
use common::stats::Plan;
use common::stats::report::{Kind, Measured, Settings};
use common::stats::schedule::be_punctual;

use super::engine::Engine;
use super::{Options, search};
use crate::PROGRAM;
use crate::flow::{self, LARGEST_DATAGRAM_BYTES};

/// Descriptors that are not flows: stdin, stdout, stderr, the event queue (2), the signals' pipe (4), a trace file, and some to
/// spare.
const OTHER_DESCRIPTORS: u64 = 16;
/// Two sockets for each flow.
const EACH: u64 = 2;

/// Opens the flows, sends and receives, and reports; or does that again and again, in search of a rate.
///
/// Errors: no address at first, or too many flows are wanted; a reply was lost, late or wrong; stdout can't be written.
pub fn run(options: &Options) -> Result<()> {
    let common = &options.measure;
    let trains = (options.train > 1).then_some("--train");
    flow::check_option(&common.server.host, options.way.option_of_networks().or(trains));
    let stop = Stop::on_signals()?;
    be_punctual();
    let fit = raise_descriptor_limit().map_or(u64::MAX, |limit| limit.saturating_sub(OTHER_DESCRIPTORS) / EACH);
    if u64::from(options.flows) > fit {
        let flows = counted(u64::from(options.flows), "flow");
        let what = format!("cannot open {flows}: the limit on descriptors leaves room for {fit}");
        return Err(exit::hinted(what, "raise the limit: ulimit -n"));
    }
    let (at_once, told_apart) = (u64::from(options.flows) * u64::from(options.window), told_apart(common.size));
    if options.rate.is_none() && !options.find_rate && at_once > told_apart {
        let bytes = bytes(common.size);
        bail!("cannot tell {at_once} requests apart: a number of {bytes} is the same again after {told_apart}");
    }
    let nobody = |error| common.nobody(Kind::Load, PROGRAM, options.settings(options.rate), options.find_rate, error);
    let peer = flow::find(&common.server.host, common.server.port, common.timeout).map_err(nobody)?;
    flow::fits(common.size, &peer)?;
    let train_bytes = common.size.saturating_mul(options.train as usize);
    if options.train > 1 && train_bytes > LARGEST_DATAGRAM_BYTES - 28 {
        bail!("cannot send trains of {} x {} bytes: together they may have 65,507", options.train, common.size);
    }
    if !common.json {
        screen::print_until(options.title(&peer.to_string()), &stop)?;
    }
    let open = |rate: Option<u32>| Engine::new(options, rate, &peer, &stop);
    let measure = |mut engine: Engine, rate: Option<u32>| -> Result<Measured> {
        let head = common.head(Kind::Load, PROGRAM, &peer);
        let outcome = engine.run(ns(options.warmup)).with_context(|| format!("cannot load {peer}"))?;
        Ok(engine.tally().report(head, options.settings(rate), &outcome))
    };
    if options.find_rate {
        let is_open = Cell::new(false);
        let trial = |rate| {
            let engine = open(rate)?;
            is_open.set(true);
            measure(engine, rate)
        };
        let found = search::highest_rate(options.max_loss, &stop, !common.json, trial);
        // What goes wrong later is no matter of whether somebody is there.
        let (measured, found) = found.map_err(|error| if is_open.get() { error } else { nobody(error) })?;
        let has_one = measured.search.iter().flatten().any(|trial| trial.passed);
        if common.json || has_one {
            let empty = if common.json { "" } else { "\n" };
            screen::print_until(format!("{empty}{}", measured.text(common.json)), &stop)?;
        }
        return found;
    }
    let measured = measure(open(options.rate).map_err(nobody)?, options.rate)?;
    if !common.json {
        screen::print_until("\n", &stop)?;
    }
    measure::finish(&measured, common.json, &stop)
}

/// How many requests of so many bytes differ: seven bits of a byte are the number's.
fn told_apart(size: usize) -> u64 {
    1 << (7 * size.min(8))
}

impl Options {
    /// What is sent when.
    pub fn plan(&self, rate: Option<u32>) -> Plan {
        Plan::new(rate, ns(self.warmup), self.duration().map(ns), self.count)
    }

    fn settings(&self, rate: Option<u32>) -> Settings {
        Settings {
            size_bytes: self.measure.size as u64,
            connections: u64::from(self.flows),
            pipeline: u64::from(self.window),
            train: u64::from(self.train),
            rate_per_second: rate.map(u64::from),
            interval_ns: None,
            timeout_ns: ns(self.measure.timeout),
            warmup_ns: ns(self.warmup),
            duration_ns: self.duration().map(ns),
            count: self.count,
        }
    }

    /// `LOAD localhost (127.0.0.1:2000): 1 flow, 64 bytes, 64 on their way, for 10s`
    fn title(&self, peer: &str) -> String {
        let flows = counted(u64::from(self.flows), "flow");
        let mut title = format!("LOAD {} ({peer}): {flows}", self.measure.server.host);
        title += &format!(", {}, ", bytes(self.measure.size));
        if self.train > 1 {
            title += &format!("in trains of {}, ", self.train);
        }
        title += &match self.rate {
            Some(rate) => counted(u64::from(rate), "request") + "/s",
            None if self.find_rate => format!("at most {} % missing", self.max_loss * 100.0),
            None => format!("{} on their way", self.window),
        };
        if let Some(duration) = self.duration() {
            let each = if self.find_rate { ", in runs of" } else { ", for" };
            title += &format!("{each} {}", humantime::format_duration(duration));
        }
        if let Some(count) = self.count {
            title += &format!(", up to {count}");
        }
        if !self.warmup.is_zero() {
            title += &format!(", after {} of warm-up", humantime::format_duration(self.warmup));
        }
        title + "\n"
    }
}
