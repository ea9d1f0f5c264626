//! How a server's event loop shares itself out among its clients: the slow one isn't forgotten, and the fast one isn't preferred.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Server, connect, noise, steadily};
use crate::trace::strace::watching;

#[test]
fn who_reads_slowly_but_steadily_gets_everything() {
    // More than fits between the two, so that the server has to wait for room.
    let payload = noise(16 << 20);
    let idle = Duration::from_secs(2);
    for design in ["threads", "events"] {
        steadily(idle / 10, |pace| {
            let server =
                Server::start("tcp-echo-server", &["--design", design, "--prefix", "", "--idle-timeout", "2s"]);
            let client = server.connect();
            let mut reply = Vec::new();
            let end = thread::scope(|scope| {
                scope.spawn(|| (&client).write_all(&payload).and_then(|()| client.shutdown(Shutdown::Write)));
                let mut piece = [0; 10_000];
                // So slowly that the kernel doesn't tell of room within what the server allows, nor within twice that.
                let start = Instant::now();
                while start.elapsed() < idle * 5 / 2 {
                    let length = (&client).read(&mut piece)?;
                    reply.extend_from_slice(&piece[..length]);
                    pace.slows_down(Duration::from_millis(50));
                }
                loop {
                    pace.goes_on();
                    match (&client).read(&mut piece)? {
                        0 => return std::io::Result::Ok(()),
                        length => reply.extend_from_slice(&piece[..length]),
                    }
                }
            });
            let said = server.stops_well();
            let is_right = end.is_ok() && reply == payload && said.is_empty();
            let fault = || format!("{design}: {} of {} bytes, {end:?}: {said}", reply.len(), payload.len());
            if is_right { Ok(()) } else { Err(fault()) }
        });
    }
}

#[test]
fn who_always_has_more_waits_for_its_turn_as_all_do() {
    /// What `events.rs` allows in a turn; one that just came has one at once, and one among those that have more to do.
    const MOST_PIECES: usize = 2 * 16;

    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("strace");
    let Some(mut traced) = watching("tcp-echo-server", "epoll_wait,recvfrom", &log) else { return };
    traced.args(["--host", "127.0.0.1", "--port", "0", "--workers", "1", "--buffer", "256", "--prefix", ""]);
    let server = Server::ready("tcp-echo-server", traced);
    let payload = noise(1 << 20);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let client = connect(&server.address);
                scope.spawn({
                    let (client, payload) = (client.try_clone().unwrap(), &payload);
                    move || {
                        (&client).write_all(payload).unwrap();
                        client.shutdown(Shutdown::Write).unwrap();
                    }
                });
                let mut reply = Vec::new();
                (&client).read_to_end(&mut reply).unwrap();
                assert!(reply == payload);
            });
        }
    });
    server.stops_well();
    let (mut pieces, mut most) = (HashMap::<&str, usize>::new(), 0);
    let log = fs::read_to_string(log).unwrap();
    for line in log.lines() {
        if line.contains("epoll_wait(") {
            pieces.clear();
        } else if let Some((_, rest)) = line.split_once("recvfrom(") {
            let pieces = pieces.entry(rest.split(',').next().unwrap()).or_default();
            *pieces += 1;
            most = most.max(*pieces);
        }
    }
    assert!((1..=MOST_PIECES).contains(&most), "{most} pieces of one client while the others waited");
}
