//! Clients that take all places, of an address or of the server; and who gives way to whom.

use std::io::Write;
use std::net::TcpStream;

use super::super::site::Site;
use super::{from, is_served};
use crate::harness::http::{Client, Content};
use crate::harness::{Server, command, eventually, program};

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
