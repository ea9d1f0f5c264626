//! What becomes of a probe that got nowhere: the network sends it back, or the kernel doesn't take it.

use common::Errno;
use common::exit;
use common::stats::{Fate, Request, Trouble};

use super::Ledger;

impl Ledger {
    /// The network has sent a probe back, and said why; what is there of it is `bytes`. None stands for the oldest probe of
    /// the flow that is waited for. What happened to it has happened to all of its train: they left in one piece, and so often
    /// came back in one. Returns the probe, if it had no fate yet, and how many that were still waited for no longer are.
    pub fn sent_back(&mut self, bytes: Option<&[u8]>, flow: usize, errno: Errno) -> Option<(Request, usize)> {
        let index = match bytes {
            Some(bytes) => self.find(bytes)?,
            None => {
                let from = (self.watched - self.first) as usize;
                (from..self.entries.len())
                    .find(|&index| !self.entries[index].has_fate && self.entries[index].flow as usize == flow)?
            }
        };
        let told = self.entries[index];
        if told.has_fate {
            return None;
        }
        let fate = match errno {
            Errno::CONNREFUSED => Fate::Refused,
            Errno::MSGSIZE => Fate::SendError,
            _ => Fate::Lost,
        };
        let mut first = index;
        while self.entries[first].follows && first > 0 {
            first -= 1;
        }
        let mut freed = 0;
        for member in first.. {
            match self.entries.get(member).copied() {
                Some(entry) if member == first || entry.follows => {
                    freed += usize::from(!entry.has_fate && self.fails(member, fate, errno));
                }
                _ => break,
            }
        }
        Some((told.request, freed))
    }

    /// The kernel hasn't taken a probe. False: its fate is known already.
    pub fn not_sent(&mut self, request: &Request, errno: Errno) -> bool {
        let Some(entry) = self.entry(request.sequence) else { return false };
        let is_new = !entry.has_fate;
        if is_new {
            self.fails((request.sequence - self.first) as usize, Fate::SendError, errno);
        }
        is_new
    }

    /// A probe without a fate gets a bad one. True: it was still waited for.
    fn fails(&mut self, index: usize, fate: Fate, errno: Errno) -> bool {
        let entry = &mut self.entries[index];
        entry.has_fate = true;
        let (request, counts) = (entry.request, entry.counts);
        if counts {
            self.tally.account.settle(fate);
        }
        let trouble = Trouble::sending(errno);
        self.blame(&request, trouble);
        if trouble != Trouble::ConnectRefused {
            self.tally.causes.count(errno, || told(errno, self.mtu));
        }
        self.is_answered(&request)
    }
}

/// Why a probe got nowhere.
fn told(errno: Errno, mtu: u32) -> String {
    let cause = exit::plain(errno);
    match errno {
        Errno::MSGSIZE if mtu > 0 => format!("{cause}: at most {mtu} bytes with all headers go there at once"),
        _ => cause,
    }
}
