//! Send a probe at each interval, and sum up how long the echoes took: ping(8), for a TCP echo server.
//!
//! All probes go over one connection, and a stream keeps their order: a reply that hangs keeps those behind it waiting. A
//! probe is sent when it is due all the same. If the connection is lost, the next probe begins with a new one.

mod probes;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use common::cli;
use common::measure::{self, ns};
use common::screen::bytes;
use common::signal::Stop;
use common::stats::report::{Kind, Milliseconds, Settings};
use common::stats::schedule::be_punctual;

use crate::{NAME, PROGRAM, connect};

use probes::{MOST_ON_THEIR_WAY, Probes};

/// Send a probe at each interval, and sum up how long the echoes took
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    measure: measure::Common,

    /// From one probe to the next
    #[arg(long, short, value_name = "TIME", default_value = "1s", value_parser = cli::some_duration)]
    interval: Duration,

    /// How many probes to send [default: until Ctrl-C]
    #[arg(long, short, value_name = "N", value_parser = cli::whole::<u64>(1..=u64::MAX))]
    count: Option<u64>,

    /// When to end, whatever is still on its way [default: never]
    #[arg(long, short = 'w', value_name = "TIME", value_parser = cli::some_duration)]
    deadline: Option<Duration>,
}

/// Pings until the count or the deadline is reached, or the user wants no more.
///
/// Errors: no connection at first; a reply was lost, late or wrong; stdout can't be written.
pub fn run(options: Options) -> Result<()> {
    let common = &options.measure;
    common.trace.turn_on(NAME)?;
    let stop = Stop::on_signals()?;
    be_punctual();
    let found = connect::to_any_timed(&common.server.host, common.server.port, common.timeout);
    let (connection, peer, took) =
        found.map_err(|error| common.nobody(Kind::Ping, PROGRAM, options.settings(), false, error))?;
    connect::prepare(&connection, &peer).context("cannot set the connection up")?;
    let (host, size, took_ns) = (&common.server.host, common.size, ns(took));
    let head = common.head(Kind::Ping, PROGRAM, &peer);
    let mut probes = Probes::new(&options, peer, connection, &stop);
    probes.tally.connect.record(took_ns);
    let took = Milliseconds(took_ns);
    probes.say(&format!("PING {host} ({}): {}, connected in {took} ms", head.target.address, bytes(size)))?;
    let outcome = probes.until_the_end()?;
    probes.say("")?;
    let measured = probes.tally.report(head, options.settings(), &outcome);
    measure::finish(&measured, common.json, &stop)
}

impl Options {
    fn settings(&self) -> Settings {
        Settings {
            size_bytes: self.measure.size as u64,
            connections: 1,
            pipeline: MOST_ON_THEIR_WAY as u64,
            interval_ns: Some(ns(self.interval)),
            timeout_ns: ns(self.measure.timeout),
            duration_ns: self.deadline.map(ns),
            count: self.count,
            ..Settings::default()
        }
    }
}
