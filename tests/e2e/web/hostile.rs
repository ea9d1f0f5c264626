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

#[test]
fn many_who_come_at_once_are_all_served_in_the_places_of_the_idle() {
    let site = Site::start(&["--max-connections", "30", "--max-per-address", "30", "--idle-timeout", "10m"]);
    // So that all of them wait to be accepted when it goes on.
    site.server.process.signal("STOP");
    let mut clients: Vec<Client> = (0..200).map(|_| Client::new(site.server.connect())).collect();
    for client in &mut clients {
        client.send(b"GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    site.server.process.signal("CONT");
    for client in &mut clients {
        assert_eq!(client.reply(Content::Follows).unwrap().body, b"0123456789");
    }
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
fn who_has_not_finished_a_head_gives_way_to_who_has() {
    let wide = Site::start(&["--max-connections", "40"]);
    let narrow = Site::start(&[]);
    let mut limited = command("prlimit");
    limited.args(["--nofile=20:20", "--"]).arg(program("tiny-web")).arg(narrow.path("."));
    limited.args(["--host", "127.0.0.1", "--port", "0"]);
    for server in [wide.server, Server::ready("tiny-web", limited)] {
        let mut slow = Vec::new();
        for number in 0..80 {
            let mut stream = from([127, 0, 0, 50 + number % 40], server.address);
            let _ = stream.write_all(b"GET /ten.txt HT");
            slow.push(stream);
        }
        is_served(&server, [127, 0, 0, 2]);
        let (status, _, stderr) = server.stop();
        assert!(status.success(), "{stderr}");
    }
}

/// While the server stands still, a client asks so many times, and then a good one once. Returns how many answers to the first were
/// sent before the good one's.
fn answered_before(times: usize, request: &str, options: &[&str]) -> usize {
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("log");
    let site = Site::start(&[&["--workers", "1", "--log", log.to_str().unwrap()], options].concat());
    for number in 0..300 {
        site.write(&format!("many/{number}"), b"");
    }
    let mut greedy = site.server.connect();
    greedy.write_all(b"HEAD /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(greedy.read(&mut [0; 8]).unwrap() > 0);
    site.server.process.signal("STOP");
    greedy.write_all(request.repeat(times).as_bytes()).unwrap();
    greedy.shutdown(std::net::Shutdown::Write).unwrap();
    let mut good = Client::new(from([127, 0, 0, 2], site.server.address));
    good.send(b"GET /probe.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    site.server.process.signal("CONT");
    assert_eq!(good.reply(Content::Follows).unwrap().body, b"probe\n");
    let _ = greedy.read_to_end(&mut Vec::new());
    drop((greedy, good));
    assert!(site.server.stop().0.success());
    let log = std::fs::read_to_string(log).unwrap();
    let before = log.lines().position(|line| line.contains("/probe.txt")).expect("a line for the good one");
    assert_eq!(log.lines().count(), times + 2, "all are answered");
    before
}

#[test]
fn who_asks_a_thousand_times_at_once_has_turns_like_everybody_else() {
    // As many as the server's socket has room for while nobody receives them.
    let before = answered_before(2000, "HEAD /ten.txt HTTP/1.1\r\nHost:\r\n\r\n", &[]);
    assert!(before < 1000, "{before} of 2000 before somebody else's request");
    let before = answered_before(2000, "HEAD /ten.txt HTTP/1.1\r\nHost:\r\n\r\n", &["--no-cache"]);
    assert!(before < 300, "{before} of 2000 before somebody else's request, with --no-cache");
    let before = answered_before(200, "HEAD /many/ HTTP/1.1\r\nHost:\r\n\r\n", &["--no-cache"]);
    assert!(before < 20, "{before} of 200 lists before somebody else's request");
}

#[test]
fn a_thousand_requests_in_one_breath_are_answered_in_their_order() {
    let site = Site::start(&["--workers", "1"]);
    site.write("large", &vec![b'x'; 100_000]);
    let targets = ["ten.txt", "missing", "bare/", "probe.txt", "large", "empty.txt"];
    // Any order, so long as it has no period that a mistake could have, too.
    let asked: Vec<&str> = (0..3000_usize).map(|number| targets[number * number / 7 % targets.len()]).collect();
    let requests: String = asked.iter().map(|target| format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let stream = site.server.connect();
    let mut writer = Client::new(stream.try_clone().unwrap());
    let writing = thread::spawn(move || {
        writer.send(requests.as_bytes());
        writer.finish();
    });
    let mut client = Client::new(stream);
    for (number, target) in asked.iter().enumerate() {
        let reply = client.reply(Content::Follows).unwrap_or_else(|fault| panic!("{number}, {target}: {fault}"));
        let is_it = match *target {
            "ten.txt" => reply.body == b"0123456789",
            "missing" => reply.status == 404,
            "bare/" => reply.text().contains("inner.txt"),
            "probe.txt" => reply.body == b"probe\n",
            "large" => reply.body.len() == 100_000,
            _ => reply.status == 200 && reply.body.is_empty(),
        };
        assert!(is_it, "{number}, {target}: {}", reply.status);
    }
    writing.join().unwrap();
    client.receive_all().unwrap();
    assert!(client.input.is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_under_a_thousand_spellings_is_kept_once() {
    let site = Site::start(&["--workers", "1"]);
    site.write("file", &vec![b'x'; 32 * 1024]);
    let mut client = Client::new(site.server.connect());
    let before = memory(&site.server);
    for number in 0..1000 {
        let target = match number % 2 {
            0 => format!("{}file", "/".repeat(2 + number)),
            _ => format!("http://host-{number}/%66ile?{number}"),
        };
        let reply = client.ask(&format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        assert_eq!(reply.status, 200, "{target}");
    }
    let after = memory(&site.server);
    assert!(after < before + 4 * 1024, "{before} KiB before, {after} KiB after");
}

#[test]
fn who_talks_on_after_being_refused_is_not_listened_to_for_long() {
    let site = Site::start(&[]);
    let mut stream = site.server.connect();
    stream.write_all(b"X\n").unwrap();
    let mut sent = 0;
    let piece = vec![b'x'; 1 << 20];
    // Until the server closes the connection.
    while let Ok(some) = stream.write(&piece) {
        sent += some;
    }
    // A mebibyte is received; the rest was on its way, as much as the two sockets have room for.
    assert!(sent < 64 << 20, "{} MiB", sent >> 20);
    is_served(&site.server, [127, 0, 0, 1]);
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
