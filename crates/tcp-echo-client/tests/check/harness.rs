//! Servers of a few lines, each in a thread, the program with a bound on its time, and what it says of them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;

/// Longer than any of these tests takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(100);
/// What a server does not do is seen when this is over.
pub const SHORT: &str = "2s";
/// What a server does is done before this is over.
pub const LONG: &str = "30s";

/// A server that treats each of its clients so, each in a thread, until the test is over; and the port it listens on.
pub fn server_that(treats: impl Fn(TcpStream) -> std::io::Result<()> + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let treats = treats.clone();
            // A client's reset is an error that concerns nobody else.
            thread::spawn(move || treats(connection));
        }
    });
    port
}

/// A server that sends back what `changed` makes of each piece.
pub fn server_that_echoes(changed: impl Fn(&[u8]) -> Vec<u8> + Clone + Send + 'static) -> String {
    server_that(move |mut connection| {
        connection.set_nodelay(true)?;
        let mut piece = vec![0; 32 * 1024];
        loop {
            match connection.read(&mut piece)? {
                0 => return Ok(()),
                length => connection.write_all(&changed(&piece[..length]))?,
            }
        }
    })
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-echo-client"));
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
