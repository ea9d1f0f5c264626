//! A right server, and each with a fault or a manner of its own: which check finds it, or that none minds.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::*;

#[test]
#[cfg(target_os = "linux")]
fn a_right_server_fails_nothing() {
    for (prefix, comment) in
        [("", "# no prefix: a plain echo (RFC 862)\n"), ("> ", "# prefix: \"> \" before each reply\n")]
    {
        let port = server_that_echoes(move |data| [prefix.as_bytes(), data].concat());
        let tap = check(&port, LONG, &[]);
        assert!(failed(&tap).is_empty(), "{tap}");
        let found = format!("TAP version 14\n1..18\n# server: 127.0.0.1:{port}\n{comment}ok 1 - prefix: ");
        assert!(tap.starts_with(&found) && tap.ends_with("# all 18 checks passed\n"), "{tap}");
    }
}

#[test]
fn a_server_that_takes_nothing_for_the_end() {
    let port = server_that(|socket, data, from| {
        let _ = socket.send_to(data, from);
        !data.is_empty()
    });
    let tap = check(&port, LONG, &only(&["small", "empty"]));
    assert_eq!(failed(&tap), ["empty"], "{tap}");
    if cfg!(unix) {
        assert!(tap.contains("\nBail out! the server has gone since check empty\n"), "{tap}");
    }
}

#[test]
fn a_server_that_answers_the_first_client_whoever_asks() {
    let mut first = None;
    let port = server_that(move |socket, data, from| {
        let _ = socket.send_to(data, *first.get_or_insert(from));
        true
    });
    // Its first client is the one that looks whether it is a server at all.
    let output = command(&["127.0.0.1", &port, "--timeout", SHORT]).output().unwrap();
    let tap = String::from_utf8(output.stdout).unwrap();
    assert_eq!(failed(&tap), ["prefix"], "{tap}");
}

#[test]
fn a_server_that_answers_one_datagram_late() {
    let mut last: HashMap<SocketAddr, Vec<u8>> = HashMap::new();
    let port = server_that(move |socket, data, from| {
        let _ = socket.send_to(&last.insert(from, data.to_vec()).unwrap_or_else(|| data.to_vec()), from);
        true
    });
    let tap = check(&port, SHORT, &only(&["small", "bytes", "second-client"]));
    assert!(failed(&tap).contains(&"bytes"), "{tap}");
}

#[test]
fn a_server_that_answers_twice() {
    let port = server_that(|socket, data, from| {
        let _ = socket.send_to(data, from);
        let _ = socket.send_to(data, from);
        true
    });
    let tap = check(&port, LONG, &only(&["small", "many-messages", "burst"]));
    assert_eq!(failed(&tap), ["small", "burst"], "{tap}");
}

#[test]
fn a_server_that_stops_answering_is_given_up_by_name() {
    let mut has_had_enough = false;
    let port = server_that(move |socket, data, from| {
        has_had_enough |= data.len() == 256;
        if !has_had_enough {
            let _ = socket.send_to(data, from);
        }
        true
    });
    let tap = check(&port, SHORT, &only(&["small", "bytes", "large"]));
    assert_eq!(failed(&tap), ["bytes"], "{tap}");
    assert!(tap.contains("\nBail out! the server serves nobody any more since check bytes\n"), "{tap}");
}

/// What takes a hundred round trips takes longer there than a check may take on this machine.
#[test]
fn a_server_far_away_is_none_the_worse_for_it() {
    let (sender, receiver) = std::sync::mpsc::channel::<(Instant, Vec<u8>, SocketAddr, UdpSocket)>();
    thread::spawn(move || {
        for (due, data, from, socket) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let _ = socket.send_to(&data, from);
        }
    });
    let port = server_that(move |socket, data, from| {
        let way = (Instant::now() + Duration::from_millis(30), data.to_vec(), from, socket.try_clone().unwrap());
        sender.send(way).is_ok()
    });
    let names = ["small", "many-messages", "boundaries", "second-client", "interleaved", "in-turn", "vanished"];
    let tap = check(&port, "2s", &only(&names));
    assert!(failed(&tap).is_empty(), "{tap}");
}

/// As one with a thread for each datagram does, now and then.
#[test]
fn a_server_whose_replies_overtake_each_other() {
    let mut kept: Option<(Vec<u8>, SocketAddr)> = None;
    let port = server_that(move |socket, data, from| {
        let number = data.iter().fold(0_u32, |sum, byte| sum + u32::from(*byte));
        match kept.take() {
            Some((earlier, whose)) => {
                let _ = socket.send_to(data, from);
                let _ = socket.send_to(&earlier, whose);
            }
            None if number % 50 == 0 && data.len() == 32 => kept = Some((data.to_vec(), from)),
            None => drop(socket.send_to(data, from)),
        }
        true
    });
    // What it keeps for too long is asked for again, after a third of this.
    let tap = check(&port, "6s", &only(&["packet", "order", "large"]));
    assert_eq!(failed(&tap), ["order"], "{tap}");
}

/// It is asked at one address and answers from another, and is a good server in all else.
#[test]
#[cfg(target_os = "linux")]
fn a_server_that_answers_from_another_address_fails_in_that_only() {
    let [asked, other] = ["127.0.0.2:0", "127.0.0.3:0"].map(|address| UdpSocket::bind(address).unwrap());
    let (port, from) = (asked.local_addr().unwrap().port().to_string(), other.local_addr().unwrap());
    thread::spawn(move || {
        let mut data = vec![0; 65_535];
        while let Ok((length, client)) = asked.recv_from(&mut data) {
            let _ = other.send_to(&data[..length], client);
        }
    });
    let output = command(&["127.0.0.2", &port, "--timeout", LONG]).output().unwrap();
    let tap = String::from_utf8(output.stdout).unwrap();
    assert_eq!(failed(&tap), ["source"], "{tap}");
    assert!(tap.contains(&format!("it was asked at 127.0.0.2:{port}, and answers from {from}: ")), "{tap}");
}
