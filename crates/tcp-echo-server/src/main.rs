//! The lecture's TCP server: `socket`, `bind`, `listen`, then `accept` for each client, `recv` and `send` while it has
//! something to say, and `close`.
//!
//! Its partner is `tcp-echo-client`. Both at once, in two terminals:
//!
//! ```text
//! cargo run -p tcp-echo-server -- --trace
//! cargo run -p tcp-echo-client
//! ```
//!
//! This file makes the listening socket. What becomes of the clients is a design: one after the other in `iterative.rs`,
//! all at once in `threads.rs`. What is said to each of them is in `echo.rs`.

#![forbid(unsafe_code)]

mod echo;
#[cfg(unix)]
mod events;
mod iterative;
mod threads;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use common::berkeley::{OwnedFd, SocketType, bind, listen, socket};
use common::prefix::Prefix;
use common::signal::Stop;
use common::wait::Patience;
use common::{address, cli, exit, listener};

use echo::Echo;

const NAME: &str = "tcp-echo-server";

/// Send back to each TCP client what it sends, with a prefix before each piece
#[derive(Parser)]
#[command(name = NAME, version)]
struct Options {
    #[command(flatten)]
    listen: cli::Listen,

    /// How clients are served
    #[arg(long, value_enum, default_value_t = Design::Threads)]
    design: Design,

    /// Text to put before each piece that is sent back; '' for a plain echo (RFC 862)
    #[arg(long, value_name = "TEXT", default_value = Prefix::LECTURE)]
    prefix: Prefix,

    /// Clients that may wait to be accepted; the system may allow fewer (net.core.somaxconn)
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(i32).range(1..=65_535))]
    backlog: i32,

    /// Most bytes to receive at once; the lecture has 1024
    #[arg(long, value_name = "BYTES", default_value = "32KiB", value_parser = cli::buffer_size)]
    buffer: usize,

    /// Most clients to serve at once, with --design threads; the others wait
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,

    /// How long a client may be silent before it is cut off; 0s: for ever
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = cli::duration)]
    idle_timeout: Duration,

    /// How long clients may take to finish when the server is asked to stop
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::duration)]
    drain: Duration,

    /// Serve one client and exit
    #[arg(long)]
    once: bool,

    /// Say when a client comes and goes
    #[arg(long, short)]
    verbose: bool,

    #[command(flatten)]
    trace: cli::Trace,
}

#[derive(Clone, Copy, ValueEnum)]
enum Design {
    /// One after the other, as in the lecture
    Iterative,
    /// All at once, a thread for each
    Threads,
    /// All at once, with a few threads that never wait for one client
    #[cfg(unix)]
    Events,
}

fn main() -> ExitCode {
    let options = Options::parse();
    exit::report(NAME, run(options))
}

fn run(options: Options) -> Result<()> {
    options.trace.turn_on(NAME)?;
    let listener = open(&options)?;
    let stop = Stop::on_signals()?;
    listener::announce(NAME, &listener)?;
    let idle = Some(options.idle_timeout).filter(|idle| !idle.is_zero());
    let echo = Echo {
        patience: Patience { stop, idle, drain: options.drain },
        prefix: options.prefix,
        buffer_bytes: options.buffer,
        once: options.once,
        verbose: options.verbose,
    };
    match options.design {
        Design::Iterative => iterative::serve(listener, &echo),
        Design::Threads => threads::serve(listener, &echo, options.max_connections as usize),
        #[cfg(unix)]
        Design::Events => events::serve(listener, &echo, options.max_connections as usize, 1),
    }
}

/// The server's end point: `socket`, `bind`, `listen`.
fn open(options: &Options) -> Result<OwnedFd> {
    let addresses = address::to_listen_on(options.listen.host.as_deref(), options.listen.port)?;
    listener::first_that_opens(&addresses, |address| {
        let listener = socket(address.family(), SocketType::STREAM)?;
        listener::prepare(&listener, address)?;
        bind(&listener, address)?;
        listen(&listener, options.backlog)?;
        Ok(listener)
    })
}
