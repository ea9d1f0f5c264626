//! Finding out what another server puts before or behind a datagram, if we ourselves put nothing before it.
//!
//! One datagram of each source is kept as a sample, by its hash. In a loop it comes back, and stands at the end of a
//! longer one, or at its beginning: the rest is what the other server adds, and it adds the same to all. So one sample
//! will do for any number of loops. It may be one that doesn't come back, so it is replaced, but each one waits twice
//! as long as the last: as soon as that is longer than all that is under way takes to come by, it is found, unless it
//! got lost.

use super::{Keys, TELLING_BYTES, word};

/// Another server's prefix is no longer than one of ours, as a rule.
const MOST_ADDED_BYTES: usize = 1024;
/// So many datagrams of a source the first sample waits, and the longest at most.
const FIRST_PATIENCE: u32 = 1024;
const MOST_PATIENCE: u32 = 1 << 16;

/// What is known of what a source adds.
#[derive(Clone, Copy, Default)]
pub struct Growth {
    sample: Option<Sample>,
    /// How many datagrams have come since the sample was taken, and how many may.
    waited: u32,
    patience: u32,
    added: Option<Added>,
}

/// Enough of a datagram to recognise it, and to see quickly that something is not it.
#[derive(Clone, Copy)]
struct Sample {
    length: usize,
    first: u64,
    last: u64,
    in_small_letters: u64,
}

#[derive(Clone, Copy)]
struct Added {
    is_before: bool,
    length: usize,
    whole: u64,
}

/// What is left of a datagram without what the source adds, and on which side that was.
pub enum Grown<'a> {
    Before(&'a [u8]),
    Behind(&'a [u8]),
}

impl Growth {
    /// Looks for the sample in a datagram of the source, which is the next sample, perhaps.
    ///
    /// One letter again and again tells nothing, neither as a whole nor behind something: an honest client may try one
    /// length after the other.
    pub fn learn(&mut self, data: &[u8], keys: Keys) {
        self.waited = self.waited.saturating_add(1);
        let is_over = self.waited > self.patience && data.len() >= TELLING_BYTES;
        let added = self.sample.and_then(|sample| sample.added_in(data, keys));
        if let Some((is_before, added)) = added
            && !is_one_letter(if is_before { data } else { added })
        {
            self.added = Some(Added { is_before, length: added.len(), whole: keys.whole(added) });
        }
        if is_over || added.is_some() {
            self.sample = Some(Sample::new(data, keys));
            self.waited = 0;
        }
        if is_over {
            self.patience = (2 * self.patience).clamp(FIRST_PATIENCE, MOST_PATIENCE);
        }
    }

    /// A datagram without what the source adds, if that is known and stands there.
    pub fn without_it<'a>(&self, data: &'a [u8], keys: Keys) -> Option<Grown<'a>> {
        let Added { is_before, length, whole } = self.added?;
        let rest = data.len().checked_sub(length)?;
        let (grown, added) = if is_before {
            (Grown::Before(&data[length..]), &data[..length])
        } else {
            (Grown::Behind(&data[..rest]), &data[rest..])
        };
        (keys.whole(added) == whole).then_some(grown)
    }
}

impl Sample {
    fn new(data: &[u8], keys: Keys) -> Sample {
        let in_small_letters = keys.in_small_letters(data);
        Sample { length: data.len(), first: word(data), last: word(end(data)), in_small_letters }
    }

    /// If `data` is this datagram with something before it, or behind it: whether it is before, and what it is.
    fn added_in<'a>(&self, data: &'a [u8], keys: Keys) -> Option<(bool, &'a [u8])> {
        let more = data.len().checked_sub(self.length).filter(|more| (1..=MOST_ADDED_BYTES).contains(more))?;
        let is = |part: &[u8]| {
            let may_be = word(part) == self.first && word(end(part)) == self.last;
            may_be && Sample::new(part, keys).in_small_letters == self.in_small_letters
        };
        if is(&data[more..]) {
            return Some((true, &data[..more]));
        }
        is(&data[..self.length]).then(|| (false, &data[self.length..]))
    }
}

fn is_one_letter(data: &[u8]) -> bool {
    data.iter().all(|byte| *byte == data[0])
}

/// The last bytes of a datagram.
fn end(data: &[u8]) -> &[u8] {
    &data[data.len().saturating_sub(TELLING_BYTES)..]
}
