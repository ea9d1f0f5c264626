//! `socket` and `connect`, to the first of a name's addresses that answers.

use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use common::address::{self, Address};
use common::berkeley::{OwnedFd, SocketType, close, connect, socket};
use common::wait::{Interest, Wake, wait};
use common::{Errno, exit, sockopt};

/// Connects to the first address of `host` that accepts, in the order that the system gives them: `localhost` may be `::1`
/// first, and the server on `127.0.0.1` only. Each may take as long as `timeout`.
///
/// Errors: the name has no address; or what happened at each of them.
pub fn to_any(host: &str, port: u16, timeout: Duration) -> Result<(OwnedFd, Address)> {
    to_any_timed(host, port, timeout).map(|(connection, address, _)| (connection, address))
}

/// As [`to_any`], and how long it took at the address that accepted.
///
/// Errors: as [`to_any`].
pub fn to_any_timed(host: &str, port: u16, timeout: Duration) -> Result<(OwnedFd, Address, Duration)> {
    let mut failures = Vec::new();
    for address in address::resolve(host, port)? {
        let began = Instant::now();
        match to(&address, timeout) {
            Ok(connection) => return Ok((connection, address, began.elapsed())),
            Err(errno) => failures.push((address, errno)),
        }
    }
    Err(no_address_works(host, port, &failures))
}

/// One connection, with a deadline. The descriptor does not block from then on.
///
/// Errors: as connect(2).
pub fn to(address: &Address, timeout: Duration) -> Result<OwnedFd, Errno> {
    let connection = socket(address.family(), SocketType::STREAM)?;
    match connect_within(timeout, &connection, address) {
        Ok(()) => Ok(connection),
        Err(errno) => {
            close(connection);
            Err(errno)
        }
    }
}

/// Requests of a measurement go out at once, and don't wait for the acknowledgement of those before.
///
/// Errors: as setsockopt(2).
pub fn prepare(connection: &OwnedFd, peer: &Address) -> Result<(), Errno> {
    if peer.internet().is_some() { sockopt::set_no_delay(connection) } else { Ok(()) }
}

/// `connect`, in the time that there is for it.
fn connect_within(timeout: Duration, connection: &OwnedFd, address: &Address) -> Result<(), Errno> {
    let deadline = Instant::now() + timeout;
    if cfg!(target_os = "linux") {
        // Here connect() can wait by itself, as in the lecture: a send timeout bounds it. See socket(7).
        sockopt::set_send_timeout(connection, timeout)?;
    } else {
        sockopt::set_nonblocking(connection)?;
    }
    match connect(connection, address) {
        Ok(()) => {}
        // Stopped and continued (Ctrl-Z, fg), it goes on in the background too: see signal(7).
        Err(Errno::INPROGRESS | Errno::WOULDBLOCK | Errno::INTR) => {
            let Wake::Ready(_) = wait(connection, Interest::OUT, None, Some(deadline))? else {
                return Err(Errno::TIMEDOUT);
            };
            sockopt::take_error(connection)?;
        }
        Err(errno) => return Err(errno),
    }
    sockopt::set_nonblocking(connection)
}

/// `cannot connect to localhost:2000: [::1]:2000: connection refused; 127.0.0.1:2000: connection refused`; for a host that
/// is an address, that address once.
fn no_address_works(host: &str, port: u16, failures: &[(Address, Errno)]) -> Error {
    let Some(((last, errno), others)) = failures.split_last() else {
        return anyhow::anyhow!("cannot connect to {host}:{port}: no address");
    };
    let mut text = "cannot connect to ".to_owned();
    if !others.is_empty() || !is_the_same(host, last) {
        text += &format!("{host}:{port}: ");
    }
    for (address, errno) in others {
        text += &format!("{}: {}; ", address, exit::plain(*errno));
    }
    Error::new(*errno).context(text + &last.to_string())
}

/// Whether the user has called the address what we call it, so that once is enough.
fn is_the_same(host: &str, address: &Address) -> bool {
    match address.internet() {
        Some(address) => host.trim_matches(['[', ']']) == address.ip().to_string(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_happened_at_each_address() {
        let refused = |address: &str| (Address::Internet(address.parse().unwrap()), Errno::CONNREFUSED);
        let told = |host, failures: &[_]| exit::describe(&no_address_works(host, 2000, failures));
        assert_eq!(
            told("localhost", &[refused("[::1]:2000"), refused("127.0.0.1:2000")]),
            "cannot connect to localhost:2000: [::1]:2000: connection refused; 127.0.0.1:2000: connection refused"
        );
        assert_eq!(told("::1", &[refused("[::1]:2000")]), "cannot connect to [::1]:2000: connection refused");
    }
}
