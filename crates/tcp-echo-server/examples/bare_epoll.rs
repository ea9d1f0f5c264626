//! A yardstick, not a server: the least that one thread and epoll(7) can do to send back what comes.
//!
//! What it leaves out is all that makes a server: no prefix, no limit on anything, no timeout, no counters, no trace, no
//! orderly stop; an error ends it, and a client that doesn't read keeps all others waiting. So what `tcp-echo-server` costs
//! beyond this is the price of those. `cargo xtask bench tcp` measures both; `cargo run --release --example bare_epoll 2000`
//! runs it by itself. Its partner is `tcp-echo-client --prefix ''`.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    use std::net::{Ipv4Addr, TcpListener};
    use std::os::fd::AsRawFd;

    use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

    const LISTENER: u64 = u64::MAX;
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(2000);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    rustix::net::listen(&listener, 1024)?;
    rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN | EventFlags::ET)?;
    let mut connections = Vec::new();
    let mut events = Vec::with_capacity(1024);
    let mut buffer = vec![0; 32 * 1024];
    loop {
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for Event { data, flags } in events.drain(..) {
            if data.u64() == LISTENER {
                while let Ok(connection) = accept_with(&listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                    let fd = connection.as_raw_fd() as usize;
                    let changes = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
                    epoll::add(&epoll, &connection, EventData::new_u64(fd as u64), changes)?;
                    connections.resize_with(connections.len().max(fd + 1), || None);
                    connections[fd] = Some(connection);
                }
                continue;
            }
            let slot = &mut connections[data.u64() as usize];
            while let Some(connection) = slot {
                match recv(&*connection, &mut buffer[..], RecvFlags::empty()) {
                    Ok((_, 0)) | Err(Errno::CONNRESET) => *slot = None,
                    Ok((_, length)) => {
                        let mut reply = &buffer[..length];
                        while !reply.is_empty() {
                            match send(&*connection, reply, SendFlags::empty()) {
                                Ok(taken) => reply = &reply[taken..],
                                Err(Errno::AGAIN) => {
                                    poll(&mut [PollFd::new(&*connection, PollFlags::OUT)], None)?;
                                }
                                Err(errno) => return Err(errno.into()),
                            }
                        }
                        // Of the end, which may have come with the last piece, there is no second event.
                        if length < buffer.len() && !flags.contains(EventFlags::RDHUP) {
                            break;
                        }
                    }
                    Err(Errno::AGAIN) => break,
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("bare_epoll: epoll is Linux's");
}
