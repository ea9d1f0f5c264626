//! A limit on the answers per source address, in memory that no number of sources makes grow.
//!
//! The source of a datagram is easily forged. Who sends us many in the name of somebody else has our answers sent there,
//! and each is longer than what it cost: the limit bounds that.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Instant;

/// Token buckets, in a table that is never searched or grown: each address has the bucket that its hash says, and shares it
/// with every other address of the same hash. That is rare, and nobody outside can tell which addresses those are.
const BUCKETS: usize = 4096;

/// Datagrams a second; None: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(Option<u32>);

impl Rate {
    /// More than a person or a monitor sends, less than harms anybody.
    pub const DEFAULT: Rate = Rate(Some(10_000));
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        match text.parse() {
            _ if text == "off" => Ok(Rate(None)),
            Ok(0) | Err(_) => Err("a number of datagrams a second, or off".to_owned()),
            Ok(per_second) => Ok(Rate(Some(per_second))),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(per_second) => per_second.fmt(f),
            None => f.write_str("off"),
        }
    }
}

/// The limit, and what each source has used of it.
pub struct RateLimit {
    per_second: f64,
    hasher: RandomState,
    buckets: Vec<Bucket>,
}

#[derive(Clone)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl RateLimit {
    /// None: no limit.
    pub fn new(rate: Rate, now: Instant) -> Option<RateLimit> {
        let per_second = f64::from(rate.0?);
        let buckets = vec![Bucket { tokens: per_second, filled: now }; BUCKETS];
        Some(RateLimit { per_second, hasher: RandomState::new(), buckets })
    }

    /// Whether one more answer to this source is within the limit. A second's worth may come at once.
    pub fn admits(&mut self, source: IpAddr, now: Instant) -> bool {
        let index = self.hasher.hash_one(source) as usize % BUCKETS;
        let bucket = &mut self.buckets[index];
        let earned = now.duration_since(bucket.filled).as_secs_f64() * self.per_second;
        *bucket = Bucket { tokens: (bucket.tokens + earned).min(self.per_second), filled: now };
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_source_gets_its_rate_and_no_more_and_others_are_not_disturbed() {
        let start = Instant::now();
        let mut limit = RateLimit::new("100".parse().unwrap(), start).unwrap();
        let loud = "192.0.2.1".parse().unwrap();
        let admitted = |limit: &mut RateLimit, now| (0..1000).filter(|_| limit.admits(loud, now)).count();
        assert_eq!(admitted(&mut limit, start), 100);
        assert_eq!(admitted(&mut limit, start + Duration::from_millis(500)), 50);
        assert_eq!(admitted(&mut limit, start + Duration::from_secs(60)), 100, "a long silence earns no more");
        // One of these may share its bucket with the loud one, but not all.
        let quiet = (2..10u8).filter(|last| limit.admits(IpAddr::from([192, 0, 2, *last]), start)).count();
        assert!(quiet >= 6, "{quiet}");
    }

    #[test]
    fn a_million_sources_take_no_more_memory_than_one() {
        let start = Instant::now();
        let mut limit = RateLimit::new(Rate::DEFAULT, start).unwrap();
        let capacity = limit.buckets.capacity();
        for source in 0..1_000_000u32 {
            limit.admits(IpAddr::V4(source.into()), start);
        }
        assert_eq!(limit.buckets.capacity(), capacity);
    }

    #[test]
    fn the_limit_is_a_number_or_off() {
        assert_eq!("off".parse(), Ok(Rate(None)));
        assert_eq!("7".parse(), Ok(Rate(Some(7))));
        for wrong in ["0", "-1", "many", ""] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
