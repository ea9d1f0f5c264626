//! What the server did, counted: one line at the end and whenever SIGUSR1 asks, and one when something happens for the first
//! time.

use std::fmt;
#[cfg(unix)]
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(unix)]
use std::thread;

#[cfg(unix)]
use anyhow::{Context, Result};
use common::address::Address;
use common::berkeley::OwnedFd;
#[cfg(unix)]
use common::signal::Requests;
use common::{Errno, exit, log};

use crate::guard::Refusal;

/// Enough to print a line.
#[cfg(unix)]
const REPORT_STACK_BYTES: usize = 64 * 1024;

/// The account of a run, which all threads share. It balances: what was received was answered, or refused, or could not be
/// sent, or was dropped on demand, or, while the server runs, is still waiting to be sent.
#[derive(Default)]
pub struct Tally {
    /// Datagrams that arrived.
    pub received: Counter,
    /// Datagrams that were sent back.
    pub answered: Counter,
    refused: [Counter; Refusal::ALL.len()],
    too_large: Counter,
    not_sent: Counter,
    /// Replies that were dropped on demand; those for which there was no room among the delayed ones; those that were still
    /// waiting when the server had to end; and those that wait.
    pub dropped: Counter,
    pub no_room: Counter,
    pub cut_off: Counter,
    pub waiting: Counter,
    /// What else was done on demand to replies that were sent. These stand beside the balance.
    pub duplicated: Counter,
    pub reordered: Counter,
    pub delayed: Counter,
    pub truncated: Counter,
    pub corrupted: Counter,
    /// Datagrams that never got here, because the kernel had no room for them: as it tells with those that did, and as its
    /// own lists have it.
    kernel_drops: [Counter; 2],
    /// What finds the server's sockets in the kernel's lists, those that are there.
    sockets: Vec<u64>,
}

/// A number of datagrams.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// So many more; returns how many there were before.
    pub fn add(&self, count: u64) -> u64 {
        self.0.fetch_add(count, Ordering::Relaxed)
    }

    /// So many fewer.
    pub fn subtract(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    /// Nothing has happened yet to these sockets.
    pub fn of<'a>(sockets: impl IntoIterator<Item = &'a OwnedFd>) -> Tally {
        #[cfg(target_os = "linux")]
        let sockets = sockets.into_iter().filter_map(common::kernel_drops::number).collect();
        #[cfg(not(target_os = "linux"))]
        let sockets = sockets.into_iter().map(|_| 0).collect();
        Tally { sockets, ..Tally::default() }
    }

    /// A datagram was not answered, on purpose.
    #[cold]
    pub fn refused(&self, refusal: Refusal, peer: &Address) {
        if self.refused[refusal as usize].add(1) == 0 {
            let who = if refusal == Refusal::Nameless { "a client".to_owned() } else { peer.to_string() };
            self.say(format_args!("does not answer {who}: {refusal}"));
        }
    }

    /// An answer could not be sent. With the prefix, the largest datagrams have no room left.
    #[cold]
    pub fn not_sent(&self, errno: Errno, peer: &Address, bytes: usize) {
        let count = if errno == Errno::MSGSIZE { &self.too_large } else { &self.not_sent };
        if count.add(1) == 0 {
            let cause = exit::plain(errno);
            self.say(format_args!("cannot send {bytes} bytes to {peer}: {cause}"));
        }
    }

    /// A datagram was so large that its end may be missing, and half of it would be no echo.
    #[cold]
    pub fn too_large(&self, peer: &Address, bytes: usize) {
        if self.too_large.add(1) == 0 {
            self.say(format_args!("does not answer {peer}: its datagram has {bytes} bytes or more"));
        }
    }

    /// The kernel tells that it had no room for so many more datagrams.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    #[inline]
    pub fn kernel_dropped(&self, more: u64) {
        if more > 0 && self.kernel_drops[0].add(more) == 0 {
            self.say("the kernel has no room for more datagrams and drops them: see --receive-buffer");
        }
    }

    /// Looks into the kernel's lists for what it has dropped up to now. The sockets have to be open still.
    pub fn look(&self) {
        #[cfg(target_os = "linux")]
        self.kernel_drops[1].0.fetch_max(common::kernel_drops::of(&self.sockets), Ordering::Relaxed);
    }

    /// Prints the account as it is now.
    #[cfg(unix)]
    pub fn report(&self) {
        self.look();
        log::line(crate::NAME, self);
    }

    /// Prints the account each time that it is asked for, in a thread that does nothing else.
    ///
    /// Errors: there is no thread to be had.
    #[cfg(unix)]
    pub fn report_on(requests: Requests, tally: &Arc<Tally>) -> Result<()> {
        let tally = Arc::clone(tally);
        let report = move || {
            while requests.wait() {
                tally.report();
            }
        };
        let thread = thread::Builder::new().stack_size(REPORT_STACK_BYTES);
        thread.spawn(report).context("cannot start a thread")?;
        Ok(())
    }

    fn say(&self, text: impl fmt::Display) {
        log::client(crate::NAME, format_args!("{text} (said once, then counted)"));
    }

    /// What has become of those received, besides answers.
    fn unanswered(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let refused = Refusal::ALL.iter().zip(&self.refused).map(|(refusal, count)| (refusal.counted(), count.get()));
        refused.chain([
            ("too large to answer", self.too_large.get()),
            ("not sent", self.not_sent.get()),
            ("dropped", self.dropped.get()),
            ("no room", self.no_room.get()),
            ("cut off at the end", self.cut_off.get()),
            ("waiting", self.waiting.get()),
        ])
    }
}

/// The two that always count, and the others if there is something to count.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "received {}, answered {}", self.received.get(), self.answered.get())?;
        let beside = [
            ("duplicated", self.duplicated.get()),
            ("reordered", self.reordered.get()),
            ("delayed", self.delayed.get()),
            ("truncated", self.truncated.get()),
            ("corrupted", self.corrupted.get()),
            ("kernel drops", self.kernel_drops.iter().map(Counter::get).max().unwrap_or(0)),
        ];
        for (what, count) in self.unanswered().chain(beside).filter(|(_, count)| *count > 0) {
            write!(f, ", {what} {count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
impl Tally {
    /// Whether everything that was received is accounted for.
    pub fn balances(&self) -> bool {
        self.received.get() == self.answered.get() + self.unanswered().map(|(_, count)| count).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_names_what_happened_and_nothing_else() {
        let peer = Address::Internet("192.0.2.1:9".parse().unwrap());
        let tally = Tally::default();
        tally.received.add(5);
        tally.answered.add(2);
        assert_eq!(tally.to_string(), "received 5, answered 2");
        tally.refused(Refusal::PortZero, &peer);
        tally.not_sent(Errno::MSGSIZE, &peer, 65_515);
        tally.not_sent(Errno::ACCESS, &peer, 9);
        assert_eq!(tally.to_string(), "received 5, answered 2, from port 0 1, too large to answer 1, not sent 1");
        assert!(tally.balances());
    }

    #[test]
    fn what_the_kernel_drops_is_told_by_whoever_knows_more_and_stands_beside_the_balance() {
        let tally = Tally::default();
        tally.kernel_dropped(0);
        tally.kernel_dropped(3);
        tally.kernel_drops[1].add(2);
        assert_eq!(tally.to_string(), "received 0, answered 0, kernel drops 3");
        tally.kernel_drops[1].add(5);
        assert_eq!(tally.to_string(), "received 0, answered 0, kernel drops 7");
        assert!(tally.balances());
    }
}
