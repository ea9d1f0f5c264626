//! Loops end, however many and whatever is forged; and no honest client is taken for one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// What a datagram over IPv4 has room for.
const LARGEST: usize = 65_507;

/// Another echo server: what it puts before a datagram and behind it, and how much of one it takes.
#[derive(Clone, Debug)]
struct Other {
    before: Vec<u8>,
    behind: Vec<u8>,
    most_bytes: usize,
    shouts: bool,
}

impl Other {
    fn plain() -> Other {
        Other { before: Vec::new(), behind: Vec::new(), most_bytes: LARGEST, shouts: false }
    }

    fn reply(&self, data: &[u8]) -> Vec<u8> {
        let mut reply = [&self.before, &data[..data.len().min(self.most_bytes)], &self.behind].concat();
        if self.shouts {
            reply.make_ascii_uppercase();
        }
        reply
    }
}

fn peer(port: u16) -> SocketAddr {
    ([192, 0, 2, 9], port).into()
}

/// How many datagrams our server answers when each of `forged` is sent to it once in the name of the other server, from
/// one of so many ports in turn. The answers come back `round_trip` later, and everything stops after a million.
fn answers(ours: &str, other: &Other, forged: &[Vec<u8>], ports: u16, round_trip: Duration) -> usize {
    let start = Instant::now();
    let mut repeats = Repeats::new(ours.as_bytes(), start);
    let mut flying: VecDeque<(Instant, u16, Vec<u8>)> =
        forged.iter().zip((0..ports).cycle()).map(|(data, port)| (start, port, data.clone())).collect();
    let mut answers = 0;
    while let Some((now, port, data)) = flying.pop_front().filter(|_| answers < 1_000_000) {
        let reply = [ours.as_bytes(), &data].concat();
        if reply.len() <= LARGEST && repeats.admits(&peer(port), &data, now) {
            answers += 1;
            flying.push_back((now + round_trip, port, other.reply(&reply)));
        }
    }
    answers
}

const QUICK: Duration = Duration::from_micros(100);

#[test]
fn every_loop_ends_whatever_the_two_servers_put_before_a_datagram_or_cut_off_behind() {
    let forged: [&[u8]; 5] = [b"", b"x", b"Hello world", &[0; 1400], b"echo -> "];
    let forged = forged.map(<[u8]>::to_vec);
    for ours in ["echo -> ", "", "e"] {
        for theirs in ["", "echo -> ", "other: "] {
            for most_bytes in [LARGEST, 1024, 10, 3, 2, 1, 0] {
                for shouts in [false, true] {
                    let other = Other { before: theirs.into(), most_bytes, shouts, ..Other::plain() };
                    let answers = answers(ours, &other, &forged, 1, QUICK);
                    assert!(answers < 300, "{answers} answers with {ours:?}, {other:?}");
                }
            }
        }
    }
}

#[test]
fn any_number_of_loops_ends_with_little_more_than_an_answer_each() {
    for count in [1, 5, 16, 17, 40, 100, 1000, 10_000] {
        let numbered = |number: usize| format!("{number} was forged, and the end is the same").into_bytes();
        let of_lengths = |number: usize| vec![(number % 251) as u8; 8 + number % 1400];
        for forged in [(0..count).map(numbered).collect::<Vec<_>>(), (0..count).map(of_lengths).collect()] {
            for ours in ["", "echo -> "] {
                for (theirs, most_bytes) in
                    [("", LARGEST), ("", 1024), ("", 2), ("", 1), ("other: ", LARGEST), ("echo -> ", 2048)]
                {
                    let other = Other { before: theirs.into(), most_bytes, ..Other::plain() };
                    let answers = answers(ours, &other, &forged, 1, QUICK);
                    // A few of many find their place taken by another. And what the other server adds has to be found
                    // out.
                    let each = if ours.is_empty() && !theirs.is_empty() && count > 1000 { 6 } else { 2 };
                    assert!(
                        answers <= 110 + each * count,
                        "{answers} for {count} with {ours:?}, {theirs:?}, {most_bytes}"
                    );
                    assert!(
                        count > 40 || answers <= 250,
                        "{answers} for {count} with {ours:?}, {theirs:?}, {most_bytes}"
                    );
                }
            }
        }
    }
}

#[test]
fn loops_with_more_sources_than_are_remembered_end_too() {
    let forged: Vec<_> = (0..20_000u32).map(|number| number.to_be_bytes().to_vec()).collect();
    for (ours, most_bytes) in [("", LARGEST), ("echo -> ", LARGEST), ("echo -> ", 2), ("echo -> ", 1), ("e", 0)] {
        let other = Other { most_bytes, ..Other::plain() };
        let answers = answers(ours, &other, &forged, 20_000, QUICK);
        // A few find their place taken by another.
        assert!(answers < 20_000 * 3 + WAYS * SETS * 101, "{answers} with {ours:?}, {most_bytes}");
    }
}

#[test]
fn a_server_that_adds_something_behind_comes_to_an_end() {
    for ours in ["", "echo -> "] {
        let other = Other { behind: b", said the other".to_vec(), ..Other::plain() };
        let answers = answers(ours, &other, &[b"Hello world".to_vec()], 1, QUICK);
        assert!(answers < 110, "{answers} with {ours:?}");
    }
}

#[test]
fn a_slow_loop_ends_too() {
    assert!(answers("", &Other::plain(), &[b"x".to_vec()], 1, Duration::from_millis(200)) < 200);
}

#[test]
fn what_is_forged_meanwhile_pays_for_little() {
    let now = Instant::now();
    let mut repeats = Repeats::new(b"", now);
    let forged = 10_000u32;
    let mut answers = 0;
    for number in 0..forged {
        assert!(repeats.admits(&peer(1), &number.to_be_bytes(), now), "what is new");
        answers += (0..100).filter(|_| repeats.admits(&peer(1), b"looping", now)).count() as u32;
    }
    assert!(answers <= 102 + forged / 4, "{answers}");
}

#[test]
fn many_other_clients_do_not_hide_a_loop() {
    let now = Instant::now();
    let mut repeats = Repeats::new(b"", now);
    let mut answers = 0;
    for round in 0..2000u32 {
        answers += usize::from(repeats.admits(&peer(2001), b"looping", now));
        for client in 0..50 {
            let client = SocketAddr::from(([10, 0, 0, client], 1024 + round as u16));
            assert!(repeats.admits(&client, b"honest", now));
        }
    }
    assert!(answers < 300, "{answers}");
}

/// Whether all of these are answered, one after the other, at once.
#[track_caller]
fn all_are_answered(prefix: &str, what: &str, payloads: impl Iterator<Item = Vec<u8>>) {
    let now = Instant::now();
    let mut repeats = Repeats::new(prefix.as_bytes(), now);
    for (number, data) in payloads.enumerate() {
        assert!(repeats.admits(&peer(40_000), &data, now), "{what} {number} with {prefix:?}");
    }
}

#[test]
fn distinct_payloads_are_never_taken_for_a_loop() {
    for prefix in ["", "echo -> ", "e"] {
        let numbered = |number: u64| [&number.to_be_bytes()[..], &[b'.'; 100]].concat();
        all_are_answered(prefix, "number", (0..300_000).map(numbered));
        all_are_answered(prefix, "text", (0..100_000).map(|number: u64| number.to_string().into_bytes()));
        all_are_answered(prefix, "padded", (0..100_000).map(|number: u64| format!("probe {number:060}").into_bytes()));
        let both_ends = |number: u64| format!("request {number} of the end").into_bytes();
        all_are_answered(prefix, "with the same ends", (0..100_000).map(both_ends));
    }
}

#[test]
fn a_client_that_tries_one_size_after_the_other_is_never_taken_for_a_loop() {
    let noise: Vec<u8> = (0..10_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for prefix in ["", "echo -> ", "e"] {
        for step in [1, 4, 8, 100] {
            let sizes = || (0..9000).step_by(step);
            for letter in [b'x', 0, b'\xff'] {
                all_are_answered(prefix, "one letter, size", sizes().map(|size| vec![letter; size]));
                all_are_answered(
                    prefix,
                    "head, size",
                    sizes().map(|size| [b"size:", &vec![letter; size][..]].concat()),
                );
            }
            all_are_answered(prefix, "count, size", sizes().map(|size| (0..size).map(|byte| byte as u8).collect()));
            all_are_answered(prefix, "beginning of noise, size", sizes().map(|size| noise[..size].to_vec()));
            if prefix != "e" {
                // There it is behind an "e" that what was sent before begins.
                all_are_answered(
                    prefix,
                    "end of noise, size",
                    sizes().map(|size| noise[noise.len() - size..].to_vec()),
                );
            }
            let down = sizes().map(|size| vec![b'x'; 9000 - size]);
            all_are_answered(prefix, "downwards, size", down);
            let numbered = |size: usize| [&(size as u64).to_be_bytes()[..], &vec![b'x'; size]].concat();
            all_are_answered(prefix, "number, size", sizes().map(numbered));
        }
    }
}

#[test]
fn numbers_that_soon_begin_again_are_answered_if_there_is_a_prefix() {
    for prefix in ["echo -> ", "e"] {
        all_are_answered(prefix, "one byte", (0..100_000u32).map(|number| vec![number as u8 % 128]));
        all_are_answered(
            prefix,
            "two bytes",
            (0..200_000u32).map(|number| (number as u16 % (1 << 15)).to_be_bytes().into()),
        );
    }
}

#[test]
fn a_server_that_always_says_the_same_comes_to_an_end() {
    for theirs in ["", "?", "no", "what?"] {
        for count in [1, 40, 10_000u32] {
            let forged: Vec<_> = (0..count).map(|number| number.to_be_bytes().to_vec()).collect();
            let other = Other { before: theirs.into(), most_bytes: 0, ..Other::plain() };
            let answers = answers("echo -> ", &other, &forged, 1, QUICK);
            assert!(answers <= 110 + 2 * forged.len(), "{answers} for {count} with {theirs:?}");
        }
    }
}

#[test]
fn a_text_with_equal_lines_is_answered() {
    let line = |number: u32| match number % 6 {
        0 => b"}".to_vec(),
        _ => format!("    line {number};").into_bytes(),
    };
    for prefix in ["", "echo -> "] {
        all_are_answered(prefix, "line", (0..100_000).map(line));
    }
}

#[test]
fn a_monitor_that_repeats_one_payload_each_second_is_always_answered() {
    let start = Instant::now();
    let mut repeats = Repeats::new(b"", start);
    for second in 0..10_000 {
        let now = start + Duration::from_secs(second);
        assert!(repeats.admits(&peer(40_000), b"still there?", now));
    }
}

/// What a server may put before a datagram: it says something.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-c>]{0,3}[a-z] ?(->|:) ?"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn loops_end_whatever_is_forged(
        ours in text(),
        theirs in text(),
        shouts: bool,
        most_bytes in prop_oneof![Just(LARGEST), Just(1024), 64..9000usize, 0..5usize],
        forged in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..60), 1..60),
        long in 0..1500usize,
    ) {
        let other = Other { before: theirs.into_bytes(), most_bytes, shouts, ..Other::plain() };
        let mut forged = forged;
        if !ours.is_empty() {
            forged.push(vec![b'.'; long]);
        }
        let answers = answers(&ours, &other, &forged, 1, QUICK);
        // Until a sample has enough bytes to tell, and until all letters are large.
        prop_assert!(answers <= 130 + 6 * forged.len(), "{} for {}", answers, forged.len());
    }

    #[test]
    fn what_is_new_each_time_is_answered(
        ours in text(),
        before in prop::collection::vec(any::<u8>(), 0..30),
        behind in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        let payload = |number: u32| [&before[..], &number.to_be_bytes(), &behind].concat();
        let now = Instant::now();
        let mut repeats = Repeats::new(ours.as_bytes(), now);
        for number in 0..3000 {
            prop_assert!(repeats.admits(&peer(40_000), &payload(number), now), "{}", number);
        }
    }
}
