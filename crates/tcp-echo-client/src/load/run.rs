//! A load from its options to its report.

use anyhow::Result;
use common::exit;
use common::listener::raise_descriptor_limit;
use common::measure::{self, ns};
use common::screen::{self, counted};
use common::signal::Stop;
use common::stats::Plan;
use common::stats::report::{Kind, Settings};
use common::stats::schedule::be_punctual;

use super::Options;
use super::engine::Engine;
use crate::{PROGRAM, connect};

/// Descriptors that are not connections: stdin, stdout, stderr, the event queue (2), the signals' pipe (4), a trace file, and
/// some to spare.
const OTHER_DESCRIPTORS: u64 = 16;

/// Opens the connections, sends and receives, and reports.
///
/// Errors: no connection at first, or too many are wanted; a reply was lost, late or wrong; stdout can't be written.
pub fn run(options: &Options) -> Result<()> {
    let common = &options.measure;
    let stop = Stop::on_signals()?;
    be_punctual();
    let fit = raise_descriptor_limit().map_or(u64::MAX, |limit| limit.saturating_sub(OTHER_DESCRIPTORS));
    if u64::from(options.connections) > fit {
        let connections = counted(u64::from(options.connections), "connection");
        let what = format!("cannot open {connections}: the limit on descriptors leaves room for {fit}");
        return Err(exit::hinted(what, "raise the limit: ulimit -n"));
    }
    let found = connect::to_any_timed(&common.server.host, common.server.port, common.timeout);
    let (connection, peer, took) =
        found.map_err(|error| common.nobody(Kind::Load, PROGRAM, options.settings(), false, error))?;
    let head = common.head(Kind::Load, PROGRAM, &peer);
    if !common.json {
        screen::print_until(options.title(&head.target.address), &stop)?;
    }
    let mut engine = Engine::new(options, peer, &stop)?;
    engine.tally.connect.record(ns(took));
    let outcome = engine.run(connection, ns(options.warmup))?;
    let measured = engine.tally.report(head, options.settings(), &outcome);
    measure::finish(&measured, common.json, &stop)
}

impl Options {
    /// What is sent when.
    pub fn plan(&self) -> Plan {
        Plan::new(self.rate, ns(self.warmup), self.duration().map(ns), self.count)
    }

    fn settings(&self) -> Settings {
        Settings {
            size_bytes: self.measure.size as u64,
            connections: u64::from(self.connections),
            pipeline: u64::from(self.pipeline),
            rate_per_second: self.rate.map(u64::from),
            timeout_ns: ns(self.measure.timeout),
            warmup_ns: ns(self.warmup),
            duration_ns: self.duration().map(ns),
            count: self.count,
            ..Settings::default()
        }
    }

    /// `LOAD localhost (127.0.0.1:2000): 10 connections, 64 bytes, as fast as replies come, for 10s`
    fn title(&self, peer: &str) -> String {
        let connections = counted(u64::from(self.connections), "connection");
        let mut title = format!("LOAD {} ({peer}): {connections}", self.measure.server.host);
        if self.pipeline > 1 {
            title += &format!(" with {} requests each", self.pipeline);
        }
        title += &format!(", {}, ", counted(self.measure.size as u64, "byte"));
        title +=
            &self.rate.map_or("as fast as replies come".to_owned(), |rate| counted(u64::from(rate), "request") + "/s");
        if let Some(duration) = self.duration() {
            title += &format!(", for {}", humantime::format_duration(duration));
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
