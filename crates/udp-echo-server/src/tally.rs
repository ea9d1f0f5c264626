//! What the server did, counted: one line at the end, and one when something happens for the first time.

use std::fmt;
use std::net::SocketAddr;

use common::{Errno, address, exit, log};

use crate::guard::Refusal;

/// The account of a run. It balances: received = answered + refused + not sent.
#[derive(Default)]
pub struct Tally {
    /// Datagrams that arrived.
    pub received: u64,
    /// Datagrams that were sent back.
    pub answered: u64,
    refused: [u64; Refusal::ALL.len()],
    too_large: u64,
    not_sent: u64,
}

impl Tally {
    /// A datagram was not answered, on purpose.
    pub fn refused(&mut self, refusal: Refusal, peer: &SocketAddr) {
        let count = &mut self.refused[refusal as usize];
        *count += 1;
        if *count == 1 {
            self.say(format_args!("does not answer {}: {refusal}", address::show(peer)));
        }
    }

    /// An answer could not be sent. With the prefix, the largest datagrams have no room left.
    pub fn not_sent(&mut self, errno: Errno, peer: &SocketAddr, bytes: usize) {
        let count = if errno == Errno::MSGSIZE { &mut self.too_large } else { &mut self.not_sent };
        *count += 1;
        if *count == 1 {
            let (peer, cause) = (address::show(peer), exit::plain(errno));
            self.say(format_args!("cannot send {bytes} bytes to {peer}: {cause}"));
        }
    }

    fn say(&self, text: impl fmt::Display) {
        log::client(crate::NAME, format_args!("{text} (said once, then counted)"));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "received {}, answered {}", self.received, self.answered)?;
        let refused = Refusal::ALL.iter().zip(self.refused).map(|(refusal, count)| (refusal.counted(), count));
        for (what, count) in refused.chain([("too large to answer", self.too_large), ("not sent", self.not_sent)]) {
            if count > 0 {
                write!(f, ", {what} {count}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_names_what_happened_and_nothing_else() {
        let peer = "192.0.2.1:9".parse().unwrap();
        let mut tally = Tally { received: 5, answered: 2, ..Tally::default() };
        assert_eq!(tally.to_string(), "received 5, answered 2");
        tally.refused(Refusal::PortZero, &peer);
        tally.not_sent(Errno::MSGSIZE, &peer, 65_515);
        tally.not_sent(Errno::ACCESS, &peer, 9);
        assert_eq!(tally.to_string(), "received 5, answered 2, from port 0 1, too large to answer 1, not sent 1");
    }
}
