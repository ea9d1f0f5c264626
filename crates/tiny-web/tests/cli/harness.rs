//! A server that is killed when its test ends, and a client that doesn't wait for ever.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any of these tests takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, on a port that the system chose.
pub struct Server {
    child: Child,
    pub port: u16,
    /// The three lines that it says when it's ready.
    pub ready_lines: Vec<String>,
    /// What it says on stderr, once it has ended.
    stderr: Receiver<String>,
    lines: Receiver<String>,
}

impl Server {
    /// Starts a server with these arguments, and waits until it's ready.
    pub fn start(arguments: &[&str]) -> Server {
        let mut server = Server::start_as_is(&[&["--host", "127.0.0.1", "--port", "0"], arguments].concat());
        for _ in 0..3 {
            let line = server.line();
            server.ready_lines.push(line);
        }
        server.port = server.ready_lines[0].rsplit(':').next().unwrap().parse().unwrap();
        server
    }

    /// Starts a server with these arguments and no others.
    pub fn start_as_is(arguments: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tiny-web"));
        command.args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = reading(BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok));
        let mut stderr = child.stderr.take().unwrap();
        let stderr = reading(std::iter::once_with(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        }));
        Server { child, port: 0, ready_lines: Vec::new(), stderr, lines }
    }

    /// The next line on stdout.
    pub fn line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("another line")
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks for one page on a connection of its own.
    pub fn get(&self, target: &str) -> Reply {
        self.get_with(target, "")
    }

    /// As [`Server::get`], with fields, each with its line end.
    pub fn get_with(&self, target: &str, fields: &str) -> Reply {
        let mut client = self.connect();
        client.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n"));
        let mut reply = client.reply_to_head();
        reply.body = client.rest();
        let length = reply.field("Content-Length").map(|length| length.parse().unwrap());
        assert_eq!(length.unwrap_or(0), reply.body.len(), "no more than that, and no less: {}", reply.head);
        reply
    }

    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream, received: Vec::new() }
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Stops it until SIGCONT. To send the signal isn't enough: its threads may go on for a moment.
    #[cfg(target_os = "linux")]
    pub fn stands_still(&self) {
        self.signal("STOP");
        let is_stopped = |task: std::fs::DirEntry| {
            // The name of the program, which may have any bytes in it, ends with the last bracket.
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        let tasks = || std::fs::read_dir(format!("/proc/{}/task", self.id())).unwrap().map(Result::unwrap);
        eventually("no thread that goes on", || tasks().all(is_stopped));
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

/// Waits until something is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "there should be {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads in a thread, so that a test can stop waiting.
pub fn reading(items: impl Iterator<Item = String> + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || items.for_each(|item| drop(sender.send(item))));
    receiver
}

/// A connection, byte by byte.
pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A reply, taken apart.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Client {
    pub fn send(&mut self, request: &str) {
        self.send_bytes(request.as_bytes());
    }

    /// Sends bytes. A server may refuse the first of them and not want the others.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Says that no more will be sent.
    pub fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next reply, its body as long as it says.
    pub fn reply(&mut self) -> Reply {
        let mut reply = self.reply_to_head();
        let length: usize = reply.field("Content-Length").unwrap().parse().unwrap();
        while self.received.len() < length {
            assert!(self.receive(), "the body ends after {} of {length} bytes", self.received.len());
        }
        reply.body = self.received.drain(..length).collect();
        reply
    }

    /// The head of the next reply: all there is, after HEAD.
    pub fn reply_to_head(&mut self) -> Reply {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.receive(), "no whole head came: {}", self.received.escape_ascii());
        };
        let head = String::from_utf8(self.received.drain(..end).collect()).unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).expect(&head);
        Reply { status, head, body: Vec::new() }
    }

    /// All that still comes, until the server closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.receive() {}
        std::mem::take(&mut self.received)
    }

    /// As [`Client::rest`], but nothing is kept.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub fn ignore_rest(&mut self) {
        while self.receive() {
            self.received.clear();
        }
    }

    /// Receives more; false: that was all.
    fn receive(&mut self) -> bool {
        let mut piece = [0; 64 * 1024];
        let length = self.stream.read(&mut piece).expect("the server should answer or close, and not reset");
        self.received.extend_from_slice(&piece[..length]);
        length > 0
    }
}

impl Reply {
    /// The value of a field that comes once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let value = values.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        assert!(!values.any(|(field, _)| field.eq_ignore_ascii_case(name)), "{name} comes twice: {}", self.head);
        value
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
