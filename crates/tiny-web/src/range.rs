//! Parts of files: the field Range, RFC 9110, section 14. One part of them is sent; for several, the whole file, which the
//! RFC allows, and which leaves nobody a way to ask for a thousand overlapping ones.

use std::ops::Range;

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Bytes(Range<u64>),
    /// 416: there is no such part, or what was asked for is no range.
    Missing,
}

/// The part of so many bytes that a field asks for:
///
/// ```text
/// ranges-specifier = range-unit "=" range-set
/// int-range        = first-pos "-" [ last-pos ]
/// suffix-range     = "-" suffix-length
/// ```
pub fn part(value: &[u8], length: u64) -> Part {
    let value = String::from_utf8_lossy(value);
    let Some((_, set)) = value.split_once('=').filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes")) else {
        return Part::Whole;
    };
    let parts = set.split(',').map(str::trim_ascii).filter(|part| !part.is_empty());
    let ranges: Option<Vec<_>> = parts.map(|part| one(part, length)).collect();
    match ranges.as_deref() {
        Some([range]) if !range.is_empty() => Part::Bytes(range.clone()),
        Some([_, _, ..]) => Part::Whole,
        _ => Part::Missing,
    }
}

/// One range, which is empty if it lies behind the end. None: it is malformed.
fn one(text: &str, length: u64) -> Option<Range<u64>> {
    match text.split_once('-')? {
        ("", suffix) => Some(length.saturating_sub(number(suffix)?)..length),
        (first, "") => Some(number(first)?..length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| first..last.saturating_add(1).min(length))
        }
    }
}

/// A number. One that is too large for us is behind every end.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_and_what_becomes_of_them() {
        let table = [
            ("bytes=0-0", 10, Part::Bytes(0..1)),
            ("bytes=2-5", 10, Part::Bytes(2..6)),
            ("bytes=2-", 10, Part::Bytes(2..10)),
            ("bytes=-3", 10, Part::Bytes(7..10)),
            ("bytes=-30", 10, Part::Bytes(0..10)),
            ("bytes=5-99", 10, Part::Bytes(5..10)),
            ("Bytes= 0-1 ", 10, Part::Bytes(0..2)),
            ("bytes=,0-1,", 10, Part::Bytes(0..2)),
            ("bytes=0-18446744073709551615", 10, Part::Bytes(0..10)),
            ("bytes=0-99999999999999999999999", 10, Part::Bytes(0..10)),
            ("bytes=0-1,3-4", 10, Part::Whole),
            ("bytes=0-,0-,0-", 10, Part::Whole),
            ("bytes=0-1,99-", 10, Part::Whole),
            ("lines=0-1", 10, Part::Whole),
            ("bytes", 10, Part::Whole),
            ("", 10, Part::Whole),
            ("bytes=10-", 10, Part::Missing),
            ("bytes=99999999999999999999999-", 10, Part::Missing),
            ("bytes=-0", 10, Part::Missing),
            ("bytes=0-", 0, Part::Missing),
            ("bytes=-5", 0, Part::Missing),
            ("bytes=", 10, Part::Missing),
            ("bytes=-", 10, Part::Missing),
            ("bytes=a-b", 10, Part::Missing),
            ("bytes=5-2", 10, Part::Missing),
            ("bytes=0 - 1", 10, Part::Missing),
            ("bytes=+0-1", 10, Part::Missing),
            ("bytes=0--1", 10, Part::Missing),
            ("bytes=0-1,x", 10, Part::Missing),
            ("bytes=x,0-1", 10, Part::Missing),
            ("bytes 0-1", 10, Part::Whole),
        ];
        for (value, length, expected) in table {
            assert_eq!(part(value.as_bytes(), length), expected, "{value} of {length}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_more_than_there_is(value in "bytes=[0-9,-]{0,24}", length: u64) {
            if let Part::Bytes(range) = part(value.as_bytes(), length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
