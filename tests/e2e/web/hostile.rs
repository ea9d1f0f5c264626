//! Clients that mean no good, many of them at once; and a good one among them, who is served all the same.
//!
//! How soon the good one is served is no test's business: here only that it is, within the usual patience.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::site::Site;
use crate::harness::http::{Client, Content};
use crate::harness::{SOON, Server, command, eventually, program};

/// So many of each kind.
const MANY: usize = 500;

/// A connection from another address of the loopback network: another client, for who counts by address.
fn from(address: [u8; 4], to: SocketAddr) -> TcpStream {
    let SocketAddr::V4(to) = to else { panic!("{to} is not IPv4") };
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &std::net::SocketAddrV4::new(Ipv4Addr::from(address), 0)).unwrap();
    connect(&socket, &to).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

/// A good client asks, on a new connection each time and on one for all; it is served. The one may be closed while nothing is
/// asked on it, and is made anew then, as browsers do: RFC 9112, section 9.3.1.
fn is_served(server: &Server, address: [u8; 4]) {
    let request = "GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let connect = || Client::new(from(address, server.address));
    let mut one = connect();
    for number in 0..20 {
        let reply = one.ask(request).or_else(|_| {
            one = connect();
            one.ask(request)
        });
        assert_eq!(reply.unwrap().body, b"0123456789", "request {number}");
        // It is the server that closes this one: so it doesn't count it any more when the next one comes.
        let mut other = connect();
        assert_eq!(other.ask(last).unwrap().body, b"0123456789", "connection {number}");
        other.receive_all().unwrap();
    }
}

/// The memory that the process has for itself and uses, in KiB.
#[cfg(target_os = "linux")]
fn memory(server: &Server) -> usize {
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", server.process.id())).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).expect("how much is private");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn five_hundred_slow_heads_keep_nobody_from_being_served() {
    // They have more time than all of this takes on a busy machine.
    let site = Site::start(&["--head-timeout", "10m"]);
    let mut slow: Vec<TcpStream> = (0..MANY).map(|_| from([127, 0, 0, 1], site.server.address)).collect();
    for (round, piece) in ["GET /ten.txt HT", "TP/1.1\r\nHo", "st: a\r\nX: b"].iter().enumerate() {
        for stream in &mut slow {
            // Who is one too many may have been closed.
            let _ = stream.write_all(piece.as_bytes());
        }
        is_served(&site.server, [127, 0, 0, if round == 0 { 1 } else { 2 }]);
    }
    #[cfg(target_os = "linux")]
    assert!(memory(&site.server) < 8 * 1024, "{} KiB for {MANY} unfinished heads", memory(&site.server));
    // Each of them, too, may finish.
    for stream in &mut slow {
        let _ = stream.write_all(b"\r\n\r\n");
    }
    let mut last = Client::new(slow.pop().unwrap());
    assert_eq!(last.reply(Content::Follows).unwrap().body, b"0123456789");
}

#[test]
fn five_hundred_readers_of_a_byte_at_a_time_keep_nobody_from_being_served() {
    let site = Site::start(&[]);
    site.write("large", &vec![b'x'; 4 << 20]);
    let mut slow: Vec<TcpStream> = (0..MANY)
        .map(|_| {
            let mut stream = from([127, 0, 0, 1], site.server.address);
            let _ = stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
            stream
        })
        .collect();
    for round in 0..3 {
        for stream in &mut slow {
            let _ = stream.read(&mut [0]);
        }
        is_served(&site.server, [127, 0, 0, if round == 0 { 1 } else { 2 }]);
    }
    #[cfg(target_os = "linux")]
    assert!(memory(&site.server) < 16 * 1024, "{} KiB for {MANY} unread replies", memory(&site.server));
}

#[test]
fn with_twenty_descriptors_an_address_that_takes_all_leaves_some_to_others() {
    let site = Site::start(&[]);
    let mut limited = command("prlimit");
    limited.args(["--nofile=20:20", "--"]).arg(program("tiny-web")).arg(site.path("."));
    limited.args(["--host", "127.0.0.1", "--port", "0"]);
    let server = Server::ready("tiny-web", limited);
    let mut greedy: Vec<TcpStream> = (0..60).map(|_| from([127, 0, 0, 1], server.address)).collect();
    for stream in &mut greedy {
        let _ = stream.write_all(b"GET /ten.txt HTTP/1.1\r\nHost: a\r\n");
    }
    is_served(&server, [127, 0, 0, 2]);
    // They go, and everybody is served again.
    drop(greedy);
    is_served(&server, [127, 0, 0, 1]);
    let (status, _, stderr) = server.stop();
    assert!(status.success(), "{stderr}");
}

#[test]
fn a_server_whose_places_are_all_taken_gets_them_back() {
    let options = ["--max-connections", "30", "--max-per-address", "30", "--head-timeout", "300ms"];
    let site = Site::start(&[&options[..], &["--idle-timeout", "300ms"]].concat());
    // Some say nothing, some say something, none says enough.
    let mut idle: Vec<TcpStream> = (0..60).map(|_| from([127, 0, 0, 1], site.server.address)).collect();
    for stream in idle.iter_mut().step_by(2) {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n");
    }
    is_served(&site.server, [127, 0, 0, 2]);
}

#[test]
fn who_has_been_served_and_stays_gives_way_to_who_has_not() {
    let site = Site::start(&["--max-connections", "30", "--max-per-address", "100"]);
    let served = |_| {
        let mut client = Client::new(from([127, 0, 0, 1], site.server.address));
        assert_eq!(client.ask("GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().status, 200);
        client
    };
    let idle: Vec<Client> = (0..30).map(served).collect();
    is_served(&site.server, [127, 0, 0, 2]);
    drop(idle);
}

#[cfg(target_os = "linux")]
#[test]
fn who_asks_and_asks_and_never_reads_costs_no_memory() {
    let site = Site::start(&[]);
    site.write("large", &vec![b'x'; 16 << 20]);
    site.write("small", &vec![b'x'; 20_000]);
    let before = memory(&site.server);
    let mut greedy = Vec::new();
    for target in ["/large", "/small", "/bare/", "/missing"] {
        for _ in 0..10 {
            let mut stream = from([127, 0, 0, 1], site.server.address);
            stream.set_nonblocking(true).unwrap();
            let requests = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(20_000);
            // As much as there is room for.
            while stream.write(requests.as_bytes()).is_ok() {}
            greedy.push(stream);
        }
    }
    is_served(&site.server, [127, 0, 0, 2]);
    let after = memory(&site.server);
    assert!(after < before + 16 * 1024, "{before} KiB before, {after} KiB after");
}

#[test]
fn an_address_has_only_so_many_connections() {
    let site = Site::start(&["--max-per-address", "10"]);
    let mut served = 0;
    let mut kept = Vec::new();
    for _ in 0..30 {
        let mut client = Client::new(from([127, 0, 0, 1], site.server.address));
        served += usize::from(client.ask("GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n").is_ok_and(|r| r.status == 200));
        kept.push(client);
    }
    assert_eq!(served, 10);
    is_served(&site.server, [127, 0, 0, 2]);
    drop(kept);
    eventually("places for who has left", || {
        let mut client = Client::new(from([127, 0, 0, 1], site.server.address));
        client.ask("GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n").is_ok()
    });
}

#[test]
fn a_head_that_drips_has_one_deadline_and_gets_408() {
    let site = Site::start(&["--head-timeout", "400ms"]);
    for (first, rest) in [
        ("", "GET /ten.txt HTTP/1.1\r\nHost: a\r\n"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", "x"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
    ] {
        let mut stream = site.server.connect();
        stream.write_all(first.as_bytes()).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let rest = rest.repeat(1000);
        let dripping = thread::spawn(move || {
            for byte in rest.bytes() {
                if writer.write_all(&[byte]).is_err() {
                    break;
                }
                // Not to wait for anything, but to be slow.
                thread::sleep(Duration::from_millis(20));
            }
        });
        let mut client = Client::new(stream.try_clone().unwrap());
        let reply = client.reply(Content::Follows).unwrap_or_else(|fault| panic!("{first}: {fault}"));
        assert!(reply.status == 408 && reply.is_last(), "{first}: {reply:?}");
        stream.shutdown(std::net::Shutdown::Both).unwrap();
        dripping.join().unwrap();
    }
}

#[test]
fn who_says_nothing_is_left_without_a_word() {
    let site = Site::start(&["--idle-timeout", "300ms"]);
    let mut silent = Client::new(site.server.connect());
    silent.receive_all().unwrap();
    assert!(silent.input.is_empty());
    let mut served = Client::new(site.server.connect());
    assert_eq!(served.ask("GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().status, 200);
    served.receive_all().unwrap();
    assert!(served.input.is_empty());
}

#[test]
fn who_does_not_read_is_cut_off() {
    let site = Site::start(&["--slow-timeout", "500ms"]);
    const LENGTH: usize = 64 << 20;
    site.write("large", &vec![b'x'; LENGTH]);
    let mut client = Client::new(site.server.connect());
    client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    site.server.process.stderr_has("127.0.0.1");
    // It is told by the connection's end, and by nothing that it could take for the rest.
    let _ = client.receive_all();
    assert!(client.input.len() < LENGTH);
    is_served(&site.server, [127, 0, 0, 1]);
}

#[test]
fn who_reads_a_byte_now_and_then_is_cut_off_too() {
    let site = Site::start(&["--slow-timeout", "500ms"]);
    site.write("large", &vec![b'x'; 64 << 20]);
    let mut stream = from([127, 0, 0, 1], site.server.address);
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    eventually("the end of the server's patience", || {
        let _ = stream.read(&mut [0]);
        site.server.process.stderr().contains("lost 127.0.0.1")
    });
    site.server.process.stderr_has("read less than 1024 bytes a second");
}

#[test]
fn slow_clients_do_not_keep_a_server_from_stopping() {
    let site = Site::start(&["--drain", "300ms"]);
    site.write("large", &vec![b'x'; 64 << 20]);
    let mut slow = Vec::new();
    for request in [
        "GET / HT",
        "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        "",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    ] {
        for _ in 0..50 {
            let mut stream = from([127, 0, 0, 1], site.server.address);
            stream.write_all(request.as_bytes()).unwrap();
            slow.push(stream);
        }
    }
    is_served(&site.server, [127, 0, 0, 2]);
    let (status, ..) = site.server.stop();
    assert!(status.success());
}

#[test]
fn who_resets_the_connection_is_no_trouble() {
    let site = Site::start(&[]);
    site.write("large", &vec![b'x'; 8 << 20]);
    for request in [
        "",
        "GET / HT",
        "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    ] {
        for _ in 0..20 {
            let mut stream = site.server.connect();
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
        }
        is_served(&site.server, [127, 0, 0, 1]);
    }
    let (status, ..) = site.server.stop();
    assert!(status.success());
}
