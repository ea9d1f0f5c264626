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
//! all at once in `threads.rs`, with a thread for each, and in `events.rs`, with a few for all. What is said to each of them
//! is in `echo.rs`, and in `faults.rs` how to get it wrong on demand.

#![forbid(unsafe_code)]

mod counters;
mod echo;
#[cfg(unix)]
mod events;
mod faults;
mod iterative;
mod options;
mod threads;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use common::berkeley::{OwnedFd, SocketType, bind, listen, socket};
use common::signal::Stop;
#[cfg(unix)]
use common::unix_socket::SocketFile;
use common::wait::Patience;
use common::{exit, listener, log};

use counters::Counters;
use echo::Echo;
use options::{Design, Options};

const NAME: &str = "tcp-echo-server";

fn main() -> ExitCode {
    let options = Options::read();
    exit::report(NAME, run(options))
}

fn run(options: Options) -> Result<()> {
    options.trace.turn_on(NAME)?;
    #[cfg(unix)]
    let handed_over = listener::handed_over()?;
    #[cfg(windows)]
    let handed_over = None;
    options.without_effect(handed_over.is_some()).for_each(|line| log::line(NAME, line));
    // The file of a socket that was handed over is the affair of whoever made it.
    #[cfg(unix)]
    let _file = options.door.unix.as_deref().filter(|_| handed_over.is_none()).map(SocketFile::make_way).transpose()?;
    let listener = handed_over.map_or_else(|| open(&options), Ok)?;
    let local = listener::address_of(&listener)?;
    let stop = Stop::on_signals()?;
    #[cfg(unix)]
    let requests = Arc::new(common::signal::Requests::on_usr1()?);
    let idle = Some(options.idle_timeout).filter(|idle| !idle.is_zero());
    let echo = Echo {
        patience: Patience { stop, idle, drain: options.drain },
        prefix: options.prefix.clone(),
        buffer_bytes: options.buffer,
        once: options.once,
        verbose: options.verbose,
        faults: Some(options.faults.clone()).filter(options::Faults::any),
        counters: Arc::new(Counters::new(options.faults.never_accept)),
        #[cfg(unix)]
        requests,
    };
    let served = serve(listener, &echo, &options, || listener::announce_at(NAME, &local));
    // The account comes last, whatever the end. Who fails before there is a client has none.
    let served = served.map_err(|error| exit::tell(NAME, error));
    if served.is_ok() || echo.counters.connections.get() > 0 {
        log::line(NAME, echo.counters);
    }
    served
}

/// Hands the listening socket to the design that was chosen. The server is `ready` when it has all that it needs to serve.
fn serve(listener: OwnedFd, echo: &Echo, options: &Options, ready: impl FnOnce()) -> Result<()> {
    let most = options.max_connections.map(|most| most as usize);
    #[cfg(unix)]
    if options.design == Design::Events && echo.faults.is_none() && !options.faults.never_accept {
        return events::serve(listener, echo, most, options.workers, ready);
    }
    #[cfg(unix)]
    report_on_request(echo)?;
    listener::leave_one_for_a_client(&listener)?;
    ready();
    if options.faults.never_accept {
        return faults::never_accept(listener, echo);
    }
    match options.design {
        Design::Iterative => iterative::serve(listener, echo),
        _ => threads::serve(listener, echo, most.unwrap_or(threads::MOST_CONNECTIONS)),
    }
}

/// The server's end point, unless this process was started with one: `socket`, `bind`, `listen`.
fn open(options: &Options) -> Result<OwnedFd> {
    listener::first_that_opens(&options.door.addresses()?, |address| {
        let listener = socket(address.family(), SocketType::STREAM)?;
        listener::prepare(&listener, address)?;
        bind(&listener, address)?;
        #[cfg(unix)]
        common::unix_socket::set_mode(address, options.door.unix_mode)?;
        listen(&listener, options.backlog)?;
        Ok(listener)
    })
}

/// Prints the counters each time that SIGUSR1 asks for them, in a thread of its own.
#[cfg(unix)]
fn report_on_request(echo: &Echo) -> Result<()> {
    use anyhow::Context;
    let (requests, counters) = (Arc::clone(&echo.requests), Arc::clone(&echo.counters));
    let report = move || {
        while requests.wait() {
            log::line(NAME, &counters);
        }
    };
    let thread = std::thread::Builder::new().stack_size(threads::STACK_BYTES);
    thread.spawn(report).context("cannot start a thread")?;
    Ok(())
}
