//! What to do when `accept` fails: whose error it is, and how long to wait before the next try.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{Errno, exit, log};

/// What a server does when `accept` fails: it never ends for an error that concerns one client or a passing shortage.
pub struct AcceptTrouble {
    program: &'static str,
    pause: Duration,
    /// When it was last said that something has run out.
    said: Option<Instant>,
}

impl AcceptTrouble {
    /// The first pause after running out of descriptors or memory; each further one is twice as long.
    const SHORTEST: Duration = Duration::from_millis(5);
    /// The longest pause.
    const LONGEST: Duration = Duration::from_secs(1);
    /// A shortage that comes and goes is said once in so long.
    const SAID_AGAIN_AFTER: Duration = Duration::from_secs(60);

    /// No trouble yet.
    pub fn new(program: &'static str) -> AcceptTrouble {
        AcceptTrouble { program, pause: Duration::ZERO, said: None }
    }

    /// `accept` worked: the next pause is a short one again.
    pub fn over(&mut self) {
        self.pause = Duration::ZERO;
    }

    /// `accept` failed: says how long to wait before the next try; None: not at all. A client that left before its turn is
    /// no reason to wait. That descriptors or memory have run out is said once; the clients stay in the queue, and the pauses
    /// get longer. See accept(2).
    ///
    /// Errors: the listening socket itself is broken.
    pub fn failed(&mut self, errno: Errno) -> Result<Option<Duration>> {
        match errno {
            Errno::AGAIN | Errno::INTR | Errno::CONNABORTED => Ok(None),
            errno if is_of_the_network(errno) => Ok(None),
            errno if is_shortage(errno) => Ok(Some(self.shortage(exit::plain(errno)))),
            errno => Err(errno).context("cannot accept clients"),
        }
    }

    /// Something needed for one more client has run out: says so once, and how long to wait.
    pub fn shortage(&mut self, cause: impl std::fmt::Display) -> Duration {
        if self.said.is_none_or(|said| said.elapsed() >= Self::SAID_AGAIN_AFTER) {
            self.said = Some(Instant::now());
            log::client(self.program, format_args!("cannot accept more clients for now: {cause}"));
        }
        self.pause = (self.pause * 2).clamp(Self::SHORTEST, Self::LONGEST);
        self.pause
    }
}

/// Descriptors or memory have run out, of the process or of the machine.
fn is_shortage(errno: Errno) -> bool {
    #[cfg(unix)]
    if matches!(errno, Errno::NFILE | Errno::NOMEM) {
        return true;
    }
    matches!(errno, Errno::MFILE | Errno::NOBUFS)
}

/// Errors of the network that Linux hands on through accept(2), "to be treated like EAGAIN by retrying".
fn is_of_the_network(errno: Errno) -> bool {
    #[cfg(target_os = "linux")]
    if matches!(errno, Errno::PROTO | Errno::NONET | Errno::PERM) {
        return true;
    }
    matches!(
        errno,
        Errno::NETDOWN
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETUNREACH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble_after(errnos: &[Errno]) -> (AcceptTrouble, Vec<bool>) {
        let mut trouble = AcceptTrouble::new("test");
        let survived = errnos.iter().map(|errno| trouble.failed(*errno).is_ok()).collect();
        (trouble, survived)
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn no_clients_error_ends_the_loop_or_makes_it_wait() {
        let errnos = [
            Errno::AGAIN,
            Errno::INTR,
            Errno::CONNABORTED,
            Errno::PROTO,
            Errno::NETDOWN,
            Errno::NOPROTOOPT,
            Errno::HOSTDOWN,
            Errno::NONET,
            Errno::HOSTUNREACH,
            Errno::OPNOTSUPP,
            Errno::NETUNREACH,
            Errno::PERM,
        ];
        let (trouble, survived) = trouble_after(&errnos);
        assert_eq!(survived, [true; 12]);
        assert_eq!(trouble.pause, Duration::ZERO);
    }

    #[test]
    fn a_shortage_makes_it_wait_twice_as_long_each_time() {
        let (trouble, survived) = trouble_after(&[Errno::MFILE, Errno::NOBUFS, Errno::MFILE, Errno::NOBUFS]);
        assert_eq!(survived, [true; 4]);
        assert_eq!(trouble.pause, AcceptTrouble::SHORTEST * 8);
    }

    #[test]
    fn a_broken_listener_ends_it() {
        let (_, survived) = trouble_after(&[Errno::BADF, Errno::INVAL, Errno::NOTSOCK]);
        assert_eq!(survived, [false; 3]);
    }
}
