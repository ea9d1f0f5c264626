//! What the guard against loops, the limit per source and their memory do to honest clients, and to floods.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::ops::Range;
use std::time::Instant;

use super::{account, for_each_design, local, number, server};
use crate::harness::Server;
use crate::namespace::{forge, inside, ip};
use crate::udp::peer::{ask, client, client_at, echo, next};

/// So many datagrams are under way at once: fewer than any socket has room for.
const WINDOW: u32 = 50;

/// Sends so many datagrams to the server, and after each few `pace`s: that has to wait until the server has seen them.
fn send(client: &UdpSocket, server: SocketAddr, count: u32, payload: impl Fn(u32) -> Vec<u8>, pace: impl Fn(u32)) {
    for number in 0..count {
        client.send_to(&payload(number), server).unwrap();
        if number % WINDOW == WINDOW - 1 {
            pace(number);
        }
    }
}

/// Sends so many datagrams, each of which has to be answered.
fn all_are_answered(server: SocketAddr, count: u32, payload: impl Fn(u32) -> Vec<u8>) {
    let client = client();
    let answers = |last: u32| {
        for number in last + 1 - WINDOW..=last {
            assert_eq!(next(&client, server), echo(&payload(number)));
        }
    };
    send(&client, server, count, &payload, answers);
}

/// Sends so many datagrams, answered or not; the questions of another client of this machine, which are, tell that the server
/// has seen them.
fn all_are_seen(sender: &UdpSocket, server: SocketAddr, count: u32, payload: impl Fn(u32) -> Vec<u8>) {
    let (other, here) = (client(), local(1, server.port()).into());
    let question = |number: u32| {
        ask(&other, here, &number.to_be_bytes());
    };
    send(sender, server, count, payload, question);
}

#[test]
fn honest_load_is_never_taken_for_a_loop() {
    inside(|| {
        for_each_design(|| {
            let server = server("127.0.0.1", 2000, &[]);
            all_are_answered(server.address, 5000, |number| [&number.to_be_bytes()[..], &[b'.'; 100]].concat());
            assert_eq!(account(server), ("received 5000, answered 5000".to_owned(), Vec::new()));
        })
    });
}

#[test]
fn a_generator_that_repeats_itself_is_answered_on_request() {
    inside(|| {
        for_each_design(|| {
            let repeat = |_| b"the same again".to_vec();
            let lenient = server("127.0.0.1", 2000, &["--no-loop-guard"]);
            all_are_answered(lenient.address, 5000, repeat);
            assert_eq!(account(lenient), ("received 5000, answered 5000".to_owned(), Vec::new()));

            let strict = server("127.0.0.1", 2000, &[]);
            let (client, address, started) = (client(), strict.address, Instant::now());
            all_are_seen(&client, address, 5000, repeat);
            // The first, a hundred repeats that are borne with, and one more a second.
            let most = 102 + started.elapsed().as_secs() as usize;
            let (account, said) = account(strict);
            let answers = number(&account, "answered") - 100;
            assert!((101..=most).contains(&answers), "{answers} of at most {most}: {account}");
            assert_eq!(number(&account, "in a loop"), 5000 - answers);
            assert!(said.len() == 1 && said[0].contains("--no-loop-guard"), "{said:?}");
            for _ in 0..answers {
                assert_eq!(next(&client, address), echo(b"the same again"));
            }
        })
    });
}

#[test]
fn the_rate_limit_holds_for_others_but_not_for_this_machine() {
    inside(|| {
        ip("addr add 192.0.2.1/24 dev lo");
        for_each_design(|| {
            let server = server("", 2000, &["--rate-limit", "50"]);
            let own = Ipv4Addr::new(192, 0, 2, 1);
            let (loud, started) = (client_at((own, 0)), Instant::now());
            all_are_seen(&loud, (own, 2000).into(), 500, |number| number.to_be_bytes().to_vec());
            // A second's worth at once, and what is earned meanwhile, however long this takes.
            let most = 51 + started.elapsed().as_millis() as usize * 50 / 1000;
            all_are_answered(server.address, 500, |number| number.to_be_bytes().to_vec());
            let (account, said) = account(server);
            let answers = number(&account, "answered") - 510;
            assert!((50..=most).contains(&answers), "{answers} of at most {most}: {account}");
            assert_eq!(number(&account, "over the rate limit"), 500 - answers);
            let bites = format!(" does not answer {}: ", loud.local_addr().unwrap());
            assert!(said.len() == 1 && said[0].contains(&bites) && said[0].contains("--rate-limit"), "{said:?}");
            for _ in 0..answers {
                next(&loud, (own, 2000).into());
            }
        })
    });
}

#[test]
fn no_number_of_sources_makes_it_grow() {
    inside(|| {
        // All of these are addresses of this machine: the answers go out, and find nobody.
        ip("route add local 10.0.0.0/8 dev lo");
        for_each_design(|| {
            let server = server("127.0.0.1", 2000, &[]);
            let client = client();
            let flood = |sources: Range<u32>| {
                for source in sources {
                    let from =
                        SocketAddrV4::new(Ipv4Addr::from(0x0A00_0001 + source * 16), 3000 + (source % 60_000) as u16);
                    forge(from, local(1, 2000), &source.to_be_bytes());
                    if source % 100 == 99 {
                        ask(&client, server.address, &source.to_be_bytes());
                    }
                }
            };
            flood(0..2000);
            let before = resident_kib(&server);
            flood(2000..202_000);
            let grown = resident_kib(&server).saturating_sub(before);
            assert!(grown < 1024, "{grown} KiB for 200,000 sources");
            assert_eq!(account(server).0, "received 204020, answered 204020");
        })
    });
}

fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse().unwrap()
}
