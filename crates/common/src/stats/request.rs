//! What a request contains, so that its reply can be told from any other: its number, when it was sent and the run's nonce,
//! eight bytes each; the rest is a pattern. A request with less room has as much of that as fits.
//!
//! No byte of a request is one that the server's prefix begins with. So where a prefix stands in a reply is never in doubt,
//! and a client that has millions of replies to check compares slices. (For payload of any kind, [`crate::prefix::Check`]
//! follows every way to read a reply.)

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::prefix::Prefix;

/// The bytes of a number in a request: seven bits each, the lowest first. The eighth keeps them away from the prefix.
const NUMBER_BYTES: usize = 8;
/// Number, time and nonce.
const HEAD_BYTES: usize = 3 * NUMBER_BYTES;

/// A request on its way: what its bytes say, and when it should have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number in the run, from 0.
    pub sequence: u64,
    /// When it was due.
    pub due_ns: u64,
    /// When it was handed to the kernel.
    pub sent_ns: u64,
}

/// The requests of a run, of which only the head differs.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As the last one asked for.
    bytes: Vec<u8>,
    /// What is put over the seven bits of a number.
    eighth_bit: u8,
}

impl Pattern {
    /// Requests of `size` bytes, at least one, for a server with this prefix.
    pub fn new(size: usize, prefix: &Prefix) -> Pattern {
        // What std keys its hash tables with differs from run to run.
        Pattern::with_nonce(size, prefix, RandomState::new().build_hasher().finish())
    }

    /// As [`Self::new`], with a nonce of the caller's.
    pub fn with_nonce(size: usize, prefix: &Prefix, nonce: u64) -> Pattern {
        let taken = prefix.as_bytes().first().copied();
        let eighth_bit = if taken.is_some_and(|first| first >= 0x80) { 0 } else { 0x80 };
        let mut state = nonce | 1;
        let pattern = std::iter::repeat_with(|| {
            // Xorshift: not for secrets, but no two places look alike.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let byte = (state >> 24) as u8;
            if Some(byte) == taken { byte ^ 1 } else { byte }
        });
        let mut pattern = Pattern { bytes: pattern.take(size.max(1)).collect(), eighth_bit };
        let nonce = pattern.number(nonce);
        pattern.put(2 * NUMBER_BYTES, nonce);
        pattern
    }

    /// How long each request is.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of a request.
    #[inline]
    pub fn of(&mut self, request: &Request) -> &[u8] {
        let (sequence, sent) = (self.number(request.sequence), self.number(request.sent_ns));
        if self.bytes.len() >= HEAD_BYTES {
            self.bytes[..NUMBER_BYTES].copy_from_slice(&sequence);
            self.bytes[NUMBER_BYTES..2 * NUMBER_BYTES].copy_from_slice(&sent);
        } else {
            self.put(0, sequence);
            self.put(NUMBER_BYTES, sent);
        }
        &self.bytes
    }

    /// The number of the request that `bytes` is or begins, as far as it can be read there, and how many of its bits; None:
    /// this is no request of this run.
    pub fn sequence(&self, bytes: &[u8]) -> Option<(u64, u32)> {
        let (sequence, bits) = self.read(bytes, 0)?;
        let nonce = bytes.get(2 * NUMBER_BYTES..).unwrap_or_default();
        let ours = &self.bytes[(2 * NUMBER_BYTES).min(self.bytes.len())..];
        let length = nonce.len().min(ours.len()).min(NUMBER_BYTES);
        (nonce[..length] == ours[..length]).then_some((sequence, bits))
    }

    /// When the request that `bytes` is or begins was sent; None: that can't be read there.
    pub fn sent_ns(&self, bytes: &[u8]) -> Option<u64> {
        self.read(bytes, NUMBER_BYTES).filter(|(_, bits)| *bits == 7 * NUMBER_BYTES as u32).map(|(sent_ns, _)| sent_ns)
    }

    fn read(&self, bytes: &[u8], at: usize) -> Option<(u64, u32)> {
        let number = bytes.get(at..)?;
        let number = &number[..number.len().min(NUMBER_BYTES).min(self.size().saturating_sub(at))];
        let is_ours = number.iter().all(|byte| byte & 0x80 == self.eighth_bit);
        let value = number.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
        (is_ours && !number.is_empty()).then_some((value, 7 * number.len() as u32))
    }

    /// 56 bits of a number: of nanoseconds more than two years.
    #[inline]
    fn number(&self, number: u64) -> [u8; NUMBER_BYTES] {
        std::array::from_fn(|index| (number >> (7 * index)) as u8 & 0x7f | self.eighth_bit)
    }

    /// Puts in as much of a number as there is room for.
    fn put(&mut self, at: usize, number: [u8; NUMBER_BYTES]) {
        let room = self.bytes.get_mut(at..).unwrap_or_default();
        let length = room.len().min(NUMBER_BYTES);
        room[..length].copy_from_slice(&number[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(sequence: u64, sent_ns: u64) -> Request {
        Request { sequence, due_ns: 0, sent_ns }
    }

    #[test]
    fn a_request_has_its_number_first_then_its_time_then_the_nonce() {
        let mut pattern = Pattern::with_nonce(32, &"echo -> ".parse().unwrap(), 5);
        let bytes = pattern.of(&request(3, 200)).to_vec();
        assert_eq!(bytes[..8], [0x83, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]);
        assert_eq!(bytes[8..16], [0xc8, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]);
        assert_eq!(bytes[16..24], [0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]);
        assert_eq!(pattern.of(&request(3, 200)), bytes);
        assert_ne!(pattern.of(&request(4, 200)), bytes);
        assert_ne!(Pattern::with_nonce(32, &"echo -> ".parse().unwrap(), 6).of(&request(3, 200)), bytes);
    }

    #[test]
    fn what_a_request_says_can_be_read_again_as_far_as_it_goes() {
        let prefix = "echo -> ".parse().unwrap();
        let mut pattern = Pattern::with_nonce(64, &prefix, 5);
        let bytes = pattern.of(&request(300, 7)).to_vec();
        assert_eq!((pattern.sequence(&bytes), pattern.sent_ns(&bytes)), (Some((300, 56)), Some(7)));
        assert_eq!((pattern.sequence(&bytes[..12]), pattern.sent_ns(&bytes[..12])), (Some((300, 56)), None));
        assert_eq!(pattern.sequence(&bytes[..1]), Some((300 % 128, 7)));
        assert_eq!((pattern.sequence(b""), pattern.sequence(b"echo -> ")), (None, None));
        assert_eq!(Pattern::with_nonce(64, &prefix, 6).sequence(&bytes), None, "another run's");
        let mut short = Pattern::with_nonce(2, &prefix, 5);
        let bytes = short.of(&request(1000, 7)).to_vec();
        assert_eq!((short.sequence(&bytes), short.sent_ns(&bytes)), (Some((1000, 14)), None));
    }

    proptest! {
        #[test]
        fn no_byte_of_a_request_begins_a_prefix(
            first in any::<u8>(), nonce in any::<u64>(), size in 1usize..100, sequence in any::<u64>(), sent in any::<u64>(),
        ) {
            let mut pattern = Pattern::with_nonce(size, &Prefix::new(&[first, b'x']).unwrap(), nonce);
            let bytes = pattern.of(&request(sequence, sent));
            prop_assert_eq!(bytes.len(), size);
            prop_assert!(!bytes.contains(&first));
        }
    }
}
