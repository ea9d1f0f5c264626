//! Files that are there compressed already: `page.html.br`, `page.html.zst` and `page.html.gz` beside `page.html`, and which
//! of them a client wants. RFC 9110, section 12.5.3.

use crate::request::Fields;

/// A content coding: the name that HTTP has for it, and what comes behind the file's name.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Coding {
    pub name: &'static str,
    pub suffix: &'static str,
}

/// In the order in which this server prefers them: the smallest first.
pub static CODINGS: [Coding; 3] = [
    Coding { name: "br", suffix: ".br" },
    Coding { name: "zstd", suffix: ".zst" },
    Coding { name: "gzip", suffix: ".gz" },
];

/// The codings that a client takes rather than the file as it is, the most wanted first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted([Option<&'static Coding>; CODINGS.len()]);

impl Wanted {
    /// What the field Accept-Encoding says. Without it, the file as it is.
    pub fn of(fields: &Fields) -> Wanted {
        let items: Vec<(&[u8], u16)> = fields.list("accept-encoding").map(item).collect();
        let quality = |name: &str| {
            let named = items.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
            named.map(|(_, quality)| *quality)
        };
        // A file as it is needs no mention, but may be wanted less, or more.
        let least = quality("identity").or(quality("*")).unwrap_or(1).max(1);
        let mut wanted = CODINGS.each_ref().map(|coding| {
            let old_name = quality("x-gzip").filter(|_| coding.name == "gzip");
            (quality(coding.name).or(old_name).or(quality("*")).unwrap_or(0), coding)
        });
        // Stable: of two that are wanted as much, ours first.
        wanted.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
        Wanted(wanted.map(|(quality, coding)| (quality >= least).then_some(coding)))
    }

    /// In their order.
    pub fn codings(self) -> impl Iterator<Item = &'static Coding> {
        self.0.into_iter().flatten()
    }
}

/// A name, and how much it is wanted, in thousandths. What can't be read as a weight is 0.
fn item(item: &[u8]) -> (&[u8], u16) {
    let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    (parts.next().unwrap_or_default(), parts.next().map_or(1000, |weight| thousandths(weight).unwrap_or(0)))
}

/// weight = "q=" qvalue; qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
fn thousandths(weight: &[u8]) -> Option<u16> {
    let value = std::str::from_utf8(weight).ok()?.strip_prefix(['q', 'Q'])?.strip_prefix('=')?;
    let (whole, digits) = value.split_once('.').unwrap_or((value, ""));
    if !["0", "1"].contains(&whole) || digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits that are not there are zeros.
    format!("{whole}{digits:0<3}").parse().ok().filter(|thousandths| *thousandths <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{self, Limits, NO_FIELDS};

    fn wanted(value: &str) -> String {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {value}\r\n\r\n");
        let mut room = NO_FIELDS;
        let request = request::read(head.as_bytes(), &mut room, &Limits::USUAL).expect(value);
        let names: Vec<&str> = Wanted::of(&request.fields).codings().map(|coding| coding.name).collect();
        names.join(" ")
    }

    #[test]
    fn what_is_accepted_and_what_is_wanted() {
        let table = [
            ("", ""),
            ("identity", ""),
            ("gzip", "gzip"),
            ("gzip, deflate, br, zstd", "br zstd gzip"),
            ("br;q=0.5, gzip", "gzip br"),
            ("br;q=0.5, gzip;q=0.8, zstd;q=0.501", "gzip zstd br"),
            ("br;q=0, gzip", "gzip"),
            ("*", "br zstd gzip"),
            ("*;q=0, gzip", "gzip"),
            ("gzip;q=0, *", "br zstd"),
            ("gzip;q=0.1, *;q=0.5", "br zstd"),
            ("br, *;q=0.5, zstd;q=0.4", "br gzip"),
            ("gzip, *;q=0.5, identity;q=0.8", "gzip"),
            ("*;q=0.5, identity;q=0", "br zstd gzip"),
            ("GZIP", "gzip"),
            ("x-gzip", "gzip"),
            ("gzip ; q=0.001", "gzip"),
            ("gzip;q=0.5, identity", ""),
            ("gzip;q=0.5, identity;q=0.5", "gzip"),
            ("gzip;q=2", ""),
            ("gzip;q=0.0001", ""),
            ("gzip;q=x", ""),
            ("gzip;q=", ""),
            ("gzip;q=1.000", "gzip"),
            ("gzip;q=1.001", ""),
            ("brotli", ""),
        ];
        for (value, expected) in table {
            assert_eq!(wanted(value), expected, "{value}");
        }
    }
}
