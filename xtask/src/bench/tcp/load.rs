//! The loads that `tcp-echo-client load` has no mode for: idle connections, clients that come and go, and bulk. They take
//! std's blocking sockets and nothing else, check every byte, and are bounded in time.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::bench::Bench;
use crate::bench::cases::Done;
use crate::bench::client::{self, PATIENCE};

/// The pattern of the bulk: the length is a prime number, so that it fits no buffer, and a piece that is lost or doubled shows.
const PATTERN_BYTES: usize = 1_048_573;

/// Runs `tcp-echo-client load` with so many connections and one message of so many bytes under way on each. `limit`: the
/// option that ends it, and its value.
///
/// Errors: it fails, because a reply is lost, late or wrong; with what it said.
pub fn load(
    bench: &Bench,
    prefix: &str,
    port: u16,
    connections: usize,
    bytes: usize,
    limit: [String; 2],
) -> Result<Done> {
    let (connections, bytes) = (connections.to_string(), bytes.to_string());
    let options = ["--prefix", prefix, "--connections", &connections, "--size", &bytes, &limit[0], &limit[1]];
    client::load(&bench.executables, "tcp-echo-client", port, &options)
}

fn connect(port: u16, patience: Duration) -> Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, patience).context("cannot connect")?;
    stream.set_nodelay(true).context("cannot set the connection up")?;
    stream.set_read_timeout(Some(patience)).context("cannot set the connection up")?;
    stream.set_write_timeout(Some(patience)).context("cannot set the connection up")?;
    Ok(stream)
}

/// A message of so many bytes, which differs from those of other turns.
fn message(bytes: usize, turn: u64) -> Vec<u8> {
    let mut message: Vec<u8> = (0..bytes).map(|at| (at * 31 % 251) as u8).collect();
    let stamped = bytes.min(8);
    message[..stamped].copy_from_slice(&turn.to_be_bytes()[8 - stamped..]);
    message
}

/// Connections to a server, which are mostly idle.
pub struct Clients(Vec<TcpStream>);

impl Clients {
    /// Connects so many times.
    ///
    /// Errors: a connection fails.
    pub fn connect(port: u16, count: usize) -> Result<Clients> {
        let open = |number| connect(port, PATIENCE).with_context(|| format!("cannot open connection {number}"));
        (1..=count).map(open).collect::<Result<_>>().map(Clients)
    }

    /// Connects up to so many times, and gets an answer on each connection before the next one is made. Stops at the first
    /// that has none in time, which is not an error.
    pub fn connect_while_answered(port: u16, count: usize, patience: Duration) -> Clients {
        let mut clients = Clients(Vec::new());
        for _ in 0..count {
            let Ok(stream) = connect(port, patience) else { break };
            let mut one = Clients(vec![stream]);
            if one.greet(64).is_err() {
                break;
            }
            clients.0.append(&mut one.0);
        }
        clients
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Each sends so many bytes, and gets them back. The servers that are asked this way put nothing before them.
    ///
    /// Errors: a reply is lost, late or wrong.
    pub fn greet(&mut self, bytes: usize) -> Result<()> {
        let message = message(bytes, 0);
        for stream in &mut self.0 {
            stream.write_all(&message).context("cannot send")?;
        }
        let mut reply = vec![0; bytes];
        for stream in &mut self.0 {
            stream.read_exact(&mut reply).context("cannot receive the reply")?;
            ensure!(reply == message, "a reply is wrong");
        }
        Ok(())
    }
}

/// So many clients connect, then each sends so many bytes and gets them back, and then they close, again and again, and at least
/// once. Returns how many clients there were.
///
/// Errors: a connection fails; a reply is lost, late or wrong.
pub fn come_and_go(port: u16, at_once: usize, bytes: usize, for_time: Duration) -> Result<u64> {
    let deadline = Instant::now() + for_time;
    let mut gone = 0;
    loop {
        Clients::connect(port, at_once)?.greet(bytes)?;
        gone += at_once as u64;
        if Instant::now() >= deadline {
            return Ok(gone);
        }
    }
}

/// Sends so many bytes on one connection while it receives them back, to the last one.
///
/// Errors: the connection fails; a byte is lost, wrong or too many.
pub fn bulk(port: u16, bytes: u64) -> Result<()> {
    let stream = connect(port, PATIENCE)?;
    // Twice the pattern: so any piece of it that is no longer than the pattern stands together.
    let pattern = message(PATTERN_BYTES, 1).repeat(2);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0;
            while sent < bytes {
                let length = (bytes - sent).min(64 * 1024) as usize;
                let at = (sent % PATTERN_BYTES as u64) as usize;
                (&stream).write_all(&pattern[at..at + length]).context("cannot send")?;
                sent += length as u64;
            }
            stream.shutdown(Shutdown::Write).context("cannot end the stream")
        });
        let received = receive(&stream, &pattern, bytes);
        if received.is_err() {
            // The sender must not wait for ever.
            let _ = stream.shutdown(Shutdown::Both);
        }
        received.and(sender.join().unwrap_or_else(|_| bail!("cannot send: the thread has failed")))
    })
}

fn receive(mut stream: &TcpStream, pattern: &[u8], bytes: u64) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut received = 0;
    loop {
        let length = stream.read(&mut buffer).context("cannot receive")?;
        if length == 0 {
            ensure!(received == bytes, "{received} of {bytes} bytes came back");
            return Ok(());
        }
        let at = (received % PATTERN_BYTES as u64) as usize;
        ensure!(buffer[..length] == pattern[at..at + length], "what came back after {received} bytes is wrong");
        received += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server for so many connections, which changes or drops what `spoil` says of a piece.
    fn server(connections: usize, spoil: fn(&mut Vec<u8>)) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().take(connections) {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        let mut piece = buffer[..length].to_vec();
                        spoil(&mut piece);
                        let _ = stream.write_all(&piece);
                    }
                });
            }
        });
        port
    }

    #[test]
    fn an_honest_server_is_believed() {
        let port = server(6, |_| {});
        Clients::connect(port, 3).unwrap().greet(64).unwrap();
        assert_eq!(Clients::connect_while_answered(port, 1, PATIENCE).count(), 1);
        assert_eq!(come_and_go(port, 1, 64, Duration::ZERO).unwrap(), 1);
        bulk(port, 3_000_000).unwrap();
    }

    #[test]
    fn one_wrong_byte_is_noticed() {
        let port = server(2, |piece| piece[0] ^= 1);
        assert_eq!(Clients::connect(port, 1).unwrap().greet(64).unwrap_err().to_string(), "a reply is wrong");
        assert!(bulk(port, 100_000).unwrap_err().to_string().contains("is wrong"));
    }

    #[test]
    fn a_lost_byte_is_noticed() {
        let port = server(1, |piece| piece.truncate(piece.len() - 1));
        assert!(bulk(port, 1_000).unwrap_err().to_string().starts_with("999 of 1000"));
    }

    #[test]
    fn a_server_that_does_not_answer_is_not_waited_for() {
        let port = server(2, |piece| piece.clear());
        assert_eq!(Clients::connect_while_answered(port, 2, Duration::from_millis(10)).count(), 0);
    }
}
