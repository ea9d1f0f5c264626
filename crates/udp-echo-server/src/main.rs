//! The lecture's UDP server: `socket`, `bind`, then `recvfrom` and `sendto` for each datagram.
//!
//! Its partner is `udp-echo-client`. Both at once, in two terminals:
//!
//! ```text
//! cargo run -p udp-echo-server -- --host 127.0.0.1 --trace
//! cargo run -p udp-echo-client
//! ```
//!
//! This file makes the socket. The loop is in `simple.rs`; whom it answers, and whom it had better not, is in `guard.rs`,
//! with `repeats.rs` for recognising a loop and `rate.rs` for the limit per source; what it did is counted in `tally.rs`.

#![forbid(unsafe_code)]

mod guard;
mod rate;
mod repeats;
mod simple;
mod tally;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use common::address::Address;
use common::berkeley::{OwnedFd, SocketType, bind, socket};
use common::prefix::Prefix;
use common::signal::Stop;
use common::{Errno, address, cli, exit, listener, log, sockopt};

use guard::{Guard, Rules};
use rate::Rate;
use simple::Server;

const NAME: &str = "udp-echo-server";

/// How much may wait to be received: a burst of a few thousand small datagrams. The kernel gives what it may.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Send each UDP datagram back to where it came from, with a prefix
///
/// Some datagrams are never answered, because the answer would go round in a loop or hit somebody who did not ask: those
/// from port 0, from this server's own port, from ports below 1024, to a broadcast or multicast address, those that two
/// echo servers send each other, and more from one address than --rate-limit allows.
#[derive(Parser)]
#[command(name = NAME, version)]
struct Options {
    #[command(flatten)]
    listen: cli::Listen,

    /// Text to put before each datagram that is sent back; '' for a plain echo (RFC 862)
    #[arg(long, value_name = "TEXT", default_value = Prefix::LECTURE)]
    prefix: Prefix,

    /// Answer clients whose port is this server's own: they may be another such server, or this one by another address
    #[arg(long)]
    allow_same_port: bool,

    /// Answer clients whose port is below 1024: they may be a server that answers anything, such as echo or chargen
    #[arg(long)]
    allow_low_ports: bool,

    /// Go on answering a client that sends back what it was sent, for load generators that repeat one payload
    #[arg(long)]
    no_loop_guard: bool,

    /// Most datagrams a second to answer from one address, this machine's excepted; or off
    #[arg(long, value_name = "N", default_value_t = Rate::DEFAULT)]
    rate_limit: Rate,

    /// Print each datagram that is answered, as the lecture's server does
    #[arg(long, short)]
    verbose: bool,

    #[command(flatten)]
    trace: cli::Trace,
}

fn main() -> ExitCode {
    let options = Options::parse();
    exit::report(NAME, run(options))
}

fn run(options: Options) -> Result<()> {
    options.trace.turn_on(NAME)?;
    let socket = open(&options)?;
    let stop = Stop::on_signals()?;
    let local = listener::announce(NAME, &socket)?.internet().context("cannot serve a socket without a port")?;
    let rules = Rules {
        local,
        prefix: options.prefix.as_bytes().to_vec(),
        allow_same_port: options.allow_same_port,
        allow_low_ports: options.allow_low_ports,
        loop_guard: !options.no_loop_guard,
        rate_limit: options.rate_limit,
    };
    let server = Server { local, prefix: options.prefix, guard: Guard::new(rules), verbose: options.verbose };
    let tally = simple::serve(socket, server, &stop)?;
    log::line(NAME, tally);
    Ok(())
}

/// The server's end point: `socket` and `bind`. There is no `listen` and no `accept`: all clients share this one socket.
fn open(options: &Options) -> Result<OwnedFd> {
    let addresses = address::to_listen_on(options.listen.host.as_deref(), options.listen.port)?;
    let socket = listener::first_that_opens(&addresses, |address| {
        let socket = socket(address.family(), SocketType::DGRAM)?;
        listener::prepare_datagram(&socket, address)?;
        ask_where_to(&socket, address)?;
        bind(&socket, address)?;
        Ok(socket)
    })?;
    sockopt::set_receive_buffer(&socket, RECEIVE_BUFFER_BYTES).context("cannot set up the socket")?;
    Ok(socket)
}

/// On every interface, an answer has to come from the address that was asked: see `simple.rs`.
#[cfg(unix)]
fn ask_where_to(socket: &OwnedFd, address: &Address) -> Result<(), Errno> {
    match address.internet() {
        Some(address) if address.ip().is_unspecified() => common::packet_info::turn_on(socket, &address),
        _ => Ok(()),
    }
}

/// On Windows the system chooses.
#[cfg(windows)]
fn ask_where_to(_socket: &OwnedFd, _address: &Address) -> Result<(), Errno> {
    Ok(())
}
