//! Which replies leave glued together.
//!
//! The kernel cuts one long piece into datagrams of one length, the last of which may be shorter, to one address. So replies to
//! one client that follow one another are a train as long as they have one length. Replies to different clients have no order
//! among each other: those to one of them are put together.

use std::ops::Range;

use common::datagrams::{MOST_PIECE_BYTES, MOST_SEGMENTS};
use common::packet_info::Arrival;

/// Longer ones don't fit into a packet of Ethernet over IPv6 (1,500 bytes, less the headers), which is as much as most networks
/// carry whole; and what is cut must fit.
const MOST_SEGMENT_BYTES: usize = 1452;

/// A reply: what stands in the rooms, behind the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where the data stands.
    pub data: Range<usize>,
    /// Whether it is the first in its room, and so has the prefix before it there.
    pub is_first: bool,
    /// The number of what it answers among the arrivals.
    pub to: usize,
}

impl Reply {
    /// Whether the prefix stands before the data, if only because there is none.
    pub fn has_prefix(&self, prefix_bytes: usize) -> bool {
        self.is_first || prefix_bytes == 0
    }

    /// The data, and the prefix if it stands there.
    pub fn whole(&self, prefix_bytes: usize) -> Range<usize> {
        if self.is_first { self.data.start - prefix_bytes..self.data.end } else { self.data.clone() }
    }

    /// How long the reply is.
    pub fn length(&self, prefix_bytes: usize) -> usize {
        prefix_bytes + self.data.len()
    }
}

/// What trains are made up with. It is used again and again, so that nothing is allocated for a single datagram.
#[derive(Default)]
pub struct Yard {
    /// For each arrival, the number of the first one that came from the same address to the same address.
    group: Vec<usize>,
    /// Those that are the first of their group.
    firsts: Vec<usize>,
}

impl Yard {
    /// Puts the replies in the order in which they leave, and says which of them leave together.
    #[inline(always)]
    pub fn make_up(
        &mut self,
        replies: &mut [Reply],
        arrivals: &[Arrival],
        prefix_bytes: usize,
        trains: &mut Vec<Range<usize>>,
    ) {
        self.sort(arrivals);
        let group = &self.group;
        if self.firsts.len() > 1 {
            sort_by_key(replies, |reply| group[reply.to]);
        }
        trains.clear();
        let (mut each, mut bytes, mut is_complete) = (0, 0, true);
        for (number, reply) in replies.iter().enumerate() {
            let length = reply.length(prefix_bytes);
            match trains.last_mut() {
                // An empty one would leave no trace.
                Some(train)
                    if !is_complete
                        && (1..=each).contains(&length)
                        && train.len() < MOST_SEGMENTS
                        && bytes + length <= MOST_PIECE_BYTES
                        && group[reply.to] == group[replies[train.start].to] =>
                {
                    train.end = number + 1;
                    bytes += length;
                    is_complete = length < each;
                }
                _ => {
                    trains.push(number..number + 1);
                    (each, bytes, is_complete) = (length, length, length > MOST_SEGMENT_BYTES);
                }
            }
        }
    }

    /// Finds out which arrivals belong together.
    #[inline(always)]
    fn sort(&mut self, arrivals: &[Arrival]) {
        self.group.clear();
        self.firsts.clear();
        for (number, arrival) in arrivals.iter().enumerate() {
            let is_of = |first: &&usize| {
                let first = &arrivals[**first];
                first.peer == arrival.peer && first.asked == arrival.asked
            };
            let first = self.firsts.iter().rev().find(is_of).copied();
            if first.is_none() {
                self.firsts.push(number);
            }
            self.group.push(first.unwrap_or(number));
        }
    }
}

/// Few are sorted here, without a call of any function: see `Worker::work`.
#[inline(always)]
fn sort_by_key(replies: &mut [Reply], key: impl Fn(&Reply) -> usize) {
    if replies.len() > MOST_SEGMENTS {
        return replies.sort_by_key(key);
    }
    for end in 1..replies.len() {
        let mut place = end;
        while place > 0 && key(&replies[place - 1]) > key(&replies[place]) {
            replies.swap(place - 1, place);
            place -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arrival(port: u16, length: usize) -> Arrival {
        Arrival { length, peer: ([127, 0, 0, 1], port).into(), asked: None, dropped: None, segment: None }
    }

    /// The lengths in the trains that are made up of single datagrams from these ports, of these lengths.
    fn trains(datagrams: &[(u16, usize)], prefix_bytes: usize) -> Vec<Vec<(u16, usize)>> {
        let arrivals: Vec<Arrival> = datagrams.iter().map(|(port, length)| arrival(*port, *length)).collect();
        let reply = |(number, arrival): (usize, &Arrival)| {
            let start = number * 70_000 + prefix_bytes;
            Reply { data: start..start + arrival.length, is_first: true, to: number }
        };
        let mut replies: Vec<Reply> = arrivals.iter().enumerate().map(reply).collect();
        let mut trains = Vec::new();
        Yard::default().make_up(&mut replies, &arrivals, prefix_bytes, &mut trains);
        let shown = |reply: &Reply| (arrivals[reply.to].peer.port(), reply.data.len());
        trains.into_iter().map(|train| replies[train].iter().map(shown).collect()).collect()
    }

    #[test]
    fn replies_of_one_length_to_one_client_leave_together() {
        assert_eq!(trains(&[(1, 5), (1, 5), (1, 5)], 0), [vec![(1, 5); 3]]);
        assert_eq!(trains(&[(1, 5), (2, 5), (1, 5), (2, 5)], 8), [vec![(1, 5); 2], vec![(2, 5); 2]]);
        assert_eq!(trains(&[], 0), Vec::<Vec<_>>::new());
    }

    #[test]
    fn a_shorter_one_ends_a_train_and_a_longer_one_begins_another() {
        assert_eq!(trains(&[(1, 5), (1, 5), (1, 4), (1, 4)], 0), [vec![(1, 5), (1, 5), (1, 4)], vec![(1, 4)]]);
        assert_eq!(trains(&[(1, 4), (1, 5)], 0), [vec![(1, 4)], vec![(1, 5)]]);
    }

    #[test]
    fn empty_replies_go_alone_but_with_a_prefix_they_are_not_empty() {
        assert_eq!(trains(&[(1, 5), (1, 0), (1, 0)], 0), [vec![(1, 5)], vec![(1, 0)], vec![(1, 0)]]);
        assert_eq!(trains(&[(1, 0), (1, 0)], 8), [vec![(1, 0); 2]]);
    }

    #[test]
    fn a_train_is_no_longer_than_the_kernel_takes_and_its_parts_fit_into_a_packet() {
        assert_eq!(trains(&[(1, 1); 65], 0).len(), 2);
        let long = trains(&[(1, 1452); 50], 0);
        assert_eq!(long.iter().map(Vec::len).collect::<Vec<_>>(), [45, 5]);
        assert_eq!(trains(&[(1, 1453); 3], 0).len(), 3);
        assert_eq!(trains(&[(1, 1452); 3], 1).len(), 3);
    }

    proptest! {
        #[test]
        fn every_reply_leaves_once_and_a_clients_in_their_order(
            datagrams in prop::collection::vec((1..5u16, prop_oneof![0..4usize, 1400..1500usize]), 0..150),
            prefix_bytes in 0..9usize,
        ) {
            let trains = trains(&datagrams, prefix_bytes);
            for port in 1..5 {
                let of_port = |all: &[(u16, usize)]| all.iter().copied().filter(|(from, _)| *from == port).collect::<Vec<_>>();
                prop_assert_eq!(of_port(&trains.concat()), of_port(&datagrams));
            }
            prop_assert_eq!(trains.iter().map(Vec::len).sum::<usize>(), datagrams.len());
            for train in trains.iter().filter(|train| train.len() > 1) {
                let (port, each) = train[0];
                let (last, others) = train.split_last().unwrap();
                prop_assert!(others.iter().all(|reply| *reply == (port, each)));
                prop_assert!(last.0 == port && (1..=each + prefix_bytes).contains(&(last.1 + prefix_bytes)));
                prop_assert!(each + prefix_bytes <= MOST_SEGMENT_BYTES && train.len() <= MOST_SEGMENTS);
                let bytes: usize = train.iter().map(|(_, length)| length + prefix_bytes).sum();
                prop_assert!(bytes <= MOST_PIECE_BYTES);
            }
        }
    }
}
