//! Follows what the calls send until another call receives it: a model of the network between two programs.

use std::collections::HashMap;

use super::story::{Arrow, Side};
use super::trace::Call;

/// What crosses the network.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// A client asks for a connection.
    Syn,
    /// So many bytes, of which these are the first, and whether they are all.
    Data { bytes: i64, first: String, cut: bool },
    /// One direction of a connection is over.
    Fin,
}

/// What the calls so far have made.
#[derive(Default)]
pub struct Network {
    /// The arrows, in the order in which they were sent.
    pub arrows: Vec<Arrow>,
    sockets: HashMap<(Side, i64), Socket>,
    in_flight: Vec<InFlight>,
}

#[derive(Clone, Copy)]
struct Socket {
    kind: Kind,
    /// Connected, and its own direction not shut down yet: to close it will send FIN.
    open: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Stream,
    Datagram,
}

/// An arrow that no call has received, or not all of it.
struct InFlight {
    arrow: usize,
    to: Side,
    conversation: Option<String>,
    kind: Kind,
    left: i64,
}

impl Network {
    /// This call comes next; `row` is where it is shown.
    pub fn call(&mut self, row: usize, side: Side, call: &Call) {
        if call.error.is_some() {
            return;
        }
        if call.receives() {
            self.receive(row, side, call);
        } else if call.sends() {
            let data = Payload::Data {
                bytes: call.bytes.unwrap_or(0),
                first: call.data.clone().unwrap_or_default(),
                cut: call.data_is_cut(),
            };
            self.depart(row, side, call, data);
        } else {
            self.set_up_or_end(row, side, call);
        }
    }

    /// Whether this is, by now, a descriptor of a socket for datagrams.
    pub fn is_datagram_socket(&self, side: Side, fd: Option<i64>) -> bool {
        self.sockets.get(&(side, fd.unwrap_or(-1))).is_some_and(|socket| socket.kind == Kind::Datagram)
    }

    fn set_up_or_end(&mut self, row: usize, side: Side, call: &Call) {
        let key = (side, call.fd.unwrap_or(-1));
        match call.name.as_str() {
            "socket" => {
                let kind = if call.arguments.contains("SOCK_DGRAM") { Kind::Datagram } else { Kind::Stream };
                self.sockets.insert((side, call.result.unwrap_or(-1)), Socket { kind, open: false });
            }
            // A datagram socket sends nothing to connect, nor to close.
            "connect" if self.sockets.get(&key).is_some_and(|socket| socket.kind == Kind::Stream) => {
                self.sockets.insert(key, Socket { kind: Kind::Stream, open: true });
                self.depart(row, side, call, Payload::Syn);
            }
            "shutdown" if call.arguments != "SHUT_RD" => self.finish(row, side, call),
            "close" => {
                self.finish(row, side, call);
                self.sockets.remove(&key);
            }
            _ => {}
        }
    }

    /// The direction from `side` ends, if it hasn't ended before.
    fn finish(&mut self, row: usize, side: Side, call: &Call) {
        if let Some(socket) = self.sockets.get_mut(&(side, call.fd.unwrap_or(-1)))
            && socket.open
        {
            socket.open = false;
            self.depart(row, side, call, Payload::Fin);
        }
    }

    fn depart(&mut self, row: usize, side: Side, call: &Call, payload: Payload) {
        // A write to something else than a socket stays at home.
        let Some(socket) = self.sockets.get(&(side, call.fd.unwrap_or(-1))) else { return };
        let left = match payload {
            Payload::Data { bytes, .. } => bytes,
            Payload::Syn | Payload::Fin => 0,
        };
        let (arrow, to, conversation) = (self.arrows.len(), side.other(), conversation(side, call));
        self.in_flight.push(InFlight { arrow, to, conversation, kind: socket.kind, left });
        self.arrows.push(Arrow { from: row, to: None, taken: None, payload });
    }

    fn receive(&mut self, row: usize, side: Side, call: &Call) {
        if !self.sockets.contains_key(&(side, call.fd.unwrap_or(-1))) {
            return;
        }
        if call.name == "accept" {
            self.sockets.insert((side, call.result.unwrap_or(-1)), Socket { kind: Kind::Stream, open: true });
        }
        let own = conversation(side, call);
        let mut taken = call.bytes.unwrap_or(0);
        loop {
            let next = self.in_flight.iter().position(|flight| {
                let same = flight.conversation.is_none() || own.is_none() || flight.conversation == own;
                let awaited = match self.arrows[flight.arrow].payload {
                    Payload::Syn => call.name == "accept",
                    Payload::Data { .. } => call.name != "accept",
                    Payload::Fin => call.bytes == Some(0),
                };
                flight.to == side && same && awaited
            });
            let Some(next) = next else { return };
            let flight = &mut self.in_flight[next];
            self.arrows[flight.arrow].to.get_or_insert(row);
            // A stream knows no pieces: the call may have taken a part of one, or several. A datagram goes whole.
            let part = if flight.kind == Kind::Stream { taken.min(flight.left) } else { flight.left };
            flight.left -= part;
            taken -= part;
            if flight.left == 0 {
                self.arrows[flight.arrow].taken = Some(row);
                self.in_flight.remove(next);
            }
            if taken <= 0 {
                return;
            }
        }
    }
}

/// What tells the conversations of several clients apart: the client's port.
fn conversation(side: Side, call: &Call) -> Option<String> {
    let client = match side {
        Side::Client => call.local.as_deref(),
        Side::Server => call.peer.as_deref(),
    };
    client.and_then(|address| address.rsplit(':').next()).map(str::to_owned)
}
