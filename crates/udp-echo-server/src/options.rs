//! The command line.

use std::time::Duration;

#[cfg(target_os = "linux")]
use clap::error::ErrorKind;
#[cfg(unix)]
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use common::cli;
use common::prefix::Prefix;

use crate::NAME;
use crate::rate::Rate;

/// What says that the socket is in the file system, where some of the other options mean nothing.
#[cfg(unix)]
const IN_FILE_SYSTEM: [&str; 2] = ["unix", "unix_mode"];

/// What says something of a socket that the server makes itself.
#[cfg(unix)]
const OWN_SOCKET_ONLY: [&str; 6] = ["host", "port", "unix", "unix_mode", "workers", "receive_buffer"];

/// What else says nothing of one in the file system.
#[cfg(unix)]
const NETWORK_ONLY: [&str; 3] = ["allow_same_port", "allow_low_ports", "rate_limit"];

/// Send each UDP datagram back to where it came from, with a prefix
///
/// Some datagrams are never answered, because the answer would go round in a loop or hit somebody who did not ask: those
/// from port 0, from this server's own port, from ports below 1024, to a broadcast or multicast address, those that two
/// echo servers send each other, and more from one address than --rate-limit allows.
///
/// A datagram socket that systemd or another starter hands over (LISTEN_FDS) is used instead of an own one. With --unix, a client
/// must have bound its socket to a name, or there is nowhere to send the answer.
#[derive(Parser)]
#[command(name = NAME, version)]
pub struct Options {
    #[command(flatten)]
    pub door: cli::Door,

    /// How datagrams are answered [default: batch where there is such a thing, which is on Linux; with --unix always simple]
    #[arg(long, value_enum)]
    pub design: Option<Design>,

    /// Threads for --design batch, each with a socket of its own on the same port; a client's datagrams all go to one of them
    #[cfg(target_os = "linux")]
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: u16,

    /// Text to put before each datagram that is sent back; '' for a plain echo (RFC 862)
    #[arg(long, value_name = "TEXT", default_value = Prefix::LECTURE)]
    pub prefix: Prefix,

    /// How much may wait to be received; the system may allow less (net.core.rmem_max)
    #[arg(long, value_name = "BYTES", default_value = "4MiB", value_parser = cli::buffer_size)]
    #[cfg_attr(unix, arg(conflicts_with_all = IN_FILE_SYSTEM))]
    pub receive_buffer: usize,

    /// Answer clients whose port is this server's own: they may be another such server, or this one by another address
    #[arg(long)]
    #[cfg_attr(unix, arg(conflicts_with_all = IN_FILE_SYSTEM))]
    pub allow_same_port: bool,

    /// Answer clients whose port is below 1024: they may be a server that answers anything, such as echo or chargen
    #[arg(long)]
    #[cfg_attr(unix, arg(conflicts_with_all = IN_FILE_SYSTEM))]
    pub allow_low_ports: bool,

    /// Go on answering a client that sends back what it was sent, for load generators that repeat one payload
    #[arg(long)]
    pub no_loop_guard: bool,

    /// Most datagrams a second to answer from one address, this machine's excepted; or off
    #[arg(long, value_name = "N", default_value_t = Rate::DEFAULT)]
    #[cfg_attr(unix, arg(conflicts_with_all = IN_FILE_SYSTEM))]
    pub rate_limit: Rate,

    /// How long delayed replies may take to leave when the server is asked to stop
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::duration)]
    pub drain: Duration,

    /// Print each datagram that is answered, as the lecture's server does
    #[arg(long, short)]
    pub verbose: bool,

    #[command(flatten)]
    pub trace: cli::Trace,

    #[command(flatten)]
    pub faults: Faults,

    /// What was given, and has no effect on a socket that was handed over.
    #[cfg(unix)]
    #[arg(skip)]
    pub own_socket_only: Vec<String>,

    /// What else was given, and has no effect on one that was handed over and is in the file system.
    #[cfg(unix)]
    #[arg(skip)]
    pub network_only: Vec<String>,
}

impl Options {
    /// Reads the command line; ends the process with status 2 if it is wrong. So it is if an option would have no effect.
    pub fn read() -> Options {
        let given = Options::command().get_matches();
        #[cfg_attr(windows, expect(unused_mut))]
        let mut options = Options::from_arg_matches(&given).unwrap_or_else(|error| error.exit());
        #[cfg(unix)]
        {
            let is_default = |name: &str| given.value_source(name) != Some(ValueSource::CommandLine);
            let is_given = |name: &&&str| given.ids().any(|id| id == **name) && !is_default(name);
            let long = |name: &&str| format!("--{}", name.replace('_', "-"));
            options.own_socket_only = OWN_SOCKET_ONLY.iter().filter(is_given).map(long).collect();
            options.network_only = NETWORK_ONLY.iter().filter(is_given).map(long).collect();
            #[cfg(target_os = "linux")]
            if options.design == Some(Design::Batch) {
                options.network_only.push("--design batch".to_owned());
            }
        }
        #[cfg(target_os = "linux")]
        if let Some(option) = options.one_for_batch_alone().filter(|_| options.design() != Design::Batch) {
            let one_by_one = "datagrams are answered one by one with --design simple, with --unix and on a bad network";
            let error = format!("{option} has no effect: {one_by_one}");
            Options::command().error(ErrorKind::ArgumentConflict, error).exit();
        }
        options
    }

    /// The design that is used: with a bad network, or in the file system, there's only one.
    pub fn design(&self) -> Design {
        #[cfg(unix)]
        let one_by_one = self.faults.any() || self.door.unix.is_some();
        #[cfg(windows)]
        let one_by_one = self.faults.any();
        if one_by_one { Design::Simple } else { self.design.unwrap_or(Design::DEFAULT) }
    }

    /// An option that was given, and that only one design knows.
    #[cfg(target_os = "linux")]
    fn one_for_batch_alone(&self) -> Option<&'static str> {
        match self.design {
            Some(Design::Batch) => Some("--design batch"),
            _ => (self.workers > 1).then_some("--workers"),
        }
    }
}

/// How datagrams are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Design {
    /// One after the other, as in the lecture
    Simple,
    /// All that have come, and then all their replies, many with one system call where that pays
    #[cfg(target_os = "linux")]
    Batch,
}

impl Design {
    #[cfg(target_os = "linux")]
    const DEFAULT: Design = Design::Batch;
    #[cfg(not(target_os = "linux"))]
    const DEFAULT: Design = Design::Simple;
}

/// What is to happen to the replies, as if there were a network where there's none.
///
/// A share is one of all replies, on average; which ones is settled by the seed and their order alone. What can be seen of a
/// reply that was dropped is nothing, so nothing else happens to it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "A bad network on demand (datagrams are answered one by one then)")]
pub struct Faults {
    /// Don't send this share of the replies
    #[arg(long, value_name = "SHARE", default_value = "0%", hide_default_value = true, value_parser = cli::share)]
    pub drop: f64,

    /// Send this share of them twice
    #[arg(long, value_name = "SHARE", default_value = "0%", hide_default_value = true, value_parser = cli::share)]
    pub duplicate: f64,

    /// Send this share of them after the next one to the same client instead of before it, or after 500ms
    #[arg(long, value_name = "SHARE", default_value = "0%", hide_default_value = true, value_parser = cli::share)]
    pub reorder: f64,

    /// Send each so much later
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = cli::duration)]
    pub delay: Duration,

    /// Send each up to so much later, every time differently; this lets none overtake another
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = cli::duration)]
    pub jitter: Duration,

    /// Cut off what a client's datagram has beyond N bytes; the prefix stays whole, and is not counted
    #[arg(long, value_name = "N")]
    pub truncate: Option<usize>,

    /// Change one byte in this share of them, behind the prefix; an empty datagram has none to change
    #[arg(long, value_name = "SHARE", default_value = "0%", hide_default_value = true, value_parser = cli::share)]
    pub corrupt: f64,

    /// Where the random numbers begin: the same replies have the same fate for the same seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

impl Faults {
    /// Whether anything is to happen.
    pub fn any(&self) -> bool {
        let shares = [self.drop, self.duplicate, self.reorder, self.corrupt];
        let late = self.delay > Duration::ZERO || self.jitter > Duration::ZERO;
        late || self.truncate.is_some() || shares.iter().any(|share| *share > 0.0)
    }
}
