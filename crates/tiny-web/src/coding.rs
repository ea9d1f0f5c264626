//! Files that are there compressed already: `page.html.br`, `page.html.zst` and `page.html.gz` beside `page.html`, and which
//! of them a client wants. RFC 9110, section 12.5.3.

use crate::request::Fields;

/// A content coding, in the order in which this server prefers them: the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Zstandard,
    Gzip,
}

impl Coding {
    pub const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstandard, Coding::Gzip];

    /// The name that HTTP has for it.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstandard => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// What comes behind the file's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Zstandard => ".zst",
            Coding::Gzip => ".gz",
        }
    }
}

/// What the field Accept-Encoding may name: first our codings, in their order.
const NAMES: [&[u8]; 6] = [b"br", b"zstd", b"gzip", b"x-gzip", b"identity", b"*"];

/// The codings that a client takes rather than the file as it is, the most wanted first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted(u8);

impl Wanted {
    /// What the field Accept-Encoding says. Without it, the file as it is.
    pub fn of(fields: &Fields) -> Wanted {
        let mut said = [None; NAMES.len()];
        for item in fields.list("accept-encoding") {
            let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            if let Some(place) = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known)) {
                // What can't be read as a quality is 0.
                said[place].get_or_insert_with(|| parts.next().map_or(1000, |it| thousandths(it).unwrap_or(0)));
            }
        }
        let [.., x_gzip, identity, any] = said;
        // A file as it is needs no mention, but may be wanted less, or more.
        let identity = identity.unwrap_or(1);
        let mut wanted = Coding::ALL.map(|coding| {
            let own = said[coding as usize].or(x_gzip.filter(|_| coding == Coding::Gzip));
            (own.or(any).unwrap_or(0), coding)
        });
        // Stable: of two that are wanted as much, ours first.
        wanted.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
        let mut packed = 0;
        for (quality, coding) in wanted.into_iter().rev() {
            if quality > 0 && quality >= identity {
                packed = packed << 2 | (coding as u8 + 1);
            }
        }
        Wanted(packed)
    }

    /// In their order.
    pub fn codings(self) -> impl Iterator<Item = Coding> {
        (0..Coding::ALL.len()).filter_map(move |place| {
            let number = usize::from(self.0 >> (2 * place) & 3);
            number.checked_sub(1).map(|number| Coding::ALL[number])
        })
    }

    /// As a number, for a key.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// How much something is wanted, in thousandths.
/// weight = "q=" qvalue; qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
fn thousandths(weight: &[u8]) -> Option<u16> {
    let value = weight.strip_prefix(b"q=").or(weight.strip_prefix(b"Q="))?;
    let (whole, digits) = (*value.first()?, value.get(2..).unwrap_or_default());
    let is_number = matches!(value.get(1), None | Some(b'.')) && digits.len() <= 3;
    if !is_number || !b"01".contains(&whole) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let fraction = (0..3).fold(0, |sum, place| sum * 10 + u16::from(digits.get(place).unwrap_or(&b'0') - b'0'));
    Some(u16::from(whole - b'0') * 1000 + fraction).filter(|thousandths| *thousandths <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{self, Limits, NO_FIELDS};

    fn wanted(value: &str) -> String {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {value}\r\n\r\n");
        let mut room = NO_FIELDS;
        let request = request::read(head.as_bytes(), &mut room, &Limits::USUAL).expect(value);
        let names: Vec<&str> = Wanted::of(&request.fields).codings().map(Coding::name).collect();
        names.join(" ")
    }

    #[test]
    fn the_names_begin_with_our_codings_in_their_order() {
        for (place, coding) in Coding::ALL.into_iter().enumerate() {
            assert_eq!((coding as usize, NAMES[place]), (place, coding.name().as_bytes()));
        }
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
