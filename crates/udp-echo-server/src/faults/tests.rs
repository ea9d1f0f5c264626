//! What a bad network does to replies, and that its account tells it.

use std::time::{Duration, Instant};

use clap::Parser;
use common::address::Address;
use proptest::prelude::*;

use super::{HELD_AT_MOST, MOST_WAITING_BYTES, Network};
use crate::options::{Faults, Options};
use crate::server::Incoming;
use crate::tally::Tally;

const PREFIX: &[u8] = b"echo -> ";

fn faults(line: &str) -> Faults {
    Options::parse_from(["udp-echo-server"].into_iter().chain(line.split_whitespace())).faults
}

fn from(port: u16) -> Incoming {
    Incoming { length: 0, peer: Address::Internet(([127, 0, 0, 1], port).into()), asked: None, dropped: None }
}

fn reply(payload: &[u8]) -> Vec<u8> {
    [PREFIX, payload].concat()
}

/// What comes out when replies of these payloads are put in at once for one client, and when, counted from the first, with
/// the account.
fn through(line: &str, payloads: &[&[u8]]) -> (Vec<(Vec<u8>, Duration)>, String) {
    let (mut network, tally, start) = (Network::new(faults(line), PREFIX.len()), Tally::default(), Instant::now());
    for payload in payloads {
        tally.received.add(1);
        network.put(&reply(payload), from(9), start, &tally);
    }
    let mut out = Vec::new();
    while let Some(due) = network.next_due() {
        while let Some(reply) = network.take(due) {
            reply.left(true, &tally);
            out.push((reply.data[PREFIX.len()..].to_vec(), due - start));
        }
    }
    assert!(tally.balances(), "{tally}");
    (out, tally.to_string())
}

fn payloads(line: &str, payloads: &[&[u8]]) -> (Vec<Vec<u8>>, String) {
    let (out, account) = through(line, payloads);
    (out.into_iter().map(|(payload, _)| payload).collect(), account)
}

#[test]
fn nothing_asked_for_is_nothing_done() {
    assert!(!faults("").any());
    assert_eq!(payloads("", &[b"a", b"", b"b"]).0, [&b"a"[..], b"", b"b"]);
}

#[test]
fn all_dropped_and_all_twice() {
    assert_eq!(payloads("--drop 100%", &[b"a", b"b"]), (vec![], "received 2, answered 0, dropped 2".into()));
    let (out, account) = payloads("--duplicate 100%", &[b"a", b"b"]);
    assert_eq!(out, [b"a", b"a", b"b", b"b"]);
    assert_eq!(account, "received 2, answered 2, duplicated 2");
}

#[test]
fn only_the_payload_is_cut_and_only_what_is_longer_is_counted() {
    let (out, account) = payloads("--truncate 3", &[b"abcd", b"abc", b""]);
    assert_eq!(out, [&b"abc"[..], b"abc", b""]);
    assert_eq!(account, "received 3, answered 3, truncated 1");
    assert_eq!(payloads("--truncate 0", &[b"abcd"]).0, [b""]);
    assert_eq!(payloads("--truncate 18446744073709551615", &[b"abcd"]).0, [b"abcd"]);
}

#[test]
fn one_byte_of_the_payload_is_another_one() {
    let sent = [0; 50];
    let (out, account) = payloads("--corrupt 100%", &[&sent[..]; 500]);
    for payload in &out {
        assert_eq!((payload.len(), payload.iter().filter(|byte| **byte != 0).count()), (50, 1));
    }
    assert_eq!(account, "received 500, answered 500, corrupted 500");
    assert_eq!(payloads("--corrupt 100%", &[b""]), (vec![vec![]], "received 1, answered 1".into()));
}

#[test]
fn a_reply_is_overtaken_by_the_next_to_the_same_client() {
    let (mut network, tally, now) = (Network::new(faults("--reorder 100%"), 0), Tally::default(), Instant::now());
    tally.received.add(4);
    network.put(b"first", from(1), now, &tally);
    network.put(b"second", from(1), now, &tally);
    // From now on none is held any more.
    network.faults.reorder = 0.0;
    network.put(b"other client's", from(2), now, &tally);
    network.put(b"third", from(1), now, &tally);
    let mut order = Vec::new();
    while let Some(reply) = network.take(now) {
        reply.left(true, &tally);
        order.push(String::from_utf8(reply.data).unwrap());
    }
    assert_eq!(order, ["other client's", "third", "first", "second"]);
    assert_eq!(tally.to_string(), "received 4, answered 4, reordered 2");
}

#[test]
fn one_that_nobody_overtakes_leaves_after_a_while_and_is_late_and_not_out_of_order() {
    let (out, account) = through("--reorder 100%", &[b"a", b"b"]);
    assert_eq!(out, [(b"a".to_vec(), HELD_AT_MOST), (b"b".to_vec(), HELD_AT_MOST)]);
    assert_eq!(account, "received 2, answered 2, delayed 2");
}

#[test]
fn a_delay_is_exact_and_jitter_is_within_bounds_and_keeps_the_order() {
    let (out, account) = through("--delay 20ms", &[b"a", b"b"]);
    assert!(out.iter().all(|(_, late)| *late == Duration::from_millis(20)), "{out:?}");
    assert_eq!(account, "received 2, answered 2, delayed 2");
    let numbers: Vec<[u8; 1]> = (0..100).map(|number| [number]).collect();
    let sent: Vec<&[u8]> = numbers.iter().map(|number| &number[..]).collect();
    let (out, _) = through("--delay 20ms --jitter 5ms", &sent);
    assert_eq!(out.iter().map(|(payload, _)| &payload[..]).collect::<Vec<_>>(), sent);
    assert!(out.iter().all(|(_, late)| (20..=25).contains(&late.as_millis())), "{out:?}");
    assert!(out[0].1 < out[99].1);
}

#[test]
fn what_the_network_has_no_room_for_is_counted() {
    let most = MOST_WAITING_BYTES / 60_000;
    let large = vec![0; 60_000];
    let (mut network, tally) = (Network::new(faults("--delay 1h"), 0), Tally::default());
    for _ in 0..2 * most {
        tally.received.add(1);
        network.put(&large, from(1), Instant::now(), &tally);
    }
    assert!(network.bytes <= MOST_WAITING_BYTES && tally.no_room.get() >= most as u64);
    assert!(tally.balances());
    network.cut_off(&tally);
    assert!(tally.balances() && tally.waiting.get() == 0 && tally.cut_off.get() > 0, "{tally}");
}

#[test]
fn what_is_cut_off_takes_no_memory() {
    let (mut network, tally) = (Network::new(faults("--delay 1h --truncate 3"), 0), Tally::default());
    network.put(&[0; 60_000], from(1), Instant::now(), &tally);
    assert!(network.queue[0].1.data.capacity() < 100);
}

#[test]
fn the_same_seed_is_the_same_network_and_shares_are_kept() {
    let numbers: Vec<[u8; 4]> = (0..10_000u32).map(u32::to_be_bytes).collect();
    let sent: Vec<&[u8]> = numbers.iter().map(|number| &number[..]).collect();
    let line = "--drop 10% --duplicate 5% --reorder 5% --corrupt 1% --jitter 5ms --seed";
    let first = through(&format!("{line} 7"), &sent);
    assert_eq!(through(&format!("{line} 7"), &sent), first);
    assert_ne!(through(&format!("{line} 8"), &sent), first);
    let number = |what: &str| {
        let (_, behind) = first.1.split_once(what).unwrap();
        behind.split(',').next().unwrap().trim().parse::<u64>().unwrap()
    };
    for (what, expected) in [("dropped", 1000), ("duplicated", 450), ("reordered", 450), ("corrupted", 90)] {
        let (least, most) = (expected * 7 / 10, expected * 13 / 10);
        assert!((least..=most).contains(&number(what)), "{what}: {}", first.1);
    }
}

#[test]
fn one_fault_does_not_change_where_another_one_strikes() {
    let numbers: Vec<[u8; 4]> = (0..1000u32).map(u32::to_be_bytes).collect();
    let sent: Vec<&[u8]> = numbers.iter().map(|number| &number[..]).collect();
    let mut alone = payloads("--drop 10% --seed 3", &sent).0;
    let mut together = payloads("--drop 10% --duplicate 20% --reorder 20% --seed 3", &sent).0;
    alone.sort();
    together.sort();
    together.dedup();
    assert_eq!(alone, together);
}

/// What may happen to the server while there is a network.
#[derive(Clone, Debug)]
enum Event {
    Datagram { port: u16, bytes: usize },
    Pause { ms: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..4u16, 0..100usize).prop_map(|(port, bytes)| Event::Datagram { port, bytes }),
        1 => (0..700u64).prop_map(|ms| Event::Pause { ms }),
    ]
}

proptest! {
    #[test]
    fn the_account_balances_at_every_moment_and_replies_leave_in_time(
        shares in prop::array::uniform4(0..=100u32),
        (delay, jitter, truncate, seed) in (0..50u64, 0..50u64, 0..200usize, any::<u64>()),
        events in prop::collection::vec(event(), 0..200),
        failing in 0..5usize,
    ) {
        let [drop, duplicate, reorder, corrupt] = shares;
        let line = format!("--drop {drop}% --duplicate {duplicate}% --reorder {reorder}% --corrupt {corrupt}% \
            --delay {delay}ms --jitter {jitter}ms --truncate {truncate} --seed {seed}");
        let (mut network, tally, start) = (Network::new(faults(&line), 0), Tally::default(), Instant::now());
        let (mut now, mut sent, mut copies) = (start, 0u64, 0u64);
        let mut send = |network: &mut Network, now: Instant| {
            while let Some(reply) = network.take(now) {
                sent += 1;
                let was_sent = failing == 0 || sent % failing as u64 != 0;
                if !was_sent && !reply.is_copy() {
                    tally.not_sent(common::Errno::ACCESS, &reply.to.peer, reply.data.len());
                }
                copies += u64::from(was_sent && reply.is_copy());
                reply.left(was_sent, &tally);
            }
        };
        for event in events {
            match event {
                Event::Datagram { port, bytes } => {
                    tally.received.add(1);
                    network.put(&vec![0; bytes], from(port), now, &tally);
                }
                Event::Pause { ms } => now += Duration::from_millis(ms),
            }
            send(&mut network, now);
            prop_assert!(tally.balances(), "{}", tally);
            prop_assert!(network.next_due().is_none_or(|due| due > now));
        }
        network.let_all_go(now);
        send(&mut network, now + Duration::from_millis(100));
        prop_assert!(tally.balances() && network.bytes == 0 && network.next_due().is_none(), "{}", tally);
        prop_assert_eq!(tally.duplicated.get(), copies);
        for fault in [&tally.reordered, &tally.delayed, &tally.truncated, &tally.corrupted] {
            prop_assert!(fault.get() <= tally.answered.get(), "{}", tally);
        }
    }
}
