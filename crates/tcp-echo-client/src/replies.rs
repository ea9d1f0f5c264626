//! Reading replies out of a stream: where each ends, and whether it is what was sent.
//!
//! The server puts its prefix before every piece that its `recv` gives it, and where the pieces begin is up to the network:
//! a prefix may stand before a request's echo, in the middle of it, or before several at once. No byte of a request begins a
//! prefix ([`common::stats::request`]), so there is only one way to read a reply, and no copy of what was sent is needed.

use std::collections::VecDeque;

use common::prefix::Prefix;
use common::stats::{Pattern, Request};

/// What has arrived is not what was sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Corrupt;

/// How far the replies of a connection have been read.
#[derive(Debug, Default)]
pub struct Place {
    /// So many bytes of the oldest request are back.
    payload: usize,
    /// So many bytes of a prefix whose end is still to come.
    prefix: usize,
    /// A prefix has just ended. No server sends one alone, so a byte of the payload must follow.
    after_prefix: bool,
}

impl Place {
    /// Whether the reply to the oldest request has begun.
    pub fn is_within(&self) -> bool {
        self.payload > 0 || self.prefix > 0 || self.after_prefix
    }

    /// Reads what has arrived, takes each request whose reply is complete from the front of `outstanding`, and hands it to
    /// `answered`.
    ///
    /// Errors: it differs from what was sent, or nothing was asked.
    pub fn read(
        &mut self,
        mut data: &[u8],
        prefix: &Prefix,
        pattern: &mut Pattern,
        outstanding: &mut VecDeque<Request>,
        mut answered: impl FnMut(&Request),
    ) -> Result<(), Corrupt> {
        let prefix = prefix.as_bytes();
        while let Some(first) = data.first() {
            let request = outstanding.front().ok_or(Corrupt)?;
            if self.prefix > 0 || prefix.first() == Some(first) {
                data = self.read_prefix(data, prefix)?;
                continue;
            }
            let rest = &pattern.of(request)[self.payload..];
            let length = rest.len().min(data.len());
            let right = if data[..length] == rest[..length] {
                length
            } else {
                let right = data.iter().zip(rest).take_while(|(came, sent)| came == sent).count();
                // In the middle of a request only a prefix may stand.
                if right == 0 || prefix.first() != Some(&data[right]) {
                    return Err(Corrupt);
                }
                right
            };
            self.after_prefix = false;
            self.payload += right;
            data = &data[right..];
            if self.payload == pattern.size() {
                self.payload = 0;
                if let Some(request) = outstanding.pop_front() {
                    answered(&request);
                }
            }
        }
        Ok(())
    }

    fn read_prefix<'a>(&mut self, data: &'a [u8], prefix: &[u8]) -> Result<&'a [u8], Corrupt> {
        let rest = &prefix[self.prefix..];
        let length = rest.len().min(data.len());
        if self.after_prefix || data[..length] != rest[..length] {
            return Err(Corrupt);
        }
        self.prefix += length;
        if self.prefix == prefix.len() {
            (self.prefix, self.after_prefix) = (0, true);
        }
        Ok(&data[length..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::prefix::Check;
    use proptest::prelude::*;

    fn requests(count: u64) -> VecDeque<Request> {
        (0..count).map(|sequence| Request { sequence, due_ns: 0, sent_ns: sequence * 1000 }).collect()
    }

    /// How many of the requests are answered when this reply has been read in pieces of `step` bytes.
    fn answered(reply: &[u8], prefix: &Prefix, pattern: &mut Pattern, count: u64, step: usize) -> Result<u64, Corrupt> {
        let (mut place, mut outstanding, mut next) = (Place::default(), requests(count), 0);
        for piece in reply.chunks(step) {
            place.read(piece, prefix, pattern, &mut outstanding, |request| {
                assert_eq!(request.sequence, next);
                next += 1;
            })?;
        }
        if place.is_within() { Err(Corrupt) } else { Ok(next) }
    }

    /// A server's reply to the payload, received in pieces of these sizes.
    fn reply(prefix: &Prefix, payload: &[u8], sizes: &[usize]) -> Vec<u8> {
        let (mut reply, mut rest, mut sizes) = (Vec::new(), payload, sizes.iter().cycle());
        while !rest.is_empty() {
            let (piece, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            reply.extend_from_slice(prefix.as_bytes());
            reply.extend_from_slice(piece);
            rest = later;
        }
        reply
    }

    fn payload(pattern: &mut Pattern, count: u64) -> Vec<u8> {
        requests(count).iter().flat_map(|request| pattern.of(request).to_vec()).collect()
    }

    #[test]
    fn an_echo_with_and_without_prefix_is_right() {
        let prefix: Prefix = "echo -> ".parse().unwrap();
        let mut pattern = Pattern::new(64, &prefix);
        let sent = payload(&mut pattern, 3);
        for step in [1, 7, 64, 1000] {
            assert_eq!(answered(&sent, &prefix, &mut pattern, 3, step), Ok(3));
            assert_eq!(answered(&reply(&prefix, &sent, &[64]), &prefix, &mut pattern, 3, step), Ok(3));
            assert_eq!(answered(&reply(&prefix, &sent, &[100]), &prefix, &mut pattern, 3, step), Ok(3));
        }
    }

    #[test]
    fn another_requests_echo_a_lone_prefix_and_more_than_was_asked_are_wrong() {
        let prefix: Prefix = "echo -> ".parse().unwrap();
        let mut pattern = Pattern::new(1, &prefix);
        let sent = payload(&mut pattern, 2);
        let wrong: [&[u8]; 5] =
            [&[sent[1], sent[0]], b"echo -> ", b"echo -> echo -> ", b"echo", &[sent[0], sent[1], sent[0]]];
        for reply in wrong {
            assert_eq!(answered(reply, &prefix, &mut pattern, 2, 1), Err(Corrupt), "{}", reply.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn the_verdict_is_that_of_the_general_check(
            prefix in prop::collection::vec(any::<u8>(), 0..4), size in 1usize..40, count in 1u64..5,
            sizes in prop::collection::vec(1usize..50, 1..9), step in 1usize..60,
            damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let prefix = Prefix::new(&prefix).unwrap();
            let mut pattern = Pattern::new(size, &prefix);
            let sent = payload(&mut pattern, count);
            let mut reply = reply(&prefix, &sent, &sizes);
            if let Some((place, byte)) = damage {
                *place.get_mut(&mut reply) = byte;
            }
            let mut check = Check::new(&prefix);
            check.sent(&sent);
            let right = check.received(&reply).and_then(|()| check.finish()).is_ok();
            prop_assert!(right || damage.is_some());
            prop_assert_eq!(answered(&reply, &prefix, &mut pattern, count, step) == Ok(count), right);
        }
    }
}
