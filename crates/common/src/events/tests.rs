//! Loops that fail, and what becomes of the others and of everybody's clients.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::net::AddressFamily;

use super::*;
use crate::address::Address;
use crate::berkeley::{SocketType, recv, send, socket};
use crate::signal::Stop;
use crate::wait::GaveUp;
use crate::{Errno, exit};

/// The bound on everything that should happen at once, on a busy machine too.
const SOON: Duration = Duration::from_secs(30);
/// Longer than any test: nobody is cut off at the end of the drain.
const DRAIN: Duration = Duration::from_secs(3600);

/// Sends every byte back, but panics at this one.
const PANIC: u8 = b'!';
struct Moody;

impl Service for Moody {
    const PROGRAM: &'static str = "test";
    type Conversation = ();

    fn begin(&mut self, _connection: &OwnedFd, _peer: &Address) -> Option<()> {
        Some(())
    }

    fn refused(&mut self, _conversation: &mut (), errno: Errno) {
        panic!("the event queue has room: {errno}");
    }

    fn go_on(&mut self, _conversation: &mut (), connection: &OwnedFd, _ended: bool) -> Next {
        let mut byte = [0];
        loop {
            match recv(connection, &mut byte) {
                Ok(1) if byte == [PANIC] => panic!("on purpose"),
                Ok(1) => assert_eq!(send(connection, &byte), Ok(1)),
                Err(Errno::AGAIN) => return Next::Input,
                _ => return Next::Close,
            }
        }
    }

    fn give_up(&mut self, _conversation: &mut (), _connection: &OwnedFd, _why: GaveUp) -> Next {
        Next::Close
    }
}

fn patience() -> Patience {
    Patience { stop: Stop::without_signals(), idle: None, drain: DRAIN }
}

fn loops<'a>(patience: &'a Patience, crew: &'a Crew, polls: Vec<Poll>) -> Vec<EventLoop<'a, Moody>> {
    let polls = polls.into_iter().enumerate();
    polls.map(|(own, poll)| EventLoop::new(Moody, patience, crew, own, poll).unwrap()).collect()
}

/// What a server with so many loops ends with.
fn serve(listener: OwnedFd, count: usize) -> Receiver<String> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let patience = patience();
        let (crew, polls) = Crew::new(count, 100).unwrap();
        let mut loops = loops(&patience, &crew, polls);
        loops[0].accept_from(listener, false).unwrap();
        let ended =
            thread::scope(|scope| run_all(loops, |work| thread::Builder::new().spawn_scoped(scope, work), || ()));
        tell.send(exit::describe(&ended.unwrap_err())).unwrap();
    });
    told
}

/// A server with three loops, and a client of each: they have their turn.
fn three() -> (Receiver<String>, [TcpStream; 3]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let told = serve(listener.into(), 3);
    let clients = [0; 3].map(|_| client(&address));
    clients.iter().for_each(is_served);
    (told, clients)
}

fn client(address: &SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    client
}

fn is_served(mut client: &TcpStream) {
    let mut byte = [0];
    client.write_all(b"a").unwrap();
    client.read_exact(&mut byte).unwrap();
    assert_eq!(byte, *b"a");
}

/// Lets the loop of one client panic. The client is told at once, by the end of its connection; the others are still served.
fn one_panics(which: usize) -> Receiver<String> {
    let (told, mut clients) = three();
    clients[which].write_all(&[PANIC]).unwrap();
    assert_eq!(clients[which].read(&mut [0]).unwrap(), 0);
    for other in (0..3).filter(|other| *other != which) {
        is_served(&clients[other]);
    }
    told
}

#[test]
fn when_a_loop_panics_the_server_stops_and_says_so() {
    for which in [0, 1] {
        assert_eq!(one_panics(which).recv_timeout(SOON).unwrap(), "cannot go on: a thread has panicked");
    }
}

#[test]
fn when_the_listener_is_broken_all_loops_end() {
    for count in [1, 3] {
        let deaf = socket(AddressFamily::INET, SocketType::STREAM).unwrap();
        crate::sockopt::set_nonblocking(&deaf).unwrap();
        let told = serve(deaf, count).recv_timeout(SOON).unwrap();
        assert!(told.starts_with("cannot accept clients: "), "{told}");
    }
}

#[test]
fn nobody_waits_for_a_loop_that_is_gone() {
    let patience = patience();
    let (crew, polls) = Crew::new(2, 100).unwrap();
    let mut loops = loops(&patience, &crew, polls);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut clients = [0; 2].map(|_| client(&address));
    let hand_over = || {
        let (connection, peer) = listener.accept().unwrap();
        crew.hand_over(1, connection.into(), Address::Internet(peer))
    };
    assert!(hand_over().is_none());
    assert!(!patience.stop.is_asked());
    drop(loops.pop());
    assert_eq!(clients[0].read(&mut [0]).unwrap(), 0, "what was on its way to it is closed");
    assert!(hand_over().is_some(), "it is given nothing more");
    assert!(patience.stop.is_asked(), "nor does the server go on without it");
}

#[test]
fn without_a_thread_for_each_no_loop_runs() {
    let patience = patience();
    let (crew, polls) = Crew::new(3, 100).unwrap();
    let loops = loops(&patience, &crew, polls);
    let (started, is_ready) = (Cell::new(0), Cell::new(false));
    let ended = thread::scope(|scope| {
        run_all(
            loops,
            |work| match started.replace(started.get() + 1) {
                0 => thread::Builder::new().spawn_scoped(scope, work),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            },
            || is_ready.set(true),
        )
    });
    assert!(exit::describe(&ended.unwrap_err()).starts_with("cannot start a thread: "));
    assert_eq!((started.get(), is_ready.get()), (2, false));
}
