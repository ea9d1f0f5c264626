//! A server that is killed when its test ends, and clients that don't wait for ever.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Longer than any of these tests takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, on a port that the system chose. It is killed when its test ends.
pub struct Server {
    child: Child,
    pub port: u16,
    /// The two lines that it says when it's ready.
    pub ready_lines: [String; 2],
    /// What it says on stderr, once it has ended.
    stderr: Receiver<String>,
}

impl Server {
    /// Starts a server with these arguments, and waits until it's ready.
    pub fn start(arguments: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-echo-server"));
        command.args(["--host", "127.0.0.1", "--port", "0"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = reading(BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok));
        let stderr = child.stderr.take().unwrap();
        let stderr = reading(std::iter::once_with(move || std::io::read_to_string(stderr).unwrap()));
        let mut server = Server { child, port: 0, ready_lines: Default::default(), stderr };
        server.ready_lines = [(); 2].map(|()| stdout.recv_timeout(PATIENCE).expect("two lines, and then clients"));
        server.port = server.ready_lines[0].rsplit(':').next().unwrap().parse().unwrap();
        server
    }

    pub fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// All that comes back for a message on a connection of its own. It is read while it is written.
    pub fn exchange(&self, message: &[u8]) -> Vec<u8> {
        let mut client = self.connect();
        thread::scope(|scope| {
            let mut writer = client.try_clone().unwrap();
            scope.spawn(move || writer.write_all(message).and_then(|()| writer.shutdown(Shutdown::Write)));
            rest(&mut client)
        })
    }

    /// Sends it a signal, such as `TERM`.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end, and returns how it ended and what it said on stderr.
    pub fn end(mut self) -> (ExitStatus, String) {
        let stderr = self.stderr.recv_timeout(PATIENCE).expect("the server should have ended");
        (self.child.wait().unwrap(), stderr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads in a thread, so that a test can stop waiting.
fn reading(items: impl Iterator<Item = String> + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || items.for_each(|item| drop(sender.send(item))));
    receiver
}

/// Sends a short message, and returns the reply, as long as it is with the prefix once.
pub fn ask(client: &mut TcpStream, message: &str) -> String {
    client.write_all(message.as_bytes()).unwrap();
    let mut reply = vec![0; "echo -> ".len() + message.len()];
    client.read_exact(&mut reply).unwrap();
    String::from_utf8(reply).unwrap()
}

/// All that still comes, until the server ends the connection.
pub fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).expect("an end, and no reset");
    reply
}
