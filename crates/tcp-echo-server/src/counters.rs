//! What the server did, counted: printed at the end, and whenever SIGUSR1 asks.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use common::Errno;
use common::stats::Trouble;
use common::wait::GaveUp;

/// Counters that all threads share. They only ever grow.
#[derive(Default)]
pub struct Counters {
    /// Clients that were accepted.
    pub connections: Counter,
    /// Those of them that could not be served. One client too many is not refused: it waits in the queue.
    pub refused: Counter,
    /// Bytes that came from them.
    pub received: Counter,
    /// Bytes that were sent back, prefixes and all.
    pub sent: Counter,
    /// Clients that were cut off because they were silent for too long.
    pub timed_out: Counter,
    /// Clients that were still there at the end of the drain.
    pub drained: Counter,
    /// Connections that their clients gave up (RST), with a reply on its way or instead of an end.
    reset_by_clients: Counter,
    /// Connections that broke for another reason.
    broken: Counter,
    /// Replies that were delayed on demand.
    pub delayed: Counter,
    /// Pieces that replies were cut into on demand.
    pub chunks: Counter,
    /// Clients that were left waiting, reset and closed on demand.
    pub stalled: Counter,
    pub reset: Counter,
    pub closed: Counter,
    /// On demand, no client was accepted.
    accepts_nobody: bool,
}

/// A number that grows.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// So many more.
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Nothing has happened yet; and, if so demanded, nothing will.
    pub fn new(accepts_nobody: bool) -> Counters {
        Counters { accepts_nobody, ..Counters::default() }
    }

    /// A client was given up.
    pub fn gave_up(&self, why: GaveUp) {
        match why {
            GaveUp::Idle(_) => self.timed_out.add(1),
            GaveUp::Drained => self.drained.add(1),
            GaveUp::Failed(errno) => self.broke(errno),
        }
    }

    /// A connection broke. After a client's reset `recv` says ECONNRESET and `send` EPIPE.
    pub fn broke(&self, errno: Errno) {
        match Trouble::connected(errno) {
            Trouble::Reset => self.reset_by_clients.add(1),
            _ => self.broken.add(1),
        }
    }
}

/// Those that anybody may look for, zero or not, and the others if there is something to count.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (connections, received, sent) = (self.connections.get(), self.received.get(), self.sent.get());
        write!(f, "connections {connections}, received {received} bytes, sent {sent} bytes")?;
        let always =
            [("refused", &self.refused), ("timed out", &self.timed_out), ("reset by clients", &self.reset_by_clients)];
        always.iter().try_for_each(|(what, count)| write!(f, ", {what} {}", count.get()))?;
        let others = [
            ("cut off at the end", &self.drained),
            ("broken", &self.broken),
            ("replies delayed", &self.delayed),
            ("pieces", &self.chunks),
            ("stalled", &self.stalled),
            ("reset on demand", &self.reset),
            ("closed early", &self.closed),
        ];
        others
            .iter()
            .filter(|(_, count)| count.get() > 0)
            .try_for_each(|(what, n)| write!(f, ", {what} {}", n.get()))?;
        if self.accepts_nobody { f.write_str(", nobody accepted on demand") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_may_look_for_is_always_there_and_what_is_rare_only_if_it_happened() {
        let counters = Counters::default();
        counters.received.add(11);
        let bytes = "connections 0, received 11 bytes, sent 0 bytes";
        assert_eq!(counters.to_string(), format!("{bytes}, refused 0, timed out 0, reset by clients 0"));
        counters.gave_up(GaveUp::Drained);
        counters.refused.add(1);
        let others = "refused 1, timed out 0, reset by clients 0, cut off at the end 1";
        assert_eq!(counters.to_string(), format!("{bytes}, {others}"));
    }

    #[test]
    fn a_clients_reset_is_neither_one_on_demand_nor_another_break() {
        let counters = Counters::default();
        [Errno::CONNRESET, Errno::TIMEDOUT].into_iter().for_each(|errno| counters.broke(errno));
        counters.reset.add(1);
        assert!(counters.to_string().ends_with(", reset by clients 1, broken 1, reset on demand 1"), "{counters}");
    }
}
