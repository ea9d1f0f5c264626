//! What all designs share: what the loop needs to know, and whether a datagram is answered.

#[cfg(windows)]
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use common::address::Address;
use common::berkeley::OwnedFd;
use common::listener;
#[cfg(unix)]
pub use common::packet_info::Asked;
use common::prefix::Prefix;
use common::signal::Stop;
use common::wait::{Interest, Wake, wait};

use crate::guard::{Datagram, Guard};
use crate::tally::Tally;

/// That a socket has been shut down. Elsewhere than on Linux, one that isn't connected can't be.
#[cfg(target_os = "linux")]
const SHUT_DOWN: Interest = Interest::RDHUP;
#[cfg(not(target_os = "linux"))]
const SHUT_DOWN: Interest = Interest::empty();

/// What the loop needs to know.
pub struct Server {
    /// Whether the socket is one of the internet, and not of the file system.
    pub is_internet: bool,
    /// Whether it is bound to every interface, so that the kernel has to be asked which address was meant.
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
    /// Whether to answer a datagram of this client. If not, that is counted.
    #[inline(always)]
    pub fn admits(&mut self, peer: &Address, asked: &Option<Asked>, data: &[u8], now: impl Fn() -> Instant) -> bool {
        let destination = asked.map(|asked| asked.destination);
        let to_many = asked.is_some_and(|asked| asked.answer_from != asked.destination);
        let admitted = self.guard.admit(&Datagram { peer, destination, to_many, data }, now);
        if let Err(refusal) = admitted {
            self.tally.refused(refusal, peer);
        }
        admitted.is_ok()
    }

    /// The kernel tells that it has dropped so many datagrams in all.
    #[inline(always)]
    pub fn has_lost(&mut self, dropped: Option<u32>) {
        let Some(dropped) = dropped else { return };
        self.tally.kernel_dropped(dropped.wrapping_sub(self.dropped).into());
        self.dropped = dropped;
    }

    /// Prints a datagram that was answered, if that is wanted.
    pub fn show(&self, data: &[u8], peer: &Address) {
        if self.verbose {
            listener::say(&format!("UDP server: \"{}\" from {peer}\n", data.escape_ascii()));
        }
    }

    /// The same for another thread and its socket.
    #[cfg(target_os = "linux")]
    pub fn another(&self) -> Server {
        let (prefix, guard, tally) = (self.prefix.clone(), self.guard.another(), Arc::clone(&self.tally));
        Server { prefix, guard, tally, dropped: 0, ..*self }
    }
}

/// Waits for a datagram, or until `deadline`; None: for ever.
///
/// Errors: as poll(2). Or whoever else has the socket has shut it down: the kernel would call it ready from then on, with nothing
/// to receive, and the loop would never rest.
#[inline(always)]
pub fn datagram_comes(socket: &OwnedFd, stop: &Stop, deadline: Option<Instant>) -> Result<Wake> {
    let wake = wait(socket, Interest::IN | SHUT_DOWN, Some(stop), deadline).context("cannot wait for datagrams")?;
    match wake {
        Wake::Ready(ready) if ready.intersects(SHUT_DOWN) => {
            bail!("cannot receive datagrams: the socket was shut down")
        }
        wake => Ok(wake),
    }
}

/// Where the kernel can't be asked, nothing is known of it.
#[cfg(windows)]
#[derive(Clone, Copy)]
pub struct Asked {
    pub destination: IpAddr,
    pub answer_from: IpAddr,
}
