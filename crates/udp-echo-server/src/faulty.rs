//! The lecture's design behind a bad network: `recvfrom`, and some time later, perhaps, `sendto`.
//!
//! `simple.rs` with a step in between, which `faults.rs` does: what it is given, it gives back later, changed, twice, or
//! never. So this loop waits for two things, the next datagram and the next reply that is due.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::berkeley::{OwnedFd, close};
use common::signal::Stop;
use common::wait::Wake;

use crate::faults::Network;
use crate::options::Faults;
use crate::server::{Server, datagram_comes};
use crate::simple::{answer, is_passing, receive, room_bytes};

/// Answers datagrams as `simple::serve` does, with these faults. Asked to stop, it sends what is still on its way, for as long
/// as `drain`.
///
/// Errors: the socket itself is broken.
pub fn serve(socket: OwnedFd, mut server: Server, faults: Faults, drain: Duration, stop: &Stop) -> Result<()> {
    let prefix_bytes = server.prefix.as_bytes().len();
    let mut buffer = server.prefix.buffer(room_bytes(&server));
    let mut network = Network::new(faults, prefix_bytes);
    loop {
        match datagram_comes(&socket, stop, network.next_due())? {
            Wake::Ready(_) => match receive(&socket, &mut buffer[prefix_bytes..], server.everywhere) {
                Ok(incoming) => {
                    let reply = &buffer[..prefix_bytes + incoming.length];
                    server.tally.received.add(1);
                    server.has_lost(incoming.dropped);
                    if reply.len() == buffer.len() {
                        server.tally.too_large(&incoming.peer, incoming.length);
                    } else if server.admits(&incoming.peer, &incoming.asked, &reply[prefix_bytes..], Instant::now) {
                        network.put(reply, incoming, Instant::now(), &server.tally);
                    }
                }
                Err(errno) if is_passing(errno) => {}
                Err(errno) => return Err(errno).context("cannot receive datagrams"),
            },
            Wake::TimedOut => {}
            Wake::Stop => break,
        }
        send_due(&socket, &server, &mut network);
    }
    let end = Instant::now() + drain;
    network.let_all_go(Instant::now());
    while let Some(due) = network.next_due().filter(|due| *due <= end) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        send_due(&socket, &server, &mut network);
    }
    network.cut_off(&server.tally);
    server.tally.look();
    close(socket);
    Ok(())
}

/// Sends the replies whose time has come.
fn send_due(socket: &OwnedFd, server: &Server, network: &mut Network) {
    while let Some(reply) = network.take(Instant::now()) {
        let sent = answer(socket, &reply.data, &reply.to);
        reply.left(sent.is_ok(), &server.tally);
        if reply.is_copy() {
            continue;
        }
        match sent {
            Ok(_) => server.show(&reply.data[server.prefix.as_bytes().len()..], &reply.to.peer),
            Err(errno) => server.tally.not_sent(errno, &reply.to.peer, reply.data.len()),
        }
    }
}
