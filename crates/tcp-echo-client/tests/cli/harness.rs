//! Servers for the client to meet: a few lines each, in a thread, for one connection. And somebody who types.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longer than any of these tests takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server that has one client.
pub struct Server<T> {
    pub port: String,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Server<T> {
    /// A server that treats its client so. The connection ends with it, unless it is given back.
    pub fn that(treats: impl FnOnce(TcpStream) -> T + Send + 'static) -> Server<T> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let thread = thread::spawn(move || {
            let connection = listener.accept().unwrap().0;
            connection.set_read_timeout(Some(PATIENCE)).unwrap();
            connection.set_write_timeout(Some(PATIENCE)).unwrap();
            connection.set_nodelay(true).unwrap();
            treats(connection)
        });
        Server { port, thread }
    }

    /// What the treatment came to, for a client that has ended.
    pub fn end(self) -> T {
        self.thread.join().unwrap()
    }
}

/// A server that hears its client out, and only then replies. It gives back what it has heard.
pub fn server_that_replies(reply: impl Into<Vec<u8>>) -> Server<Vec<u8>> {
    let reply = reply.into();
    Server::that(move |mut connection| {
        let heard = hear_out(&mut connection);
        connection.write_all(&reply).unwrap();
        heard
    })
}

/// A server that sends back what it receives, in pieces of up to `most` bytes, while it receives it.
pub fn server_that_echoes(most: usize) -> Server<usize> {
    Server::that(move |mut connection| {
        let (mut piece, mut total) = (vec![0; most], 0);
        loop {
            let length = connection.read(&mut piece).unwrap();
            if length == 0 {
                return total;
            }
            connection.write_all(&piece[..length]).unwrap();
            total += length;
        }
    })
}

/// All that the client says, until it says that it's done.
pub fn hear_out(connection: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    connection.read_to_end(&mut heard).unwrap();
    heard
}

/// A port where nothing listens, as long as the connection is kept: it's the port of the connection's other end.
pub fn port_of_nobody() -> (String, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    connection.shutdown(Shutdown::Write).unwrap();
    (connection.local_addr().unwrap().port().to_string(), connection)
}

/// A client that somebody types into, line by line. It is killed when its test ends.
pub struct Typed {
    client: Child,
    pub keyboard: ChildStdin,
    /// The lines that it prints.
    pub screen: Receiver<String>,
}

impl Typed {
    pub fn start(arguments: &[&str]) -> Typed {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-echo-client"));
        let mut client = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(client.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (sender, screen) = mpsc::channel();
        // In a thread, so that a test can stop waiting.
        thread::spawn(move || lines.for_each(|line| drop(sender.send(line))));
        Typed { keyboard: client.stdin.take().unwrap(), client, screen }
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}
