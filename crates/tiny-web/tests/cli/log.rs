//! The access log.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::folder::Shown;
use crate::harness::{Server, eventually, reading};

/// The lines of a log, once there are so many, without the dates.
fn lines(log: &Path, count: usize) -> Vec<String> {
    let read = || fs::read_to_string(log).unwrap_or_default();
    eventually("the lines of the log", || read().matches('\n').count() >= count);
    let without_date = |line: &str| {
        let (before, rest) = line.split_once('[').unwrap();
        format!("{before}{}", rest.split_once("] ").unwrap().1)
    };
    read().lines().map(without_date).collect()
}

#[test]
fn each_request_has_a_line_and_none_has_two() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("access.log");
    let large = vec![b'x'; 3_000_000];
    let shown = Shown::how(&[("a", b"12345"), ("large", &large)], &["--log", log.to_str().unwrap()]);
    shown.server.get_with("/a?b=\\", "User-Agent: x\"\u{e9}\r\nReferer: y\r\n");
    shown.server.get("/missing");
    shown.server.get("/large");
    let mut client = shown.server.connect();
    client.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\nnon\"sense\r\n\r\n");
    client.rest();
    let lines = lines(&log, 5);
    let not_found = shown.server.get("/x").body.len();
    let expected = [
        r#"127.0.0.1 - - "GET /a?b=\\ HTTP/1.1" 200 5 "y" "x\"\xc3\xa9""#.to_owned(),
        format!(r#"127.0.0.1 - - "GET /missing HTTP/1.1" 404 {not_found} "-" "-""#),
        r#"127.0.0.1 - - "GET /large HTTP/1.1" 200 3000000 "-" "-""#.to_owned(),
    ];
    assert_eq!(lines[..3], expected);
    assert_eq!(lines[3], "127.0.0.1 - - \"HEAD /a HTTP/1.1\" 200 0 \"-\" \"-\"");
    assert!(lines[4].starts_with("127.0.0.1 - - \"non\\\"sense\" 400 "), "{}", lines[4]);
}

#[test]
fn a_client_of_ipv4_has_its_own_address_whatever_the_socket_is() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("access.log");
    let mut server = Server::start_as_is(&["--port", "0", "--log", log.to_str().unwrap()]);
    server.port = server.line().rsplit(':').next().unwrap().parse().unwrap();
    server.get("/");
    assert!(lines(&log, 1)[0].starts_with("127.0.0.1 - - \"GET / HTTP/1.1\" 200 "));
}

/// A reply may break off before anything of it had to wait.
#[test]
#[cfg(target_os = "linux")]
fn a_reply_to_a_client_that_has_gone_has_its_line() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("access.log");
    let shown = Shown::how(&[("small", b"12345"), ("large", b"")], &["--log", log.to_str().unwrap()]);
    File::options().write(true).open(shown.path("large")).unwrap().set_len(64 * 1024 * 1024).unwrap();
    for (before, target) in ["/small", "/large"].into_iter().enumerate() {
        let mut client = shown.server.connect();
        client.send("GET /small HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(lines(&log, 2 * before + 1).len(), 2 * before + 1);
        // It closes with that reply unread, which is a reset, and before the server can send the next.
        shown.server.stands_still();
        client.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        drop(client);
        shown.server.signal("CONT");
        let expected = format!("127.0.0.1 - - \"GET {target} HTTP/1.1\" 200 0 \"-\" \"-\"");
        assert_eq!(lines(&log, 2 * before + 2)[2 * before + 1], expected);
    }
    let mut client = shown.server.connect();
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    client.reply_to_head();
    drop(client);
    let line = lines(&log, 5).pop().unwrap();
    assert!(line.starts_with("127.0.0.1 - - \"GET /large HTTP/1.1\" 200 ") && !line.contains(" 67108864 "), "{line}");
}

#[test]
fn a_file_that_has_shrunk_since_it_was_opened_has_its_line() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("access.log");
    let shown = Shown::how(&[("shrinks", b"")], &["--workers", "1", "--log", log.to_str().unwrap()]);
    let file = File::options().write(true).open(shown.path("shrinks")).unwrap();
    let mut asked = 0;
    // It stays open, and as long as it was, for the rest of a second.
    eventually("two requests in a second", || {
        file.set_len(100_000).unwrap();
        asked += 1;
        if shown.server.get("/shrinks").body.len() < 100_000 {
            // The last time round, the second was over between the two: now it is known as short for the rest of another.
            return false;
        }
        file.set_len(1000).unwrap();
        let mut client = shown.server.connect();
        client.send("GET /shrinks?again HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let promised = client.reply_to_head().field("Content-Length").map(str::to_owned);
        assert_eq!(client.rest().len(), 1000);
        asked += 1;
        promised.as_deref() == Some("100000")
    });
    let last = lines(&log, asked).pop().unwrap();
    assert_eq!(last, r#"127.0.0.1 - - "GET /shrinks?again HTTP/1.1" 200 1000 "-" "-""#);
}

#[test]
fn a_log_that_was_moved_away_is_begun_anew() {
    let place = tempfile::tempdir().unwrap();
    let (log, old) = (place.path().join("log"), place.path().join("log.1"));
    let shown = Shown::how(&[("a", b"a")], &["--log", log.to_str().unwrap()]);
    shown.server.get("/a");
    fs::rename(&log, &old).unwrap();
    shown.server.signal("HUP");
    // A request that comes while the new file is being opened may still be told in the old one.
    eventually("a line in the new log", || {
        shown.server.get("/a?new");
        fs::read_to_string(&log).is_ok_and(|log| log.contains("/a?new"))
    });
    let old = lines(&old, 1);
    assert!(old[0].contains("\"GET /a HTTP/1.1\"") && old[1..].iter().all(|line| line.contains("/a?new")), "{old:?}");
    assert!(lines(&log, 1).iter().all(|line| line.contains("/a?new")));
}

/// As `logger` may be one: it reads when it gets round to it, and what there is no room for meanwhile is lost.
#[test]
fn no_line_goes_on_in_the_next_though_a_fifo_has_no_room_for_its_end() {
    let place = tempfile::tempdir().unwrap();
    let fifo = place.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // For writing too, so that it opens at once, and stays open.
    let reader = File::options().read(true).write(true).open(&fifo).unwrap();
    let shown = Shown::how(&[("a", b"a")], &["--workers", "1", "--log", fifo.to_str().unwrap()]);
    let mut client = shown.server.connect();
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9000));
    for _ in 0..30 {
        client.send(&long);
        client.reply();
    }
    let lines = reading(BufReader::new(reader).lines().map_while(Result::ok));
    let mut line = None;
    eventually("a line that there is room for", || {
        shown.server.get("/a");
        line = lines.try_iter().find(|line| line.contains("GET /a "));
        line.is_some()
    });
    let line = line.unwrap();
    assert_eq!(line.matches("127.0.0.1 - - [").count(), 1, "{line}");
}

/// A pipe takes lines as short as these whole, or not at all.
#[test]
fn a_line_that_was_lost_leaves_no_empty_one() {
    let place = tempfile::tempdir().unwrap();
    let fifo = place.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = File::options().read(true).write(true).open(&fifo).unwrap();
    let shown = Shown::how(&[("a", b"a")], &["--workers", "1", "--log", fifo.to_str().unwrap()]);
    let mut client = shown.server.connect();
    // Nobody reads yet, and this is more than 64 KiB of lines.
    for _ in 0..2000 {
        client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        client.reply();
    }
    let lines = reading(BufReader::new(reader).lines().map_while(Result::ok));
    let mut seen = Vec::new();
    eventually("a line that there is room for", || {
        shown.server.get("/a?again");
        seen.extend(lines.try_iter());
        seen.iter().any(|line| line.contains("GET /a?again "))
    });
    assert!(seen.iter().all(|line| line.starts_with("127.0.0.1 - - [")), "{seen:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_once_and_is_not_the_end() {
    let shown = Shown::how(&[("a", b"a")], &["--log", "/dev/full"]);
    for _ in 0..3 {
        assert_eq!(shown.server.get("/a").status, 200);
    }
    shown.server.signal("TERM");
    let (_, stderr) = shown.server.end();
    assert_eq!(stderr, "tiny-web: cannot write /dev/full: no space left on device\n");
}
