//! Right replies and wrong ones, in pieces of all sizes; and the verdict is that of trying everything.

use super::*;
use proptest::prelude::*;

fn check(prefix: &str, payload: &[u8], reply: &[u8], step: usize) -> Result<(), Wrong> {
    let mut check = Check::new(&prefix.parse().unwrap());
    check.sent(payload);
    for piece in reply.chunks(step) {
        check.received(piece)?;
    }
    check.finish()
}

/// A server's reply to the payload, received in pieces of these sizes.
fn reply(prefix: &str, payload: &[u8], sizes: &[usize]) -> Vec<u8> {
    let (mut reply, mut rest, mut sizes) = (Vec::new(), payload, sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        reply.extend_from_slice(prefix.as_bytes());
        reply.extend_from_slice(piece);
        rest = later;
    }
    reply
}

#[test]
fn the_lectures_reply_is_right_with_its_prefix_and_without() {
    for step in 1..20 {
        assert_eq!(check("echo -> ", b"Hello world", b"echo -> Hello world", step), Ok(()));
        assert_eq!(check("echo -> ", b"Hello world", b"Hello world", step), Ok(()));
        assert_eq!(check("echo -> ", b"Hello world", b"echo -> Helloecho ->  world", step), Ok(()));
        assert_eq!(check("", b"Hello world", b"Hello world", step), Ok(()));
        assert_eq!(check("echo -> ", b"", b"", step), Ok(()));
    }
}

#[test]
fn a_wrong_reply_is_told_by_its_place() {
    for step in 1..20 {
        assert_eq!(check("echo -> ", b"Hello world", b"echo -> Hello wurld", step), Err(Wrong::Differs(7)));
        assert_eq!(check("", b"Hello", b"Hello!", step), Err(Wrong::Differs(5)));
        assert_eq!(check("echo -> ", b"Hello", b"echo -> Hell", step), Err(Wrong::Short(4, 5)));
        assert_eq!(check("echo -> ", b"Hello", b"", step), Err(Wrong::Short(0, 5)));
        assert_eq!(check("", b"Hello", b"echo -> Hello", step), Err(Wrong::Differs(0)));
    }
}

#[test]
fn an_end_within_a_prefix_is_an_early_end_and_no_difference() {
    for step in 1..20 {
        assert_eq!(check("echo -> ", b"Hello", b"echo ", step), Err(Wrong::Short(0, 5)));
        assert_eq!(check("echo -> ", b"Hello", b"echo -> Heecho -", step), Err(Wrong::Short(2, 5)));
        assert_eq!(check("echo -> ", b"Hello", b"echo -> Helecho->", step), Err(Wrong::Differs(3)));
        assert_eq!(check("echo -> ", b"Hello", b"echo -> Helloecho", step), Err(Wrong::Differs(5)));
        assert_eq!(check("echo -> ", b"Hello", b"echo -> e", step), Err(Wrong::Differs(0)), "no two in a row");
    }
}

#[test]
fn a_prefix_with_nothing_behind_it_is_wrong() {
    assert_eq!(check("x", b"ab", b"xaxb", 1), Ok(()));
    assert_ne!(check("x", b"ab", b"xxab", 1), Ok(()));
    assert_ne!(check("x", b"ab", b"xabx", 1), Ok(()));
}

#[test]
fn what_has_come_back_is_forgotten() {
    let mut check = Check::new(&"echo -> ".parse().unwrap());
    for _ in 0..1000 {
        check.sent(&[7; 1000]);
        check.received(&reply("echo -> ", &[7; 1000], &[1000])).unwrap();
        assert!(check.owed_bytes() < 16 && check.reply.len() < 16 && check.readings.len() < 4);
        assert!(check.payload.len() <= 2000, "{}", check.payload.len());
    }
    assert_eq!(check.sent_bytes(), 1_000_000);
    assert_eq!(check.finish(), Ok(()));
}

#[test]
fn a_payload_of_nothing_but_prefixes_is_no_longer_checked_but_goes_on() {
    let mut check = Check::new(&"ab".parse().unwrap());
    for _ in 0..100 {
        check.sent(&b"ab".repeat(1000));
        assert_eq!(check.received(&b"ab".repeat(1001)), Ok(()));
    }
    assert_eq!((check.sent_bytes(), check.owed_bytes(), check.payload.len()), (200_000, 0, 0));
    assert_eq!(check.finish(), Err(Wrong::Ambiguous));
}

/// By trying everything: whether the reply is the payload with prefixes in it, none of them alone.
fn is_right(prefix: &[u8], payload: &[u8], reply: &[u8], may_begin: bool) -> bool {
    let Some((first, rest)) = reply.split_first() else { return payload.is_empty() && may_begin };
    let as_payload = payload.first() == Some(first) && is_right(prefix, &payload[1..], rest, true);
    let behind = reply.strip_prefix(prefix).filter(|_| may_begin && !prefix.is_empty());
    as_payload || behind.is_some_and(|behind| is_right(prefix, payload, behind, false))
}

proptest! {
    #[test]
    fn every_honest_reply_is_right(
        prefix in "[ab]{0,3}", payload in "[abc]{0,40}", sizes in prop::collection::vec(1usize..6, 1..9), step in 1usize..9,
    ) {
        let reply = reply(&prefix, payload.as_bytes(), &sizes);
        prop_assert_eq!(check(&prefix, payload.as_bytes(), &reply, step), Ok(()));
    }

    #[test]
    fn the_verdict_is_that_of_trying_everything(
        prefix in "[ab]{0,3}", payload in "[ab]{0,8}", reply in "[ab]{0,14}", step in 1usize..5,
    ) {
        let right = is_right(prefix.as_bytes(), payload.as_bytes(), reply.as_bytes(), true);
        prop_assert_eq!(check(&prefix, payload.as_bytes(), reply.as_bytes(), step).is_ok(), right);
    }
}
