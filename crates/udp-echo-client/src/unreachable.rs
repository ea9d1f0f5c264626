//! Nobody is there: how that is told, and the errors that say so.

use common::Errno;
use common::address::Address;

/// `cannot reach localhost:2000: [::1]:2000: connection refused; 127.0.0.1:2000`, to be followed by the last cause.
pub fn unreachable(name: &str, failures: &str, last: &Address) -> String {
    let last = last.to_string();
    if failures.is_empty() && name.replace(['[', ']'], "") == last.replace(['[', ']'], "") {
        format!("cannot reach {last}")
    } else {
        format!("cannot reach {name}: {failures}{last}")
    }
}

/// The network's answers to a datagram that found nobody.
pub fn is_unreachable(errno: Errno) -> bool {
    #[cfg(unix)]
    if errno == Errno::NOENT {
        return true; // The file of the server's socket is gone.
    }
    matches!(errno, Errno::CONNREFUSED | Errno::CONNRESET | Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN)
}
