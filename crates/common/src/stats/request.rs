//! What a request contains, so that its reply can be told from any other: its number, when it was sent, and the run's nonce
//! mixed with both, eight bytes each; the rest is a pattern. A request with less room has as much of that as fits.
//!
//! Each two of the three agree for one request only. So if one is damaged, the others still tell whose reply this is.
//!
//! No byte of a request is one that the server's prefix begins with. So where a prefix stands in a reply is never in doubt,
//! and a client that has millions of replies to check compares slices. (For payload of any kind, [`crate::prefix::Check`]
//! follows every way to read a reply.)

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::prefix::Prefix;

/// The bytes of a number in a request: seven bits each, the lowest first. The eighth keeps them away from the prefix.
const NUMBER_BYTES: usize = 8;
/// Number, time and nonce. A request with room for them is told from any other, whichever byte of it is damaged.
pub const HEAD_BYTES: usize = 3 * NUMBER_BYTES;

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

/// How much of a request's head is there in what came back: of number, time and nonce, so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// What is there of it, is right.
    pub right: u32,
    /// It is another.
    pub wrong: u32,
}

/// The requests of a run, of which only the head differs.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As the last one asked for.
    bytes: Vec<u8>,
    nonce: u64,
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
        Pattern { bytes: pattern.take(size.max(1)).collect(), nonce, eighth_bit }
    }

    /// How long each request is.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of a request.
    #[inline]
    pub fn of(&mut self, request: &Request) -> &[u8] {
        let (sequence, sent) = (self.number(request.sequence), self.number(request.sent_ns));
        let nonce = self.number(self.mixed(request));
        if self.bytes.len() >= HEAD_BYTES {
            self.bytes[..NUMBER_BYTES].copy_from_slice(&sequence);
            self.bytes[NUMBER_BYTES..2 * NUMBER_BYTES].copy_from_slice(&sent);
            self.bytes[2 * NUMBER_BYTES..HEAD_BYTES].copy_from_slice(&nonce);
        } else {
            self.put(0, sequence);
            self.put(NUMBER_BYTES, sent);
            self.put(2 * NUMBER_BYTES, nonce);
        }
        &self.bytes
    }

    /// The run's nonce, mixed with what the request says of itself: two requests that differ in one byte of that differ in
    /// about all of this.
    #[inline]
    fn mixed(&self, request: &Request) -> u64 {
        let mut mixed = self.nonce ^ request.sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^= request.sent_ns.wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(32);
        // The finish of MurmurHash3, by Austin Appleby.
        mixed = (mixed ^ mixed >> 33).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        mixed = (mixed ^ mixed >> 33).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        mixed ^ mixed >> 33
    }

    /// The number of the request that `bytes` is or begins, as far as it can be read there, and how many of its bits; None:
    /// there is no number.
    #[inline]
    pub fn sequence(&self, bytes: &[u8]) -> Option<(u64, u32)> {
        self.read(bytes, 0)
    }

    /// How well the head of `bytes` is that of this request, as far as it goes.
    #[inline]
    pub fn compare(&mut self, bytes: &[u8], request: &Request) -> Agreement {
        let ours = self.of(request);
        let length = bytes.len().min(ours.len()).min(HEAD_BYTES);
        let (mut agreement, parts) = (Agreement::default(), bytes[..length].chunks(NUMBER_BYTES));
        for (theirs, ours) in parts.zip(ours[..length].chunks(NUMBER_BYTES)) {
            *if theirs == ours { &mut agreement.right } else { &mut agreement.wrong } += 1;
        }
        agreement
    }

    /// Whether `bytes` may be a request of this run or the beginning of one, though more than a little is damaged. Of the
    /// pattern at least half is right then, and of a head without one, as much as can be told.
    pub fn resembles(&self, bytes: &[u8]) -> bool {
        if bytes.len() > self.size() {
            return false;
        }
        let is_right = |(at, byte): (usize, &u8)| match at {
            ..HEAD_BYTES => byte & 0x80 == self.eighth_bit,
            _ => *byte == self.bytes[at],
        };
        let from = if bytes.len() > HEAD_BYTES { HEAD_BYTES } else { 0 };
        2 * bytes.iter().enumerate().skip(from).filter(|&place| is_right(place)).count() >= bytes.len() - from
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
        let whole = Agreement { right: 3, wrong: 0 };
        assert_eq!(pattern.compare(&bytes, &request(300, 7)), whole);
        let another = Pattern::with_nonce(64, &prefix, 6).of(&request(300, 7)).to_vec();
        assert_eq!(pattern.compare(&another, &request(300, 7)), Agreement { right: 2, wrong: 1 }, "another run's");
        assert!(pattern.resembles(&bytes) && !pattern.resembles(&another) && !pattern.resembles(&[b'z'; 64]));
        assert!(pattern.resembles(&bytes[..2]) && !pattern.resembles(b"zz") && !pattern.resembles(&[0x80; 65]));
        let mut short = Pattern::with_nonce(2, &prefix, 5);
        let bytes = short.of(&request(1000, 7)).to_vec();
        assert_eq!((short.sequence(&bytes), short.sent_ns(&bytes)), (Some((1000, 14)), None));
    }

    proptest! {
        /// So no damage to one byte makes one request of another, or of two that are as likely.
        #[test]
        fn two_requests_that_are_close_differ_in_all_of_the_nonce(
            nonce in any::<u64>(), sequence in 0u64..1 << 40, sent in 0u64..1 << 50, place in 0usize..16, change in 1u8..128,
        ) {
            let mut pattern = Pattern::with_nonce(24, &"echo -> ".parse().unwrap(), nonce);
            let whole = pattern.of(&request(sequence, sent)).to_vec();
            let mut damaged = whole.clone();
            damaged[place] ^= change;
            let (number, bits) = pattern.sequence(&damaged).unwrap();
            let sent = pattern.sent_ns(&damaged).unwrap();
            let other = pattern.of(&request(number, sent)).to_vec();
            prop_assert_eq!(bits, 56);
            prop_assert!(whole[16..].iter().zip(&other[16..]).filter(|(one, other)| one != other).count() >= 4);
        }

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
