//! Servers for the client to meet: a few lines each, in a thread, with one socket.

use std::net::{SocketAddr, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longer than any of these tests takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server's end of the conversation.
pub struct Socket(pub UdpSocket);

impl Socket {
    pub fn new() -> Socket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Socket(socket)
    }

    pub fn port(&self) -> String {
        self.0.local_addr().unwrap().port().to_string()
    }

    /// The next datagram and who has sent it.
    pub fn next(&self) -> (Vec<u8>, SocketAddr) {
        let mut data = vec![0; 65_535];
        let (length, from) = self.0.recv_from(&mut data).expect("the client should have sent something");
        data.truncate(length);
        (data, from)
    }

    pub fn reply(&self, reply: &[u8], to: SocketAddr) {
        assert_eq!(self.0.send_to(reply, to).unwrap(), reply.len());
    }

    /// How many datagrams are waiting, when all that will ever come are there.
    pub fn count_waiting(&self) -> usize {
        self.0.set_nonblocking(true).unwrap();
        (0..).take_while(|_| self.0.recv_from(&mut [0; 65_535]).is_ok()).count()
    }
}

/// A server that does what it is told, once.
pub struct Server<T> {
    pub port: String,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Server<T> {
    pub fn that(does: impl FnOnce(&Socket) -> T + Send + 'static) -> Server<T> {
        let socket = Socket::new();
        Server { port: socket.port(), thread: thread::spawn(move || does(&socket)) }
    }

    /// What it came to, for a client that has ended.
    pub fn end(self) -> T {
        self.thread.join().unwrap()
    }
}

/// A server that replies so to the first datagram, and tells what that was.
pub fn server_that_replies(reply: impl Into<Vec<u8>>) -> Server<Vec<u8>> {
    let reply = reply.into();
    Server::that(move |socket| {
        let (question, client) = socket.next();
        socket.reply(&reply, client);
        question
    })
}

/// A server that sends back so many datagrams, each behind the prefix, and tells what they were. Each is another than the one
/// before.
pub fn server_that_echoes(count: usize) -> Server<Vec<Vec<u8>>> {
    Server::that(move |socket| {
        let mut questions = Vec::new();
        while questions.len() < count {
            let (question, client) = socket.next();
            socket.reply(&[b"echo -> ", &question[..]].concat(), client);
            // A client that knows how soon it is answered asks again after 200 ms, which a busy machine may take.
            if questions.last() != Some(&question) {
                questions.push(question);
            }
        }
        questions
    })
}

/// A socket whose port nobody can reach: it talks only to itself.
pub fn nobody() -> Socket {
    let socket = Socket::new();
    socket.0.connect(socket.0.local_addr().unwrap()).unwrap();
    socket
}
