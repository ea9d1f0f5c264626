//! The server that is checked: how to come to it, what to say to it, and whether it is still there.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::Result;
use common::address::Address;
use common::check::Condition;
use common::exit;

use super::client::{Client, SENDINGS};
use super::manner::Manner;
use crate::unreachable::is_unreachable;

/// No check asks more often one thing after the other than half as often as this.
const ROUND_TRIPS: u32 = 200;

/// The server, and what is known of it.
pub struct Server {
    /// Where it was found.
    pub address: Address,
    /// How it answers.
    pub manner: Manner,
    /// How long a reply may take. It is asked for three times in that time, which must not be sooner than it can be there.
    pub patience: Duration,
    /// How long one check may take. Far away is not wrong: the way there and back doesn't count.
    whole: Duration,
    noise: Cell<u64>,
}

impl Server {
    /// The server at this address, which answers in this manner, and has so long for each check.
    pub fn new(address: Address, manner: Manner, timeout: Duration) -> Server {
        let patience = timeout.max(manner.round_trip * 2 * SENDINGS);
        let whole = patience + manner.round_trip * ROUND_TRIPS;
        Server { address, manner, patience, whole, noise: Cell::new(0x9E37_79B9_7F4A_7C15) }
    }

    /// What one check has to do with the server: the time for it begins.
    pub fn visit(&self) -> Visit<'_> {
        Visit { server: self, deadline: Instant::now() + self.whole }
    }

    /// The largest datagram that can be answered whole, prefix and all: what the length fields of the headers have room for.
    pub fn most_bytes(&self) -> usize {
        let most = match self.address.internet() {
            Some(address) if address.is_ipv6() => 65_527,
            _ => 65_507,
        };
        most - self.manner.prefix.as_bytes().len()
    }

    /// Asks it for one echo. Any reply will do: whether it is right is for the checks to say.
    pub fn condition(&self) -> Condition {
        let visit = self.visit();
        match visit.client().and_then(|mut client| client.ask(&visit.word(16))) {
            Ok(Some(_)) => Condition::Serves,
            Ok(None) => {
                let patience = humantime::format_duration(self.patience);
                Condition::Silent(format!("nothing came back within {patience}"))
            }
            Err(error) if error.root_cause().downcast_ref().is_some_and(|errno| is_unreachable(*errno)) => {
                Condition::Gone(exit::describe(&error))
            }
            Err(error) => Condition::after(&error),
        }
    }
}

/// One check's dealings with the server, with one deadline for all of them.
pub struct Visit<'a> {
    /// Whom it goes to.
    pub server: &'a Server,
    /// When it ends.
    pub deadline: Instant,
}

impl Visit<'_> {
    /// A new client.
    ///
    /// Errors: no way there.
    pub fn client(&self) -> Result<Client> {
        let server = self.server;
        Client::new(&server.address, server.manner.prefix.clone(), server.patience, self.deadline)
    }

    /// Whether half of the time is over: what could go on for ever ends then.
    pub fn is_half_over(&self) -> bool {
        self.deadline.saturating_duration_since(Instant::now()) < self.server.whole / 2
    }

    /// So many letters, others each time.
    pub fn word(&self, length: usize) -> Vec<u8> {
        self.noise(length).iter().map(|byte| b'a' + byte % 26).collect()
    }

    /// So many bytes without a pattern, others each time.
    pub fn noise(&self, length: usize) -> Vec<u8> {
        let mut state = self.server.noise.get();
        let some = (0..length).map(|_| {
            // Marsaglia's xorshift: no secret, but without a pattern.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        });
        let some = some.collect();
        self.server.noise.set(state);
        some
    }
}
