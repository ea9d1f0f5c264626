//! Send a probe at each interval, and sum up how long the echoes took: ping(8), for a UDP echo server.
//!
//! Whatever may become of a datagram has its line and its count: lost, late, refused, cut, damaged, twice, overtaken, or from
//! an address that was not asked. At the end the last replies have their time, so that what is late is not lost.

mod probes;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use common::cli;
use common::measure::{self, ns};
use common::screen::bytes;
use common::signal::Stop;
use common::stats::report::{Kind, Settings};
use common::stats::schedule::be_punctual;

use crate::flow::{self, Flow, Way};
use crate::{NAME, PROGRAM};

use probes::Probes;

/// Send a probe at each interval, and sum up how long the echoes took
#[derive(Args)]
#[command(mut_arg("timeout", |timeout| timeout.default_value("1s").help(TIMEOUT)))]
#[command(mut_arg("size", |size| size.help(SIZE)))]
pub struct Options {
    #[command(flatten)]
    measure: measure::Common,

    /// From one probe to the next
    #[arg(long, short, value_name = "TIME", default_value = "1s", value_parser = cli::some_duration)]
    interval: Duration,

    /// How many probes to send [default: until Ctrl-C]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// When to end, whatever is still on its way [default: never]
    #[arg(long, short = 'w', value_name = "TIME", value_parser = cli::some_duration)]
    deadline: Option<Duration>,

    /// How many probes may be on their way
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    window: u32,

    #[command(flatten)]
    way: Way,
}

/// What the size means here.
pub const SIZE: &str = "Bytes of a request: its number, when it was sent and the run's nonce, as far as they fit, and a \
    pattern. From 24 on, replies are told apart even if a byte of them is damaged";
/// What the timeout means here.
pub const TIMEOUT: &str =
    "How long a reply may take; what comes later is late, and what doesn't come until the end is lost";

/// Pings until the count or the deadline is reached, or the user wants no more.
///
/// Errors: no address at first; a reply was lost, late or wrong; stdout can't be written.
pub fn run(options: Options) -> Result<()> {
    let common = &options.measure;
    flow::check_option(&common.server.host, options.way.option_of_networks());
    common.trace.turn_on(NAME)?;
    let stop = Stop::on_signals()?;
    be_punctual();
    let nobody = |error| common.nobody(Kind::Ping, PROGRAM, options.settings(), false, error);
    let peer = flow::find(&common.server.host, common.server.port, common.timeout).map_err(nobody)?;
    flow::fits(common.size, &peer)?;
    let flow = Flow::open(&peer, options.way).with_context(|| format!("cannot reach {peer}")).map_err(nobody)?;
    let (host, size, head) = (&common.server.host, bytes(common.size), common.head(Kind::Ping, PROGRAM, &peer));
    let mut probes = Probes::new(&options, peer, flow, &stop);
    probes.say(&format!("PING {host} ({}): {size}", head.target.address))?;
    let outcome = probes.until_the_end()?;
    probes.say("")?;
    let measured = probes.close().report(head, options.settings(), &outcome);
    measure::finish(&measured, common.json, &stop)
}

impl Options {
    fn settings(&self) -> Settings {
        Settings {
            size_bytes: self.measure.size as u64,
            pipeline: u64::from(self.window),
            interval_ns: Some(ns(self.interval)),
            timeout_ns: ns(self.measure.timeout),
            duration_ns: self.deadline.map(ns),
            count: self.count,
            ..Settings::default()
        }
    }
}
