//! A `check` that runs out of descriptors itself.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::harness::{Process, SOON, command, program};

/// A byte that only the check `bytes` sends, which is no text.
const NO_TEXT: u8 = 0xff;

/// From now on this process gets no descriptor any more.
fn starve(process: u32) {
    let none = Rlimit { current: Some(3), maximum: Some(3) };
    prlimit(Pid::from_raw(process as i32), Resource::Nofile, none).unwrap();
}

/// Before it answers something that is no text, a server takes from its client what it needs for the next question.
fn answers(data: &[u8], client: &Receiver<u32>) {
    if data.contains(&NO_TEXT) {
        // Once is enough.
        client.recv_timeout(SOON).into_iter().for_each(starve);
    }
}

/// A server for one client at a time; and its port.
fn tcp_server(client: Receiver<u32>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut data = vec![0; 65_536];
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            while let Ok(length @ 1..) = connection.read(&mut data) {
                answers(&data[..length], &client);
                let _ = connection.write_all(&data[..length]);
            }
        }
    });
    port
}

fn udp_server(client: Receiver<u32>) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut data = vec![0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut data) {
            answers(&data[..length], &client);
            let _ = socket.send_to(&data[..length], from);
        }
    });
    port
}

/// Neither is the server to blame that it was asked no more, nor has it passed what it may not have survived.
#[test]
fn a_server_that_we_have_no_descriptor_to_ask_has_neither_gone_nor_passed() {
    for name in ["tcp-echo-client", "udp-echo-client"] {
        let (tell, client) = channel();
        let port = if name == "tcp-echo-client" { tcp_server(client) } else { udp_server(client) }.to_string();
        let mut check = command(program(name));
        check.args(["check", "127.0.0.1", &port, "--timeout", "30s"]);
        check.args(["small", "bytes", "many-messages"].iter().flat_map(|name| ["--only", name]));
        let check = Process::start(check);
        tell.send(check.id()).unwrap();
        drop(tell);
        let (status, tap, stderr) = check.finish();
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{tap}");
        let skipped: Vec<&str> = tap.lines().filter_map(|line| Some(line.split_once(" # SKIP ")?.1)).collect();
        let [bytes, many] = skipped[..] else { panic!("{tap}") };
        assert!(bytes.starts_with("whether the server still serves is not known: cannot "), "{tap}");
        for why in [bytes, many] {
            assert!(why.ends_with(": too many open files: see ulimit -n"), "{tap}");
        }
        assert!(tap.ends_with("\n# 1 of 3 checks passed; 2 skipped: bytes, many-messages\n"), "{tap}");
    }
}
