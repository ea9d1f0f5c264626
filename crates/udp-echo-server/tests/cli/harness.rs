//! A server that is killed when its test ends, and clients that don't wait for ever.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Longer than any of these tests takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// So long a client waits at once, before it looks whether the server is still there.
const TURN: Duration = Duration::from_millis(100);

/// A running server, on a port that the system chose. It is killed when its test ends.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    stdout: Receiver<String>,
    /// What it says on stderr, once it has ended.
    stderr: Receiver<String>,
}

impl Server {
    /// Starts a server with these arguments, and waits until it's ready.
    pub fn start(arguments: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_udp-echo-server"));
        command.args(["--host", "127.0.0.1", "--port", "0"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = reading(BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok));
        let stderr = child.stderr.take().unwrap();
        let stderr = reading(std::iter::once_with(move || std::io::read_to_string(stderr).unwrap()));
        let mut server = Server { child, address: ([0; 4], 0).into(), stdout, stderr };
        let ready = server.line();
        let address = ready.strip_prefix("udp-echo-server: listening on ").expect(&ready).parse();
        server.address = address.expect("an address and a port");
        assert_eq!(server.line(), "udp-echo-server: this machine only");
        server
    }

    /// The next line that it prints.
    pub fn line(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).expect("the server should have printed a line")
    }

    /// Panics if it has ended, with what it said last.
    fn expect_alive(&self) {
        if let Ok(stderr) = self.stderr.try_recv() {
            panic!("the server has ended: {stderr}");
        }
    }

    /// Sends it a signal, such as `TERM`, and returns how it ended and what it said on stderr.
    #[cfg_attr(windows, allow(dead_code))]
    pub fn end_by(mut self, signal: &str) -> (ExitStatus, String) {
        let kill = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let stderr = self.stderr.recv_timeout(PATIENCE).expect("the server should have ended");
        // What the system thinks of its receive buffer is not for a test to say.
        let is_of_the_system = |line: &&str| line.contains(": the kernel gives the receive buffer ");
        let stderr = stderr.split_inclusive('\n').filter(|line| !is_of_the_system(line)).collect();
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

/// A client, or whoever else sends datagrams.
pub struct Client(pub UdpSocket);

impl Client {
    pub fn new() -> Client {
        Client::at(([127, 0, 0, 1], 0).into())
    }

    pub fn at(address: SocketAddr) -> Client {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(TURN)).unwrap();
        Client(socket)
    }

    /// Sends a datagram. False: it's larger than this system lets one be.
    pub fn send(&self, data: &[u8], server: &Server) -> bool {
        self.0.send_to(data, server.address).is_ok_and(|sent| sent == data.len())
    }

    /// The next datagram from the server.
    pub fn next(&self, server: &Server) -> Vec<u8> {
        let mut data = vec![0; 65_535];
        // Turns are counted, not time: if this process is held up, the answer is still looked for.
        for _ in 0..PATIENCE.as_millis() / TURN.as_millis() {
            match self.0.recv_from(&mut data) {
                Ok((length, from)) => {
                    assert_eq!(from, server.address);
                    data.truncate(length);
                    return data;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    server.expect_alive();
                }
                Err(error) => panic!("the server should have answered: {error}"),
            }
        }
        panic!("the server should have answered within {PATIENCE:?}");
    }

    /// Sends a datagram, and returns the next one from the server.
    pub fn ask(&self, data: &[u8], server: &Server) -> Vec<u8> {
        assert!(self.send(data, server));
        self.next(server)
    }

    /// Whether the server has sent nothing. It takes datagrams in turn: so it is asked by somebody else before.
    pub fn got_nothing(&self, server: &Server) -> bool {
        assert_eq!(Client::new().ask(b"by now?", server).last(), Some(&b'?'));
        self.0.set_nonblocking(true).unwrap();
        let nothing = self.0.peek_from(&mut [0; 65_535]).is_err();
        self.0.set_nonblocking(false).unwrap();
        nothing
    }
}
