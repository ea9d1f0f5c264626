//! What all designs share: what the loop needs to know, and whether a datagram is answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use common::address::Address;
use common::listener;
#[cfg(unix)]
pub use common::packet_info::Asked;
use common::prefix::Prefix;

use crate::guard::{Datagram, Guard};
use crate::tally::Tally;

/// What the loop needs to know.
pub struct Server {
    /// Whether the socket is bound to every interface, so that the kernel has to be asked which address was meant.
    pub everywhere: bool,
    /// What goes before each datagram.
    pub prefix: Prefix,
    /// Whom not to answer.
    pub guard: Guard,
    /// What it did.
    pub tally: Arc<Tally>,
    /// Whether to print each datagram.
    pub verbose: bool,
    /// How many datagrams the kernel has dropped, as it told last.
    pub dropped: u32,
}

/// A datagram that has arrived.
#[derive(Clone)]
pub struct Incoming {
    /// How many bytes it brought.
    pub length: usize,
    /// Where it says that it came from.
    pub peer: Address,
    /// Where it was sent to, as far as the kernel was asked.
    pub asked: Option<Asked>,
    /// How many others the kernel has dropped up to then, if it says so.
    pub dropped: Option<u32>,
}

impl Server {
    /// Counts a datagram, and says whether to answer it. If not, that is counted too.
    pub fn admits(&mut self, incoming: &Incoming, data: &[u8]) -> bool {
        self.tally.received.add(1);
        self.has_lost(incoming.dropped);
        let (destination, to_many) = aim(&incoming.asked);
        let datagram = Datagram { peer: &incoming.peer, destination, to_many, data };
        let admitted = self.guard.admit(&datagram, Instant::now);
        if let Err(refusal) = admitted {
            self.tally.refused(refusal, &incoming.peer);
        }
        admitted.is_ok()
    }

    /// The kernel tells that it has dropped so many datagrams in all.
    pub fn has_lost(&mut self, dropped: Option<u32>) {
        let Some(dropped) = dropped else { return };
        self.tally.kernel_dropped(dropped.wrapping_sub(self.dropped).into());
        self.dropped = dropped;
    }

    /// Prints a datagram that was answered, if that is wanted.
    pub fn show(&self, reply: &[u8], peer: &Address) {
        if self.verbose {
            let data = reply[self.prefix.as_bytes().len()..].escape_ascii();
            listener::say(&format!("UDP server: \"{data}\" from {peer}\n"));
        }
    }
}

/// Where a datagram was sent to, and whether others than this machine got it too.
pub fn aim(asked: &Option<Asked>) -> (Option<IpAddr>, bool) {
    let destination = asked.map(|asked| asked.destination);
    (destination, asked.is_some_and(|asked| asked.answer_from != asked.destination))
}

/// Where the kernel can't be asked, nothing is known of it.
#[cfg(windows)]
#[derive(Clone, Copy)]
pub struct Asked {
    pub destination: IpAddr,
    pub answer_from: IpAddr,
}
