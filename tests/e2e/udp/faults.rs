//! The bad network that our UDP server has on demand: what a client sees of it, and what the account says.

use std::collections::HashMap;
use std::time::Instant;

use super::peer::{ask, client, echo};
use super::{server, stops_with_account};
use crate::harness::eventually;

/// What an account says, by its words.
fn numbers(account: &str) -> HashMap<String, u64> {
    let account = account.trim().strip_prefix("udp-echo-server: ").unwrap_or_else(|| panic!("{account:?}"));
    let number = |part: &str| {
        let (what, number) = part.rsplit_once(' ').unwrap();
        (what.to_owned(), number.parse().unwrap())
    };
    account.split(", ").map(number).collect()
}

/// What arrives of so many numbered datagrams, and the account.
fn through(faults: &[&str], count: u32) -> (Vec<Vec<u8>>, HashMap<String, u64>) {
    let server = server(faults);
    let client = client();
    for number in 0..count {
        client.send_to(&[&number.to_be_bytes()[..], &[b'.'; 60]].concat(), server.address).unwrap();
    }
    // It is asked to stop once it has seen them all, and sends what is on its way.
    let here = server.address;
    eventually("all have been received", || {
        server.process.signal("USR1");
        server.process.stderr().contains(&format!("received {count},"))
    });
    let account = numbers(server.stops_well().lines().last().unwrap());
    // What it has sent may be on its way still. Behind that, there is nothing more.
    let sent = account["answered"] + account.get("duplicated").unwrap_or(&0);
    let mut got = Vec::new();
    let mut reply = [0; 100];
    loop {
        client.set_nonblocking(got.len() as u64 >= sent).unwrap();
        let Ok((length, from)) = client.recv_from(&mut reply) else { break };
        assert_eq!(from, here);
        got.push(reply[..length].strip_prefix(b"echo -> ").unwrap().to_vec());
    }
    (got, account)
}

fn number_of(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

#[test]
fn what_a_client_sees_of_the_network_is_what_the_account_says() {
    // As many as the client's socket has room for.
    let count = 200;
    let (got, account) = through(&["--drop", "10%", "--seed", "7"], count);
    assert_eq!((got.len() as u64, u64::from(count)), (account["answered"], account["answered"] + account["dropped"]));
    assert!((8..=40).contains(&account["dropped"]), "{account:?}");

    let (got, account) = through(&["--duplicate", "5%", "--seed", "7"], count);
    assert_eq!((got.len() as u64, account["answered"]), (u64::from(count) + account["duplicated"], u64::from(count)));

    let (got, account) = through(&["--reorder", "5%", "--seed", "7"], count);
    let mut highest = 0;
    let overtaken = got.iter().map(|payload| number_of(payload)).filter(|number| {
        highest = highest.max(*number);
        *number < highest
    });
    assert_eq!(overtaken.count() as u64, account["reordered"]);
    assert!(account["reordered"] > 0 && got.len() == count as usize);

    let (got, account) = through(&["--truncate", "9"], count);
    assert!(got.iter().all(|payload| payload.len() == 9) && account["truncated"] == u64::from(count));

    let (got, account) = through(&["--corrupt", "10%", "--seed", "7"], count);
    let wrong = got
        .iter()
        .zip(0..)
        .filter(|(payload, number)| payload[..] != [&u32::to_be_bytes(*number)[..], &[b'.'; 60]].concat());
    assert_eq!(wrong.count() as u64, account["corrupted"]);
}

#[test]
fn the_same_seed_is_the_same_network() {
    let faults = |seed| ["--drop", "20%", "--duplicate", "10%", "--reorder", "10%", "--corrupt", "5%", "--seed", seed];
    let first = through(&faults("1"), 200);
    assert_eq!(through(&faults("1"), 200), first);
    assert_ne!(through(&faults("2"), 200).0, first.0);
}

#[test]
fn a_delay_is_waited_for_also_at_the_end_but_no_longer_than_the_drain() {
    let server = server(&["--delay", "300ms"]);
    let (client, began) = (client(), Instant::now());
    assert_eq!(ask(&client, server.address, b"slow"), echo(b"slow"));
    assert!(began.elapsed().as_millis() >= 300);
    stops_with_account(server, "received 1, answered 1, delayed 1");

    let (got, account) = through(&["--delay", "200ms", "--jitter", "50ms"], 50);
    assert_eq!((got.len(), account["delayed"]), (50, 50));
    assert!(got.iter().map(|payload| number_of(payload)).is_sorted(), "jitter lets none overtake another");

    let (got, account) = through(&["--delay", "1h", "--drain", "10ms"], 50);
    assert_eq!((got.len(), account["answered"], account["cut off at the end"]), (0, 0, 50));
}
