//! Servers of a few lines, each in a thread, the program with a bound on its time, and what it says of them.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;

/// Longer than any of these tests takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(100);
/// What a server does not do is seen when this is over.
pub const SHORT: &str = "2s";
/// What a server does is done before this is over.
pub const LONG: &str = "30s";

/// A server that does something with each datagram, until the test is over; and its port.
pub fn server_that(mut treats: impl FnMut(&UdpSocket, &[u8], SocketAddr) -> bool + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        let mut data = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut data) {
            if !treats(&socket, &data[..length], from) {
                return;
            }
        }
    });
    port
}

/// A server that sends back what `changed` makes of each datagram.
pub fn server_that_echoes(changed: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    server_that(move |socket, data, from| {
        let _ = socket.send_to(&changed(data), from);
        true
    })
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"));
    command.timeout(PATIENCE).arg("check").args(arguments);
    command
}

/// What `check` prints about the server on this port.
pub fn check(port: &str, timeout: &str, more: &[&str]) -> String {
    let output = command(&["127.0.0.1", port, "--timeout", timeout]).args(more).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(i32::from(text.contains("not ok "))), "{text}");
    text
}

pub fn failed(tap: &str) -> Vec<&str> {
    let failed = tap.lines().filter_map(|line| line.strip_prefix("not ok ")?.split(" - ").nth(1)?.split(": ").next());
    failed.collect()
}

/// `--only NAME` for these.
pub fn only<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names.iter().flat_map(|name| ["--only", name]).collect()
}
