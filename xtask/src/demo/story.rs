//! What happened: the traces of a server and of its client become one list of rows, in the order in which it happened.
//!
//! A pure function, from calls to rows and arrows. Where on the screen they go is `layout.rs`'s part.

use std::cmp::Reverse;

use super::network::{Network, Payload};
use super::trace::Call;

/// A call that isn't there to wait is shown to wait all the same if it took this long: a full send buffer, a slow handshake.
/// `without_pauses` tells which sends only seem to.
const SLOW_NS: u64 = 1_000_000;
/// A call that took no longer than this did not wait: the call itself takes as long.
const CALL_NS: u64 = 20_000;
/// The descriptor that everybody begins with.
const STDOUT: i64 = 1;

/// Which of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Server,
    Client,
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::Server => Side::Client,
            Side::Client => Side::Server,
        }
    }
}

/// What a program did, and printed.
pub struct Told {
    pub calls: Vec<Call>,
    /// The lines on stdout: of a server, when it was ready; of a client, with the last of the reply.
    pub printed: Vec<String>,
    /// The lines on stdout at the end.
    pub last_words: Vec<String>,
}

/// Something that one of the programs did.
#[derive(Debug)]
pub struct Row {
    pub side: Side,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    /// Begins to wait in this call, which a later row will end.
    Waits(Call),
    /// This call is over. The time is how long it waited, if it did, and the flag whether an earlier row began it.
    Did(Call, Option<u64>, Begun),
    /// Wrote a line on stdout.
    Printed(String),
    /// Somebody asked it to stop.
    Stopped,
}

/// Whether a row before this one has shown how the call began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    Here,
    Before,
}

/// Something that crossed the network.
#[derive(Debug, PartialEq)]
pub struct Arrow {
    /// The rows of the call that sent it and, if a call took it, of the one that did. Of several, of the first.
    pub from: usize,
    pub to: Option<usize>,
    /// The row of the call that took the last of it.
    pub taken: Option<usize>,
    pub payload: Payload,
}

impl Row {
    /// Whether this is the end of such a call of that side.
    fn did(&self, side: Side, such: impl Fn(&Call) -> bool) -> bool {
        self.side == side && matches!(&self.what, What::Did(call, ..) if such(call))
    }
}

/// The rows in their order, and the arrows between them.
#[derive(Debug, Default)]
pub struct Story {
    pub rows: Vec<Row>,
    pub arrows: Vec<Arrow>,
}

/// Tells the story of one run.
pub fn tell(server: &Told, client: &Told) -> Story {
    let mut rows = Vec::new();
    let [servers, clients] = without_pauses(server, client);
    for (side, own, other) in [(Side::Server, &servers, &clients), (Side::Client, &clients, &servers)] {
        let others: Vec<u64> = other.iter().map(moment).collect();
        for call in own {
            let waited = (call.waited_ns() >= SLOW_NS).then(|| call.waited_ns());
            if waits(call) && others.iter().any(|other| (call.start_ns + 1..call.end_ns).contains(other)) {
                rows.push((call.start_ns, Row { side, what: What::Waits(call.clone()) }));
                let ends = What::Did(call.clone(), Some(call.waited_ns()), Begun::Before);
                rows.push((call.end_ns, Row { side, what: ends }));
            } else {
                rows.push((moment(call), Row { side, what: What::Did(call.clone(), waited, Begun::Here) }));
            }
        }
    }
    // A stable sort: what began earlier in a program stays before what began later.
    rows.sort_by_key(|(at_ns, _)| *at_ns);
    let mut rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    insert_printed(&mut rows, server, client);
    insert_stop(&mut rows);
    let arrows = arrows(&rows);
    Story { rows, arrows }
}

/// The calls of the server and of the client, where a send that only seems to wait ends as it begins: the processor was
/// taken away from its program. A send didn't wait if the other side had received all its data before it returned, nor if
/// it sent a datagram, which goes whether there is room for it over there or not.
fn without_pauses(server: &Told, client: &Told) -> [Vec<Call>; 2] {
    let mut calls = [server.calls.clone(), client.calls.clone()];
    let mut both: Vec<(Side, usize)> = Vec::new();
    both.extend((0..server.calls.len()).map(|index| (Side::Server, index)));
    both.extend((0..client.calls.len()).map(|index| (Side::Client, index)));
    both.sort_by_key(|&(side, index)| {
        let call = &calls[side as usize][index];
        if gives(call) { call.start_ns } else { call.end_ns }
    });
    let mut network = Network::default();
    for (row, &(side, index)) in both.iter().enumerate() {
        let call = &mut calls[side as usize][index];
        network.call(row, side, call);
        if call.sends() && network.is_datagram_socket(side, call.fd) {
            call.end_ns = call.start_ns;
        }
    }
    for arrow in network.arrows {
        let Some((taker, taken)) = arrow.taken.map(|row| both[row]) else { continue };
        let taken_ns = calls[taker as usize][taken].end_ns;
        let (side, index) = both[arrow.from];
        let call = &mut calls[side as usize][index];
        if call.sends() && taken_ns <= call.end_ns {
            call.end_ns = call.start_ns;
        }
    }
    calls
}

/// The moment at which a call shows that is shown once: what it gives away leaves as it begins, or as it ends if it took
/// long and nothing happened on the other side meanwhile; what it gets is there when it ends. So nothing arrives before
/// it left, and the calls of a thread keep their order.
fn moment(call: &Call) -> u64 {
    let slow = waits(call) && call.waited_ns() >= SLOW_NS;
    if gives(call) && !slow { call.start_ns } else { call.end_ns }
}

/// Whether something leaves for the other side as this call begins.
fn gives(call: &Call) -> bool {
    call.sends() || matches!(call.name.as_str(), "connect" | "shutdown" | "close")
}

/// Whether this is a call that may have to wait for the other side, and did.
fn waits(call: &Call) -> bool {
    (call.waited_ns() > CALL_NS && call.receives())
        || (call.waited_ns() >= SLOW_NS && (call.sends() || call.name == "connect"))
}

/// The traces don't always tell when a program printed. A server is ready before it first waits, and before its client does
/// anything: that is only started then. A client prints when it writes to its stdout, or else when it has received the
/// last of the reply.
fn insert_printed(rows: &mut Vec<Row>, server: &Told, client: &Told) {
    let behind = |last: usize| last + 1;
    let writes = |row: &Row| row.did(Side::Client, |call| call.name == "write" && call.fd == Some(STDOUT));
    let gets = |row: &Row| row.did(Side::Client, |call| call.receives());
    let reply = rows.iter().rposition(writes).or_else(|| rows.iter().rposition(gets)).map_or(rows.len(), behind);
    let is_after_ready = |row: &Row| match &row.what {
        What::Waits(call) | What::Did(call, ..) => row.side == Side::Client || call.receives(),
        _ => false,
    };
    let ready = rows.iter().position(is_after_ready).unwrap_or(rows.len());
    let mut places = [
        (rows.len(), Side::Client, &client.last_words),
        (rows.len(), Side::Server, &server.last_words),
        (reply, Side::Client, &client.printed),
        (ready, Side::Server, &server.printed),
    ];
    places.sort_by_key(|(place, ..)| Reverse(*place));
    for (place, side, lines) in places {
        rows.splice(place..place, lines.iter().map(|line| Row { side, what: What::Printed(line.clone()) }));
    }
}

/// The last thing a server does is to close the socket it began with, because it has been asked to stop.
fn insert_stop(rows: &mut Vec<Row>) {
    let first = rows.iter().find_map(|row| match &row.what {
        What::Did(call, ..) if row.side == Side::Server && call.name == "socket" => call.result,
        _ => None,
    });
    let Some(last) = rows.iter().rposition(|row| row.did(Side::Server, |_| true)) else { return };
    if first.is_some() && rows[last].did(Side::Server, |call| call.name == "close" && call.fd == first) {
        rows.insert(last, Row { side: Side::Server, what: What::Stopped });
    }
}

fn arrows(rows: &[Row]) -> Vec<Arrow> {
    let mut network = Network::default();
    for (index, row) in rows.iter().enumerate() {
        match &row.what {
            What::Waits(call) if gives(call) => network.call(index, row.side, call),
            What::Did(call, _, begun) if *begun == Begun::Here || !gives(call) => network.call(index, row.side, call),
            _ => {}
        }
    }
    network.arrows
}

#[cfg(test)]
#[path = "story_tests.rs"]
mod tests;
