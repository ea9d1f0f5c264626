//! The command line.

use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use common::cli;
use common::prefix::Prefix;

use crate::NAME;

/// Send back to each TCP client what it sends, with a prefix before each piece
///
/// A listening socket that systemd or another starter hands over (LISTEN_FDS) is used instead of an own one.
#[derive(Parser)]
#[command(name = NAME, version)]
pub struct Options {
    #[command(flatten)]
    pub door: cli::Door,

    /// How clients are served
    #[arg(long, value_enum, default_value_t = Design::DEFAULT)]
    pub design: Design,

    /// Text to put before each piece that is sent back; '' for a plain echo (RFC 862)
    #[arg(long, value_name = "TEXT", default_value = Prefix::LECTURE)]
    pub prefix: Prefix,

    /// Clients that may wait to be accepted; the system may allow fewer (net.core.somaxconn)
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = cli::whole::<i32>(1..=65_535))]
    pub backlog: i32,

    /// Most bytes to receive at once; the lecture has 1024
    #[arg(long, value_name = "BYTES", default_value = "32KiB", value_parser = cli::buffer_size)]
    pub buffer: usize,

    /// Most clients to serve at once; the others wait [default: as many as there are descriptors for, with threads 1024]
    #[arg(long, value_name = "N", value_parser = cli::whole::<u32>(1..=u64::MAX))]
    pub max_connections: Option<u32>,

    /// Event loops for --design events, each a thread [default: one for each processor]
    #[cfg(unix)]
    #[arg(long, value_name = "N", value_parser = cli::whole::<u16>(1..=1024))]
    pub workers: Option<u16>,

    /// How long a client may be silent before it is cut off; 0s: for ever
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = cli::duration)]
    pub idle_timeout: Duration,

    /// How long clients may take to finish when the server is asked to stop
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::duration)]
    pub drain: Duration,

    /// Serve one client and exit
    #[arg(long)]
    pub once: bool,

    /// Say when a client comes and goes
    #[arg(long, short)]
    pub verbose: bool,

    #[command(flatten)]
    pub trace: cli::Trace,

    #[command(flatten)]
    pub faults: Faults,

    /// What stood on the command line, by name.
    #[arg(skip)]
    given: Vec<String>,
}

impl Options {
    /// Reads the command line. Wrong usage ends the process, with status 2.
    pub fn read() -> Options {
        let matches = Options::command().get_matches();
        let mut options = Options::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let is_given = |name: &&str| matches.value_source(name) == Some(ValueSource::CommandLine);
        options.given = matches.ids().map(clap::Id::as_str).filter(is_given).map(str::to_owned).collect();
        options
    }

    /// A line for each option that was given and does nothing, because of another or because the socket was `handed_over`. A
    /// script may well try one design after the other with the same options: so that's no wrong usage.
    pub fn without_effect(&self, handed_over: bool) -> impl Iterator<Item = String> + '_ {
        let faults = &self.faults;
        #[cfg(unix)]
        let uses_events = self.design == Design::Events;
        #[cfg(windows)]
        let uses_events = false;
        let causes: [(bool, &str, &[&str]); 6] = [
            (handed_over, "a socket was handed over", &["host", "port", "unix", "unix_mode", "backlog"]),
            (
                faults.never_accept,
                "nobody is accepted",
                &[
                    "design",
                    "prefix",
                    "buffer",
                    "max_connections",
                    "workers",
                    "idle_timeout",
                    "drain",
                    "once",
                    "verbose",
                ],
            ),
            (faults.any() && uses_events, "with faults on demand each client has a thread", &["design", "workers"]),
            (self.design == Design::Iterative, "one client is served at a time", &["max_connections", "workers"]),
            (self.design == Design::Threads, "each client has a thread", &["workers"]),
            (self.once, "only one client is served", &["max_connections", "workers"]),
        ];
        self.given.iter().filter_map(move |given| {
            let (_, cause, _) = causes.iter().find(|(so, _, names)| *so && names.contains(&given.as_str()))?;
            Some(format!("--{} has no effect: {cause}", given.replace('_', "-")))
        })
    }
}

/// How clients are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Design {
    /// One after the other, as in the lecture
    Iterative,
    /// All at once, a thread for each
    Threads,
    /// All at once, with a few threads that never wait for one client
    #[cfg(unix)]
    Events,
}

impl Design {
    #[cfg(unix)]
    const DEFAULT: Design = Design::Events;
    #[cfg(windows)]
    const DEFAULT: Design = Design::Threads;
}

/// What the server is to do wrong, so that clients can be tested against it. With any of these, each client has a thread.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Faults on demand (each client has a thread then)")]
pub struct Faults {
    /// Wait before each reply
    #[arg(long, value_name = "TIME", value_parser = cli::some_duration)]
    pub delay: Option<Duration>,

    /// Send replies in pieces of N bytes, each by itself; with --seed of 1 to N
    #[arg(long, value_name = "N", value_parser = cli::buffer_size)]
    pub chunk: Option<usize>,

    /// Send each client N bytes, then nothing more
    #[arg(long, value_name = "N", group = "end", value_parser = cli::whole::<u64>(0..=u64::MAX))]
    pub stall_after: Option<u64>,

    /// Send each client N bytes, then reset the connection
    #[arg(long, value_name = "N", group = "end", value_parser = cli::whole::<u64>(0..=u64::MAX))]
    pub reset_after: Option<u64>,

    /// Send each client N bytes, then close the connection
    #[arg(long, value_name = "N", group = "end", value_parser = cli::whole::<u64>(0..=u64::MAX))]
    pub close_after: Option<u64>,

    /// Listen, but never accept anybody
    #[arg(long, conflicts_with_all = ["delay", "chunk", "end"])]
    pub never_accept: bool,

    /// Where the random numbers begin: the same ones for the same seed
    #[arg(long, value_name = "N", requires = "chunk", value_parser = cli::whole::<u64>(0..=u64::MAX))]
    pub seed: Option<u64>,
}

impl Faults {
    /// Whether anything is to go wrong in a conversation.
    pub fn any(&self) -> bool {
        let ends = self.stall_after.or(self.reset_after).or(self.close_after);
        self.delay.is_some() || self.chunk.is_some() || ends.is_some()
    }
}
