//! A right server, and each with a fault of its own: which check finds it.

use std::io::{BufRead, BufReader, Read, Write};
use std::thread;
use std::time::Duration;

use crate::harness::*;

#[test]
fn a_right_server_fails_nothing_but_what_std_cannot_do() {
    for (prefix, comment) in
        [("", "# no prefix: a plain echo (RFC 862)\n"), ("> ", "# prefix: \"> \" before each piece\n")]
    {
        let port = server_that_echoes(move |piece| [prefix.as_bytes(), piece].concat());
        let tap = check(&port, LONG, &[]);
        // SO_OOBINLINE isn't in std.
        assert_eq!(failed(&tap), ["urgent"], "{tap}");
        let found = format!("TAP version 14\n1..21\n# server: 127.0.0.1:{port}\n{comment}ok 1 - prefix: ");
        assert!(tap.starts_with(&found), "{tap}");
        assert!(tap.ends_with("# 1 of 21 checks failed: urgent\n"), "{tap}");
    }
}

#[test]
fn a_server_that_ends_when_its_input_does() {
    let port = server_that(|mut connection| {
        let mut piece = vec![0; 32 * 1024];
        loop {
            let length = connection.read(&mut piece)?;
            connection.set_read_timeout(Some(Duration::from_millis(100)))?;
            if length == 0 || matches!(connection.peek(&mut [0]), Ok(0)) {
                return Ok(());
            }
            connection.set_read_timeout(None)?;
            connection.write_all(&piece[..length])?;
        }
    });
    let tap = check(&port, LONG, &only(&["small", "half-close", "empty"]));
    assert_eq!(failed(&tap), ["half-close"], "{tap}");
}

#[test]
fn a_server_that_waits_for_lines() {
    let port = server_that(|mut connection| {
        let mut lines = BufReader::new(connection.try_clone()?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            connection.write_all(&line)?;
            line.clear();
        }
        Ok(())
    });
    let tap = check(&port, SHORT, &only(&["small", "single-bytes", "pipelined"]));
    assert_eq!(failed(&tap), ["small", "single-bytes"], "{tap}");
}

#[test]
fn a_server_that_answers_only_in_the_end() {
    let port = server_that(|mut connection| {
        let mut heard = Vec::new();
        connection.read_to_end(&mut heard)?;
        connection.write_all(&heard)
    });
    let tap = check(&port, SHORT, &only(&["small", "half-close", "empty", "second-client", "reset"]));
    assert_eq!(failed(&tap), ["small"], "{tap}");
    assert!(tap.contains("\n# no reply before the client has said its last word\n"), "{tap}");
}

#[test]
fn a_server_that_has_time_for_one_message_only() {
    let port = server_that(|mut connection| {
        let mut piece = [0; 4096];
        let length = connection.read(&mut piece)?;
        connection.write_all(&piece[..length])
    });
    let tap = check(&port, LONG, &only(&["small", "many-messages", "large", "empty", "second-client", "reset"]));
    assert_eq!(failed(&tap), ["small", "many-messages", "large"], "{tap}");
}

#[test]
fn a_server_that_greets_is_found_out_once() {
    let port = server_that(|mut connection| {
        connection.write_all(b"hello\r\n")?;
        std::io::copy(&mut connection.try_clone()?, &mut connection).map(drop)
    });
    let tap = check(&port, LONG, &only(&["small", "half-close", "empty", "no-leak"]));
    assert_eq!(failed(&tap), ["empty"], "{tap}");
    assert!(tap.contains("\n# greeting: \"hello\\r\\n\", which is passed over\n"), "{tap}");
}

#[test]
fn a_server_that_never_hangs_up() {
    let port = server_that(|mut connection| {
        std::io::copy(&mut connection.try_clone()?, &mut connection)?;
        thread::sleep(PATIENCE);
        Ok(())
    });
    let tap = check(&port, SHORT, &only(&["small", "half-close", "empty", "clean-end", "reset"]));
    assert_eq!(failed(&tap), ["half-close", "empty", "clean-end"], "{tap}");
    assert!(tap.contains("3000 of 3000 bytes had come back, but not the end, when 2s were over\n"), "{tap}");
}

#[test]
fn a_server_that_keeps_what_it_cannot_send() {
    let port = server_that(|mut connection| {
        let (pieces, kept) = std::sync::mpsc::channel::<Vec<u8>>();
        let mut writer = connection.try_clone()?;
        thread::spawn(move || kept.iter().try_for_each(|piece| writer.write_all(&piece)));
        let mut piece = vec![0; 256 * 1024];
        while let Ok(length @ 1..) = connection.read(&mut piece) {
            let _ = pieces.send(piece[..length].to_vec());
        }
        Ok(())
    });
    let tap = check(&port, LONG, &only(&["late-reader", "back-pressure", "deaf-client"]));
    assert_eq!(failed(&tap), ["back-pressure"], "{tap}");
    assert!(tap.contains("it took 64 MiB from a client that read nothing"), "{tap}");
}

#[test]
fn a_server_that_stops_answering_is_given_up_by_name() {
    let served = std::sync::atomic::AtomicUsize::new(0);
    let served = std::sync::Arc::new(served);
    let port = server_that(move |mut connection| {
        // The first meeting, small, its successor; and then no more.
        if served.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 2 {
            thread::sleep(PATIENCE);
        }
        std::io::copy(&mut connection.try_clone()?, &mut connection).map(drop)
    });
    let tap = check(&port, SHORT, &only(&["small", "bytes", "large"]));
    assert_eq!(failed(&tap), ["bytes"], "{tap}");
    assert!(tap.contains("\nBail out! the server serves nobody any more since check bytes\n"), "{tap}");
}
