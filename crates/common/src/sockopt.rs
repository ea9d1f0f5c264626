//! The calls around the thirteen: socket options and a socket's own address. Each is one system call and one trace line.

use std::time::Duration;

use rustix::fd::AsFd;
use rustix::net::{self, AddressFamily, sockopt};

use crate::Errno;
use crate::address::{self, Address};
use crate::trace::{self, Call};

/// Tells the address of our end of a socket: which port the system chose for port 0. See getsockname(2).
pub fn getsockname(socket: impl AsFd) -> Result<Address, Errno> {
    let timer = trace::start();
    let result = net::getsockname(&socket).map(|any| address::of_kernel(Some(any)));
    timer.end(|| match &result {
        Ok(local) => Call::on("getsockname", &socket).argument(local).local(local.clone()),
        Err(errno) => Call::on("getsockname", &socket).returned(Err(*errno)),
    });
    result
}

/// SO_REUSEADDR: a server may bind its port again right after a restart, while old connections are in TIME-WAIT. It does
/// not let two servers share a port. See socket(7).
pub fn set_reuse_address(socket: impl AsFd) -> Result<(), Errno> {
    set(socket, "SO_REUSEADDR", 1, |socket| sockopt::set_socket_reuseaddr(socket, true))
}

/// SO_REUSEPORT: another socket of the same user, which asks for this too, may be bound to the same port; what arrives is
/// shared out among them by the addresses of both ends. See socket(7).
#[cfg(target_os = "linux")]
pub fn set_reuse_port(socket: impl AsFd) -> Result<(), Errno> {
    set(socket, "SO_REUSEPORT", 1, |socket| sockopt::set_socket_reuseport(socket, true))
}

/// IPV6_V6ONLY off: a socket bound to `::` serves IPv4 clients too, whose addresses appear as `::ffff:192.0.2.7`. See
/// ipv6(7).
pub fn set_dual_stack(socket: impl AsFd) -> Result<(), Errno> {
    set(socket, "IPV6_V6ONLY", 0, |socket| sockopt::set_ipv6_v6only(socket, false))
}

/// TCP_NODELAY: what is sent goes out at once, rather than waiting for the acknowledgement of what went before. See tcp(7).
pub fn set_no_delay(socket: impl AsFd) -> Result<(), Errno> {
    set(socket, "TCP_NODELAY", 1, |socket| sockopt::set_tcp_nodelay(socket, true))
}

/// SO_OOBINLINE: urgent data stays in its place among the rest, and isn't lost. See socket(7).
pub fn set_urgent_inline(socket: impl AsFd) -> Result<(), Errno> {
    set(socket, "SO_OOBINLINE", 1, |socket| sockopt::set_socket_oobinline(socket, true))
}

/// SO_SNDTIMEO: a `send` ends after `timeout` with what it has sent; on Linux, so does a `connect`. See socket(7).
pub fn set_send_timeout(socket: impl AsFd, timeout: Duration) -> Result<(), Errno> {
    set(socket, "SO_SNDTIMEO", humantime::format_duration(timeout), |socket| {
        sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, Some(timeout))
    })
}

/// SO_LINGER with no time at all: `close` sends RST and forgets what is under way. See socket(7).
pub fn set_reset_on_close(socket: impl AsFd) -> Result<(), Errno> {
    set(socket, "SO_LINGER", "0s", |socket| sockopt::set_socket_linger(socket, Some(Duration::ZERO)))
}

/// SO_RCVBUF: asks for room for `bytes` of received data; the kernel doubles it, and caps it at `net.core.rmem_max`. See
/// socket(7).
pub fn set_receive_buffer(socket: impl AsFd, bytes: usize) -> Result<(), Errno> {
    set(socket, "SO_RCVBUF", bytes, |socket| sockopt::set_socket_recv_buffer_size(socket, bytes))
}

/// SO_SNDBUF: asks for room for `bytes` of data that nobody has received yet; the kernel doubles it, and caps it at
/// `net.core.wmem_max`. No datagram through a file can be longer than this room. See socket(7).
#[cfg(unix)]
pub fn set_send_buffer(socket: impl AsFd, bytes: usize) -> Result<(), Errno> {
    set(socket, "SO_SNDBUF", bytes, |socket| sockopt::set_socket_send_buffer_size(socket, bytes))
}

/// IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: what doesn't fit into a packet of the way there is not sent in fragments, but refused
/// with `EMSGSIZE`, here or by a router. See ip(7).
#[cfg(target_os = "linux")]
pub fn set_dont_fragment(socket: impl AsFd, family: AddressFamily) -> Result<(), Errno> {
    if family == AddressFamily::INET {
        let only = sockopt::Ipv4PathMtuDiscovery::DO;
        set(socket, "IP_MTU_DISCOVER", "IP_PMTUDISC_DO", |socket| sockopt::set_ip_mtu_discover(socket, only))
    } else {
        let only = sockopt::Ipv6PathMtuDiscovery::DO;
        set(socket, "IPV6_MTU_DISCOVER", "IPV6_PMTUDISC_DO", |socket| sockopt::set_ipv6_mtu_discover(socket, only))
    }
}

/// IP_TOS, IPV6_TCLASS: how routers on the way are to treat what is sent, as a code point from 0 to 63 (RFC 2474). See ip(7).
#[cfg(unix)]
pub fn set_dscp(socket: impl AsFd, family: AddressFamily, code_point: u8) -> Result<(), Errno> {
    let field = code_point << 2;
    if family == AddressFamily::INET {
        set(socket, "IP_TOS", field, |socket| sockopt::set_ip_tos(socket, field))
    } else {
        set(socket, "IPV6_TCLASS", field, |socket| sockopt::set_ipv6_tclass(socket, u32::from(field)))
    }
}

/// SO_RCVBUF: how much room for received data there is, in the kernel's own count, which on Linux is twice what was asked for:
/// the other half is for its accounts. See socket(7).
pub fn receive_buffer(socket: impl AsFd) -> Result<usize, Errno> {
    let timer = trace::start();
    let result = sockopt::socket_recv_buffer_size(&socket);
    timer.end(|| {
        let call = Call::on("getsockopt", &socket).argument("SO_RCVBUF");
        match result {
            Ok(bytes) => call.argument(bytes),
            Err(errno) => call.returned(Err(errno)),
        }
    });
    result
}

/// SO_ERROR: takes the error that a background `connect` ended with; `Ok` if it succeeded. See getsockopt(2).
pub fn take_error(socket: impl AsFd) -> Result<(), Errno> {
    let timer = trace::start();
    let result = sockopt::socket_error(&socket);
    timer.end(|| {
        let call = Call::on("getsockopt", &socket).argument("SO_ERROR");
        match result {
            Ok(Ok(())) => call.argument("0"),
            Ok(Err(errno)) => call.argument(trace::error_name(errno)),
            Err(errno) => call.returned(Err(errno)),
        }
    });
    result?
}

/// Makes every call on `socket` return `EAGAIN` where it would have to wait. Not a socket option but an ioctl(2), and so
/// not in the trace.
pub fn set_nonblocking(socket: impl AsFd) -> Result<(), Errno> {
    rustix::io::ioctl_fionbio(socket, true)
}

/// Takes that back: the calls wait.
pub fn set_blocking(socket: impl AsFd) -> Result<(), Errno> {
    rustix::io::ioctl_fionbio(socket, false)
}

/// One setsockopt(2), which is `call`, and its line: for options that only one program has.
///
/// Errors: as `call`.
pub fn set<Fd: AsFd>(
    socket: Fd,
    option: &'static str,
    value: impl std::fmt::Display,
    call: impl FnOnce(&Fd) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let timer = trace::start();
    let result = call(&socket);
    timer.end(|| Call::on("setsockopt", &socket).argument(option).argument(value).returned_nothing(result));
    result
}
