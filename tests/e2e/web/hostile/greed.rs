//! Clients that ask for more than anybody needs: what it costs the server, and the others.

use std::io::{Read, Write};
use std::thread;

use super::super::site::Site;
use super::{from, is_served, memory};
use crate::harness::http::{Client, Content};

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
