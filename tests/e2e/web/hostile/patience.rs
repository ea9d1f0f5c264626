//! Clients that take their time, and where the server's patience with them ends.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use super::super::site::Site;
use super::{from, is_served};
use crate::harness::eventually;
use crate::harness::http::{Client, Content};

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
