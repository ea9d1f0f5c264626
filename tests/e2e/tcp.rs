//! Our TCP server and our TCP client, and what a good server does with clients that are not so good.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use crate::harness::{SOON, Server, eventually, noise, run, run_with_input, without_prefix};

const DESIGNS: [&str; 3] = ["iterative", "threads", "events"];

fn server(design: &str) -> Server {
    Server::start("tcp-echo-server", &["--design", design])
}

#[test]
fn the_lecture() {
    for design in DESIGNS {
        let server = server(design);
        run("tcp-echo-client", &[&server.host(), &server.port()]).printed("echo -> Hello world\n");
        assert_eq!(server.stops_well(), "");
    }
}

#[test]
fn both_families_and_a_name() {
    let server = Server::start("tcp-echo-server", &["--host", ""]);
    // Elsewhere than on Linux, 127.0.0.1 is the only address of the loopback interface.
    let second = if cfg!(target_os = "linux") { "127.0.0.2" } else { "127.0.0.1" };
    for host in ["127.0.0.1", second, "::1", "[::1]", "localhost"] {
        run("tcp-echo-client", &[host, &server.port(), "from", host]).printed(&format!("echo -> from {host}\n"));
    }
    assert_eq!(server.stops_well(), "");
}

#[test]
fn sixty_four_mebibytes_through_the_pair_with_the_prefix_and_without() {
    let payload = noise(64 << 20);
    for (prefix, buffer) in [("echo -> ", "32KiB"), ("", "32KiB"), ("", "1024")] {
        let server = Server::start("tcp-echo-server", &["--prefix", prefix, "--buffer", buffer]);
        let reply =
            run_with_input("tcp-echo-client", &[&server.host(), &server.port(), "--prefix", prefix, "-"], &payload);
        assert_eq!((reply.stderr.as_str(), reply.status.code()), ("", Some(0)));
        let payload_back = if prefix.is_empty() { reply.stdout } else { without_prefix(&reply.stdout) };
        assert!(payload_back == payload, "{} bytes came back with {prefix:?}", payload_back.len());
        assert_eq!(server.stops_well(), "");
    }
}

#[test]
fn a_message_of_many_pieces_comes_back_whole() {
    let server = Server::start("tcp-echo-server", &["--buffer", "1024"]);
    let message = "x".repeat(100_000);
    let reply = run("tcp-echo-client", &[&server.host(), &server.port(), &message]);
    assert_eq!(without_prefix(reply.text().trim_end().as_bytes()), message.as_bytes());
    assert!(reply.stdout.len() > 100_001 + 8, "more than one prefix is among it");
    assert_eq!(server.stops_well(), "");
}

#[test]
fn two_hundred_clients_at_once() {
    for design in ["threads", "events"] {
        let server = server(design);
        let mut clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            client.write_all(format!("client {number}").as_bytes()).unwrap();
        }
        for (number, client) in clients.iter_mut().enumerate().rev() {
            let mut reply = vec![0; format!("echo -> client {number}").len()];
            client.read_exact(&mut reply).unwrap();
            assert_eq!(String::from_utf8(reply).unwrap(), format!("echo -> client {number}"));
        }
        drop(clients);
        assert_eq!(server.stops_well(), "");
    }
}

#[test]
fn a_second_client_waits_for_the_first_in_the_lectures_design_only() {
    for design in DESIGNS {
        let server = server(design);
        let first = server.connect();
        let mut second = server.connect();
        second.write_all(b"me too").unwrap();
        let mut reply = [0; 14];
        if design == "iterative" {
            second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            assert!(second.read(&mut reply).is_err(), "the first is still there");
            second.set_read_timeout(Some(SOON)).unwrap();
            drop(first);
            second.read_exact(&mut reply).unwrap();
        } else {
            second.read_exact(&mut reply).unwrap();
            drop(first);
        }
        assert_eq!(&reply, b"echo -> me too");
        drop(second);
        assert_eq!(server.stops_well(), "");
    }
}

#[test]
fn a_client_that_never_reads_disturbs_nobody_and_costs_no_memory() {
    for design in ["threads", "events"] {
        let server = server(design);
        let mut deaf = server.connect();
        deaf.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let block = vec![b'x'; 1 << 20];
        let mut sent = 0;
        while let Ok(some) = deaf.write(&block) {
            sent += some;
            assert!(sent < 256 << 20, "the server takes whatever comes, and keeps it");
        }
        for _ in 0..20 {
            run("tcp-echo-client", &[&server.host(), &server.port()]).printed("echo -> Hello world\n");
        }
        if cfg!(target_os = "linux") {
            let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
            assert!(kib < 32 << 10, "{kib} KiB for one client that does not read ({design})");
        }
    }
}

#[test]
fn after_a_half_close_everything_still_comes_back() {
    for design in DESIGNS {
        let server = server(design);
        let mut client = server.connect();
        let payload = noise(300_000);
        thread::scope(|scope| {
            let mut writer = client.try_clone().unwrap();
            let payload = &payload;
            scope.spawn(move || {
                writer.write_all(payload).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let mut reply = Vec::new();
            client.read_to_end(&mut reply).unwrap();
            assert!(without_prefix(&reply) == *payload);
        });
        assert_eq!(server.stops_well(), "");
    }
}

#[test]
fn a_reset_in_the_middle_is_told_and_the_next_client_is_served() {
    for design in DESIGNS {
        let server = server(design);
        for _ in 0..3 {
            let client = server.connect();
            // With this, close() sends RST at once and forgets what is under way.
            rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
            (&client).write_all(&[b'x'; 100_000]).unwrap();
            drop(client);
        }
        eventually("three lost clients", || server.process.stderr().matches(": lost 127.0.0.1:").count() == 3);
        run("tcp-echo-client", &[&server.host(), &server.port()]).printed("echo -> Hello world\n");
        let (status, _, stderr) = server.stop();
        assert!(status.success() && stderr.ends_with(", reset by clients 3\n"), "{stderr}");
    }
}

#[test]
fn urgent_data_stays_in_its_place() {
    for design in DESIGNS {
        let server = server(design);
        let mut client = server.connect();
        client.write_all(b"ab").unwrap();
        rustix::net::send(&client, b"!", rustix::net::SendFlags::OOB).unwrap();
        client.write_all(b"cd").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).unwrap();
        assert_eq!(without_prefix(&reply), b"ab!cd");
        assert_eq!(server.stops_well(), "");
    }
}

/// A `recv` ends in front of the urgent byte, and what is behind it may have come before.
#[test]
fn what_is_behind_urgent_data_is_not_waited_for() {
    for design in DESIGNS {
        let server = server(design);
        let mut client = server.connect();
        client.set_nodelay(true).unwrap();
        for round in 0..200 {
            client.write_all(b"abc").unwrap();
            rustix::net::send(&client, b"!", rustix::net::SendFlags::OOB).unwrap();
            client.write_all(b"def").unwrap();
            let mut reply = Vec::new();
            while !without_prefix(&reply).ends_with(b"def") {
                let mut piece = [0; 100];
                let length = client.read(&mut piece).unwrap_or_else(|error| panic!("{design}, {round}: {error}"));
                reply.extend_from_slice(&piece[..length]);
            }
            assert_eq!(without_prefix(&reply), b"abc!def");
        }
        drop(client);
        assert_eq!(server.stops_well(), "");
    }
}

#[test]
fn the_prefix_goes_out_with_the_data() {
    for design in DESIGNS {
        let server = server(design);
        let mut client = server.connect();
        client.set_nodelay(true).unwrap();
        for _ in 0..200 {
            client.write_all(b"x").unwrap();
            let mut reply = [0; 9];
            // One read: had the prefix gone out by itself, it would come by itself.
            assert_eq!(client.read(&mut reply).unwrap(), 9);
        }
    }
}
