//! Random fates, duplicates, and any order: the account balances, and nothing is counted twice.

use super::*;
use proptest::prelude::*;

const SIZE: usize = 40;
const TIMEOUT_NS: u64 = 1000;

fn ledger(prefix: &str, size: usize) -> Ledger {
    Ledger::new(size, prefix.parse().unwrap(), TIMEOUT_NS, 1, Tally::default())
}

fn send(ledger: &mut Ledger, sequence: u64, sent_ns: u64) -> Vec<u8> {
    let request = Request { sequence, due_ns: sent_ns, sent_ns };
    let _ = ledger.send(request, 0, true, false);
    ledger.bytes(&request).to_vec()
}

/// As long as one is waited for, an account that counts another one twice is wrong, but not below zero: so it is the test
/// that says what is wrong, and not an overflow somewhere in the ledger.
fn send_one_that_is_lost(ledger: &mut Ledger, sequence: u64) {
    drop(send(ledger, sequence, sequence * 10));
}

fn balances(ledger: &Ledger) -> bool {
    ledger.tally.account.open() == 0 && ledger.waiting() == 0
}

#[test]
fn a_reply_is_right_with_the_prefix_and_without() {
    let mut ledger = ledger("echo -> ", SIZE);
    let (first, second) = (send(&mut ledger, 0, 0), send(&mut ledger, 1, 10));
    send_one_that_is_lost(&mut ledger, 2);
    let answer = Kind::Answer { late: false, out_of_order: false };
    assert_eq!(ledger.judge(&first, 0, 20).kind, answer);
    assert_eq!(ledger.judge(&[b"echo -> ", &second[..]].concat(), 0, 30).kind, answer);
    assert_eq!(ledger.judge(&second, 0, 30).kind, Kind::Duplicate);
    ledger.close();
    assert_eq!((ledger.tally.account.received, ledger.tally.account.duplicates), (2, 1));
    assert!(balances(&ledger));
}

#[test]
fn a_warm_up_counts_for_nothing_and_neither_does_a_second_reply_to_it() {
    let mut ledger = ledger("", SIZE);
    let request = Request { sequence: 0, due_ns: 0, sent_ns: 0 };
    let _ = ledger.send(request, 0, false, false);
    let reply = ledger.bytes(&request).to_vec();
    send_one_that_is_lost(&mut ledger, 1);
    assert_eq!(ledger.judge(&reply, 0, 20).kind, Kind::Answer { late: false, out_of_order: false });
    assert_eq!(ledger.judge(&reply, 0, 30).kind, Kind::Duplicate);
    ledger.close();
    let account = ledger.tally.account;
    assert_eq!((account.received, account.lost), (0, 1), "only the other request counts");
    assert_eq!(account.duplicates, 0, "a second reply to a warm-up doesn't count");
    assert!(balances(&ledger));
}

#[test]
fn what_comes_late_or_is_overtaken_is_neither_lost_nor_a_duplicate() {
    let mut ledger = ledger("", SIZE);
    let sent: Vec<Vec<u8>> = (0..3).map(|sequence| send(&mut ledger, sequence, sequence)).collect();
    assert_eq!(ledger.judge(&sent[2], 0, 100).kind, Kind::Answer { late: false, out_of_order: false });
    assert_eq!(ledger.judge(&sent[1], 0, 100).kind, Kind::Answer { late: false, out_of_order: true });
    assert_eq!(ledger.overdue(1000), None);
    assert_eq!(ledger.overdue(1001).unwrap().request.sequence, 0);
    assert_eq!((ledger.overdue(9999), ledger.waiting()), (None, 0));
    let late = ledger.judge(&sent[0], 0, 5000);
    assert_eq!((late.kind, late.frees), (Kind::Answer { late: true, out_of_order: true }, false));
    ledger.close();
    let account = ledger.tally.account;
    assert_eq!((account.received, account.late, account.lost, account.out_of_order), (2, 1, 0, 2));
}

#[test]
fn what_comes_late_has_timed_out_whether_anybody_had_noticed_before_or_not() {
    for (notices, counts) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut ledger = ledger("", SIZE);
        let request = Request { sequence: 0, due_ns: 0, sent_ns: 0 };
        let _ = ledger.send(request, 0, counts, false);
        let reply = ledger.bytes(&request).to_vec();
        assert_eq!(ledger.overdue(if notices { 5000 } else { 1000 }).is_some(), notices);
        assert_eq!(ledger.judge(&reply, 0, 5000).frees, !notices);
        assert_eq!(ledger.overdue(9999), None);
        ledger.close();
        assert_eq!((ledger.tally.errors.timeout, ledger.tally.account.late), (1, u64::from(counts)), "{notices}");
        assert!(balances(&ledger));
    }
}

#[test]
fn a_part_and_a_damaged_one_are_told_apart_wherever_the_damage_is() {
    for damaged in 0..8 + SIZE {
        let mut ledger = ledger("echo -> ", SIZE);
        let sent = send(&mut ledger, 0, 0);
        send_one_that_is_lost(&mut ledger, 1);
        let mut reply = [b"echo -> ", &sent[..]].concat();
        reply[damaged] ^= 0x04;
        assert_eq!(ledger.judge(&reply, 0, 1).kind, Kind::Corrupt, "{damaged}");
        assert_eq!(ledger.judge(&reply, 0, 1).kind, Kind::Duplicate, "{damaged}");
        ledger.close();
        assert_eq!((ledger.tally.account.corrupt, ledger.tally.account.lost), (1, 1), "{damaged}");
    }
    for length in 0..8 + SIZE {
        let mut ledger = ledger("echo -> ", SIZE);
        let sent = send(&mut ledger, 0, 0);
        let reply = [b"echo -> ", &sent[..]].concat();
        assert_eq!(ledger.judge(&reply[..length], 0, 1).kind, Kind::Truncated(length.saturating_sub(8)), "{length}");
        ledger.close();
        assert_eq!((ledger.tally.account.truncated, ledger.tally.account.lost), (1, 0), "{length}");
    }
}

#[test]
fn a_refusal_is_no_loss_and_counts_once() {
    let mut ledger = ledger("", SIZE);
    let sent: Vec<Vec<u8>> = (0..3).map(|sequence| send(&mut ledger, sequence, 0)).collect();
    assert_eq!(ledger.sent_back(Some(&sent[1]), 0, Errno::CONNREFUSED).unwrap().0.sequence, 1);
    assert_eq!(ledger.sent_back(Some(&sent[1]), 0, Errno::CONNREFUSED), None);
    assert_eq!(ledger.sent_back(None, 0, Errno::CONNREFUSED).unwrap().0.sequence, 0);
    ledger.not_sent(&Request { sequence: 2, due_ns: 0, sent_ns: 0 }, Errno::MSGSIZE);
    ledger.close();
    assert_eq!((ledger.tally.account.refused, ledger.tally.account.send_errors), (2, 1));
    assert!(balances(&ledger));
}

#[test]
fn what_a_stranger_sends_changes_nothing_but_a_count() {
    let mut ledger = ledger("", SIZE);
    let sent = send(&mut ledger, 0, 0);
    assert_eq!(ledger.judge_strangers(&sent).unwrap().sequence, 0);
    assert_eq!(ledger.judge_strangers(b"hello?"), None);
    ledger.close();
    let account = ledger.tally.account;
    assert_eq!((account.wrong_source, account.strays, account.lost), (1, 1, 1));
}

#[test]
fn memory_is_bounded_and_what_is_forgotten_has_its_fate() {
    let mut ledger = Ledger { most: 100, ..ledger("", SIZE) };
    let first = send(&mut ledger, 0, 0);
    (1..1000).for_each(|sequence| drop(send(&mut ledger, sequence, sequence)));
    assert_eq!((ledger.entries.len(), ledger.waiting()), (100, 100));
    assert_eq!(ledger.tally.account.lost, 900);
    assert_eq!(ledger.judge(&first, 0, 1000).kind, Kind::Stray);
    ledger.close();
    assert_eq!((ledger.tally.account.lost, ledger.tally.account.strays), (1000, 1));
    assert!(balances(&ledger));
}

/// What happens to a probe on its way.
#[derive(Clone, Debug)]
enum Way {
    Lost,
    Refused,
    NotSent,
    Comes(u8),
    Cut(prop::sample::Index),
    /// Where, how, and how often it comes.
    Damaged(prop::sample::Index, u8, u8),
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        1 => Just(Way::Lost),
        1 => Just(Way::Refused),
        1 => Just(Way::NotSent),
        6 => (1u8..4).prop_map(Way::Comes),
        1 => any::<prop::sample::Index>().prop_map(Way::Cut),
        1 => (any::<prop::sample::Index>(), 1u8..=255, 1u8..3)
            .prop_map(|(place, change, times)| Way::Damaged(place, change, times)),
    ]
}

proptest! {
    // Whoever does the exercise `one-fate` needs no folder of what has failed: the shortest case is printed.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_account_balances_and_counts_nothing_twice(
        prefix in prop_oneof![Just("echo -> "), Just("")], ways in prop::collection::vec(way(), 1..60),
        order in any::<prop::sample::Index>(), shuffles in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        late in any::<bool>(), size in 24usize..80,
    ) {
        let mut ledger = ledger(prefix, size);
        let mut arrivals: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut expected = [0u64; 6];
        let [lost, refused, not_sent, answered, wrong, copies] = &mut expected;
        for (sequence, way) in ways.iter().enumerate() {
            let sent_ns = sequence as u64 * 3;
            let bytes = send(&mut ledger, sequence as u64, sent_ns);
            let reply = [prefix.as_bytes(), &bytes].concat();
            match way {
                Way::Lost => *lost += 1,
                Way::Refused => {
                    *refused += 1;
                    ledger.sent_back(Some(&bytes), 0, Errno::CONNREFUSED);
                }
                Way::NotSent => {
                    *not_sent += 1;
                    ledger.not_sent(&Request { sequence: sequence as u64, due_ns: sent_ns, sent_ns }, Errno::NOBUFS);
                }
                Way::Comes(times) => {
                    *answered += 1;
                    *copies += u64::from(times - 1);
                    arrivals.extend(std::iter::repeat_n((sequence, reply), usize::from(*times)));
                }
                Way::Cut(place) => {
                    *wrong += 1;
                    arrivals.push((sequence, reply[..place.index(reply.len())].to_vec()));
                }
                Way::Damaged(place, change, times) => {
                    *wrong += 1;
                    *copies += u64::from(times - 1);
                    let mut reply = reply;
                    *place.get_mut(&mut reply) ^= change;
                    arrivals.extend(std::iter::repeat_n((sequence, reply), usize::from(*times)));
                }
            }
        }
        *lost += 1;
        send_one_that_is_lost(&mut ledger, ways.len() as u64);
        // Any order.
        for (index, shuffle) in shuffles.iter().enumerate().take(arrivals.len()) {
            let other = shuffle.index(arrivals.len());
            arrivals.swap(index, other);
        }
        let half = order.index(arrivals.len() + 1);
        let mut answered_before = HashSet::new();
        for (index, (sequence, reply)) in arrivals.iter().enumerate() {
            if late && index == half {
                while ledger.overdue(1_000_000).is_some() {}
                prop_assert_eq!(ledger.waiting(), 0);
            }
            let kind = ledger.judge(reply, 0, if late && index >= half { 1_000_000 } else { 500 }).kind;
            if answered_before.insert(*sequence) {
                prop_assert_ne!(kind, Kind::Duplicate, "the first reply to request {}", sequence);
            } else {
                prop_assert_eq!(kind, Kind::Duplicate, "one more reply to request {}", sequence);
            }
        }
        ledger.close();
        let account = ledger.tally.account;
        prop_assert!(balances(&ledger));
        prop_assert_eq!(account.settled(), ways.len() as u64 + 1);
        prop_assert_eq!((account.lost, account.refused, account.send_errors), (*lost, *refused, *not_sent));
        prop_assert_eq!(account.received + account.late, *answered);
        prop_assert_eq!((account.corrupt + account.truncated, account.duplicates), (*wrong, *copies));
        prop_assert_eq!((account.strays, account.wrong_source), (0, 0));
        prop_assert!(ledger.tally.errors.timeout >= account.late);
        prop_assert!(account.out_of_order < arrivals.len().max(1) as u64);
    }
}
