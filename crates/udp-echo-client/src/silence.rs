//! Why nothing comes: what the connected socket of a question is not told.
//!
//! To it the kernel delivers nothing from other addresses than the one that was asked, and no news that a host or a network
//! can't be reached, which may change (RFC 1122, section 4.1.3.3): only that nobody listens there. As long as replies come,
//! none of it matters, and the client is the lecture's. So this begins with the first silence.

use common::address::Address;
use common::berkeley::{self, OwnedFd, recvfrom};

use crate::flow::{self, LARGEST_DATAGRAM_BYTES};

/// So much of what strangers have sent is looked at.
const MOST_LETTERS: usize = 100;

/// Listens to more than the connected socket does.
pub struct Silence {
    /// It has the same address and port, and gets what is not for the first; None: there is no room for it.
    strangers: Option<OwnedFd>,
}

impl Silence {
    /// Listens beside this socket, which is connected to `peer`, and has it told more.
    pub fn begins(socket: &OwnedFd, peer: &Address) -> Silence {
        if peer.internet().is_none() {
            return Silence { strangers: None };
        }
        // Where either can't be had, there is less to tell in the end.
        #[cfg(target_os = "linux")]
        let _ = common::error_queue::turn_on(socket, peer.family());
        Silence { strangers: flow::beside(socket, peer).ok() }
    }

    /// From where an answer has come that the connected socket was not to hear.
    pub fn who_answers(&self, mut is_answer: impl FnMut(&[u8]) -> bool) -> Option<Address> {
        let strangers = self.strangers.as_ref()?;
        let mut data = vec![0; LARGEST_DATAGRAM_BYTES];
        for _ in 0..MOST_LETTERS {
            match recvfrom(strangers, &mut data) {
                Ok((length, from)) if is_answer(&data[..length]) => return Some(from),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        None
    }

    /// `close`.
    pub fn ends(self) {
        if let Some(strangers) = self.strangers {
            berkeley::close(strangers);
        }
    }
}

/// Takes what the network has told of datagrams out of the queue. As long as something is in there, the socket is ready.
pub fn forget_news(#[allow(unused_variables)] socket: &OwnedFd) {
    #[cfg(target_os = "linux")]
    while common::error_queue::take(socket, &mut []).is_ok() {}
}
