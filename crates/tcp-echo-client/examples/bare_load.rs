//! A yardstick, not a tool: the least that one thread and epoll(7) can do to keep an echo server busy.
//!
//! Each connection sends, waits until as many bytes have come back, and sends again. What it leaves out is all that makes a
//! measurement: no byte is looked at, no time is taken, there are no schedule, no prefix, no timeout and no report but two
//! numbers; an error ends it. So what `tcp-echo-client load` costs beyond this is the price of those.
//! `cargo run --release --example bare_load PORT CONNECTIONS BYTES MILLISECONDS` runs it against a server without a prefix, on this
//! machine.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpStream};
    use std::time::{Duration, Instant};

    use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
    use rustix::io::Errno;
    use rustix::net::{RecvFlags, SendFlags, recv, send};

    let mut numbers = std::env::args().skip(1).map_while(|number| number.parse().ok());
    let mut number = |usual: usize| numbers.next().unwrap_or(usual);
    let (port, connections, bytes, ms) = (number(2000), number(50), number(64), number(5000));
    let (request, mut buffer) = (vec![b'x'; bytes], vec![0; 32 * 1024]);
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut flows = Vec::new();
    for index in 0..connections {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port as u16))?;
        connection.set_nodelay(true)?;
        connection.write_all(&request)?;
        connection.set_nonblocking(true)?;
        epoll::add(&epoll, &connection, EventData::new_u64(index as u64), EventFlags::IN | EventFlags::ET)?;
        flows.push((connection, bytes));
    }
    let (began, mut echoes) = (Instant::now(), 0_u64);
    let mut events = Vec::with_capacity(1024);
    loop {
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for Event { data, .. } in events.drain(..) {
            let (connection, missing) = &mut flows[data.u64() as usize];
            loop {
                match recv(&*connection, &mut buffer[..], RecvFlags::empty()) {
                    Ok((_, 0)) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    Ok((_, length)) => {
                        *missing -= length;
                        if *missing == 0 {
                            (echoes, *missing) = (echoes + 1, bytes);
                            send(&*connection, &request, SendFlags::empty())?;
                        }
                        if length < buffer.len() {
                            break;
                        }
                    }
                    Err(Errno::AGAIN) => break,
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        if began.elapsed() >= Duration::from_millis(ms as u64) {
            break;
        }
    }
    println!("{echoes} echoes, {:.0} a second", echoes as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("bare_load: epoll is Linux's");
}
