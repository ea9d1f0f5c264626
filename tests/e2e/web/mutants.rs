//! Requests that nobody thought of: those of the tables, with a few bytes changed. The same each time.

use super::rows::WHOLE;
use super::site::Site;
use crate::harness::http::{Client, shown};

/// So many, which is a matter of seconds.
const MUTANTS: usize = 4000;

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % limit.max(1)
    }
}

/// What is put into requests: what means something to somebody.
const PIECES: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"\"",
    b"%",
    b"/",
    b"0",
    b"\xff",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
];

fn mutant(parent: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = parent.to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len());
        let end = (at + 1 + chance.below(4)).min(bytes.len());
        match chance.below(5) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, PIECES[chance.below(PIECES.len())].iter().copied())),
            2 => bytes[at] ^= 1 << chance.below(8),
            3 => drop(bytes.splice(at..end, PIECES[chance.below(PIECES.len())].iter().copied())),
            _ => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[chance.below(other.len())..]);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

#[test]
fn whatever_comes_it_is_answered_or_refused_and_the_server_lives() {
    let site = Site::start(&[]);
    let parents: Vec<&[u8]> = WHOLE.iter().flat_map(|rows| rows.iter().map(|(_, sent, _)| *sent)).collect();
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    for number in 0..MUTANTS {
        let (parent, other) = (parents[chance.below(parents.len())], parents[chance.below(parents.len())]);
        let sent = mutant(parent, other, &mut chance);
        let mut client = Client::new(site.server.connect());
        client.send(&sent);
        client.finish();
        let ended = client.receive_all();
        let got = &client.input;
        assert_eq!(ended, Ok(()), "{number}: {}", shown(&sent));
        let is_http = got.is_empty() || got.starts_with(b"HTTP/1.1 ");
        let is_sane = !got.starts_with(b"HTTP/1.1 500") && !got.windows(8).any(|eight| eight == b"nobody's");
        // Each answer but the last has a request to it.
        let answers = got.windows(9).filter(|nine| nine == b"HTTP/1.1 ").count();
        let requests = sent.windows(4).filter(|four| four == b"\r\n\r\n").count();
        let is_sane = is_sane && answers <= 2 * requests + 1;
        assert!(is_http && is_sane, "{number}: {}\n{}", shown(&sent), shown(got));
    }
    assert_eq!(site.server.stops_well(), "");
}
