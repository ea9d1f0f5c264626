//! `socket` and `connect`, to the first of a name's addresses that answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use common::berkeley::{OwnedFd, SocketType, close, connect, socket};
use common::wait::{Interest, Wake, wait};
use common::{Errno, address, exit, sockopt};

/// Connects to the first address of `host` that accepts, in the order that the system gives them: `localhost` may be `::1`
/// first, and the server on `127.0.0.1` only. Each may take as long as `timeout`.
///
/// Errors: the name has no address; or what happened at each of them.
pub fn to_any(host: &str, port: u16, timeout: Duration) -> Result<(OwnedFd, SocketAddr)> {
    let mut failures = Vec::new();
    for address in address::resolve(host, port)? {
        match to(&address, timeout) {
            Ok(connection) => return Ok((connection, address)),
            Err(errno) => failures.push((address, errno)),
        }
    }
    Err(no_address_works(host, port, &failures))
}

/// One connection, with a deadline. The descriptor does not block from then on.
fn to(address: &SocketAddr, timeout: Duration) -> Result<OwnedFd, Errno> {
    let connection = socket(address::family(address), SocketType::STREAM)?;
    match connect_within(timeout, &connection, address) {
        Ok(()) => Ok(connection),
        Err(errno) => {
            close(connection);
            Err(errno)
        }
    }
}

/// `connect`, in the time that there is for it.
fn connect_within(timeout: Duration, connection: &OwnedFd, address: &SocketAddr) -> Result<(), Errno> {
    let deadline = Instant::now() + timeout;
    if cfg!(target_os = "linux") {
        // Here connect() can wait by itself, as in the lecture: a send timeout bounds it. See socket(7).
        sockopt::set_send_timeout(connection, timeout)?;
    } else {
        sockopt::set_nonblocking(connection)?;
    }
    match connect(connection, address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::WOULDBLOCK) => {
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
fn no_address_works(host: &str, port: u16, failures: &[(SocketAddr, Errno)]) -> Error {
    let Some(((last, errno), others)) = failures.split_last() else {
        return anyhow::anyhow!("cannot connect to {host}:{port}: no address");
    };
    let mut text = "cannot connect to ".to_owned();
    if !others.is_empty() || host.trim_matches(['[', ']']) != last.ip().to_string() {
        text += &format!("{host}:{port}: ");
    }
    for (address, errno) in others {
        text += &format!("{}: {}; ", address::show(address), exit::plain(*errno));
    }
    Error::new(*errno).context(text + &address::show(last).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_happened_at_each_address() {
        let refused = |address: &str| (address.parse().unwrap(), Errno::CONNREFUSED);
        let told = |host, failures: &[_]| exit::describe(&no_address_works(host, 2000, failures));
        assert_eq!(
            told("localhost", &[refused("[::1]:2000"), refused("127.0.0.1:2000")]),
            "cannot connect to localhost:2000: [::1]:2000: connection refused; 127.0.0.1:2000: connection refused"
        );
        assert_eq!(told("::1", &[refused("[::1]:2000")]), "cannot connect to [::1]:2000: connection refused");
    }
}
