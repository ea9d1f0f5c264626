//! What the server does with a client that has something to say: `recv` a request, answer it with `send`, and again, until
//! one of the two has had enough.
//!
//! Nothing here waits: what is not there yet is gone on with when the event loop, `common::events`, says that it is. What is
//! received goes through one buffer for all clients of a loop, and is copied from there as long as it is needed: of a client
//! without a request or a reply under way nothing is kept.

mod input;
mod reply;

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use common::address::{Address, Peer};
use common::berkeley::{OwnedFd, recv};
use common::events::{Clock, Next, Service};
use common::sockopt::set_reset_on_close;
use common::wait::{GaveUp, Patience};
use common::{Errno, exit, log};
use httpdate::fmt_http_date;

use crate::access_log::AccessLog;
use crate::cache::Cache;
use crate::client::Client;
use crate::options::ClientLimits;
use crate::places::Places;
use crate::request;
use crate::response::Constant;
use crate::site::{Answers, Site};
use crate::status::Status;

/// How much is received at once. More costs twice the processor time on loopback, where it no longer fits the caches; the
/// lecture has 1024.
const PIECE_BYTES: usize = 32 * 1024;
/// How much is done for a client that always has more, before the others have their turn: so many pieces are received, and so
/// many requests answered, of which some count as several; see [`Answers::work_left`].
const PIECES_A_TURN: usize = 16;
const WORK_A_TURN: usize = 32;

/// What a client waits for, and so what limits its patience, as the event loop numbers it.
const IDLE: u8 = 0;
const HEAD: u8 = 1;
const REQUEST: u8 = 2;
const REPLY: u8 = 3;

/// What all loops share.
pub struct Server {
    /// What there is to see.
    pub site: Site,
    /// What stands in every head.
    pub constant: Constant,
    /// How long the server bears with a client between requests, and how it stops.
    pub patience: Patience,
    /// How long it bears with one otherwise, among others.
    pub limits: ClientLimits,
    /// What a request may have of everything.
    pub heads: request::Limits,
    /// How many connections an address may have.
    pub places: Places,
    /// Where requests are told of.
    pub log: Option<AccessLog>,
}

/// The server in one loop.
pub struct Web<'a> {
    server: &'a Server,
    answers: Answers<'a>,
    /// Room for what is received.
    buffer: Vec<u8>,
    /// Room for a reply.
    out: Vec<u8>,
    /// The second that it is, and how HTTP writes it.
    second: u64,
    date: String,
}

impl<'a> Web<'a> {
    /// A loop's share of the server.
    pub fn new(server: &'a Server, files_kept_open: usize) -> Web<'a> {
        let (now, cache) = (SystemTime::UNIX_EPOCH, Cache::new(!server.site.show.no_cache, files_kept_open));
        let answers = Answers { site: &server.site, cache, now, work_left: WORK_A_TURN };
        Web { server, answers, buffer: vec![0; PIECE_BYTES], out: Vec::new(), second: 0, date: fmt_http_date(now) }
    }
}

impl<'a> Service for Web<'a> {
    const PROGRAM: &'static str = crate::NAME;
    type Conversation = Client<'a>;

    const CLIENT_SPEAKS_FIRST: bool = true;
    // Whose head isn't whole has been promised nothing yet.
    const GIVES_WAY: &'static [u8] = &[IDLE, HEAD];

    fn allowances(&self, patience: &Patience) -> Vec<Option<Duration>> {
        let limits = &self.server.limits;
        // In the order of their numbers.
        let (request, reply) = (Some(limits.head_timeout), Some(limits.slow_timeout).filter(|_| limits.min_rate > 0));
        vec![patience.idle, request, request, reply]
    }

    fn clock(&mut self, client: &mut Client) -> Clock {
        let allowance = match client {
            Client { reply: Some(_), .. } => REPLY,
            Client { held: Some(_), .. } | Client { is_put_off: true, .. } => REQUEST,
            _ if client.has_begun() => HEAD,
            _ => IDLE,
        };
        Clock { allowance, renewed: std::mem::take(&mut client.renewed) || allowance == IDLE }
    }

    fn begin(&mut self, _connection: &OwnedFd, peer: &Address) -> Option<Client<'a>> {
        let peer = Peer::from(peer);
        let place = self.server.places.take(&peer);
        if place.is_none() {
            log::client(crate::NAME, format_args!("refused {peer}: its address has its share of connections"));
        }
        place.map(|place| Client::new(peer, place))
    }

    fn refused(&mut self, client: &mut Client, errno: Errno) {
        self.lost(client, format_args!("the event queue has no room for it: {}", exit::plain(errno)));
    }

    /// The short way from `recv` through `send` is part of the event loop: see there. What is between is worked out by functions
    /// that make no system call, and may be called; the rare ways are functions of their own.
    #[inline(always)]
    fn go_on(&mut self, client: &mut Client, connection: &OwnedFd, ended: bool) -> Next {
        let turn = match &mut client.leaving {
            Some(left) => Ok(self.ignore(left, connection, ended)),
            None => self.talk(client, connection, ended),
        };
        turn.unwrap_or_else(|error| self.failed(client, &error))
    }

    /// SIGHUP asks for a new log.
    fn requested(&self) {
        if let Some(log) = &self.server.log {
            log.reopen();
        }
    }

    fn give_up(&mut self, client: &mut Client, connection: &OwnedFd, why: GaveUp) -> Next {
        match why {
            GaveUp::Idle(_) if self.still_reads(client, connection) => return Next::Room,
            GaveUp::Idle(time) if client.reply.is_some() => {
                let (rate, time) = (self.server.limits.min_rate, humantime::format_duration(time));
                self.lost(client, format_args!("read less than {rate} bytes a second for {time}"));
                // Nobody reads the rest, and the kernel needn't keep it.
                let _ = set_reset_on_close(connection);
            }
            GaveUp::Idle(_) if client.has_begun() => {
                self.look_at_the_clock();
                let next = self.refuse(client, connection, Status::REQUEST_TIMEOUT);
                let next = next.unwrap_or_else(|error| self.failed(client, &error));
                return if next == Next::Close { Next::Close } else { Next::Turn };
            }
            _ if client.reply.is_some() || client.has_begun() => self.lost(client, why),
            _ => {}
        }
        Next::Close
    }
}

impl Web<'_> {
    /// First what is left to send; then the requests that have come already; then `recv`, until there is no more input, or no
    /// more room.
    ///
    /// Errors: the connection broke, in the middle of a request or a reply.
    #[inline(always)]
    fn talk(&mut self, client: &mut Client, connection: &OwnedFd, ended: bool) -> Result<Next> {
        self.look_at_the_clock();
        self.answers.work_left = WORK_A_TURN;
        if (client.reply.is_some() || client.input.is_some())
            && let Some(next) = self.go_on_with_what_is_kept(client, connection)?
        {
            return Ok(next);
        }
        for _ in 0..PIECES_A_TURN {
            if self.answers.work_left == 0 {
                break;
            }
            let length = match recv(connection, &mut self.buffer) {
                Ok(length) if length > 0 => length,
                Err(Errno::INTR) => continue,
                other => return self.nothing_came(client, connection, other.err()),
            };
            if let Some(next) = self.serve(client, connection, length)? {
                return Ok(next);
            }
            // Less than there was room for: that was all. What comes now, the kernel tells.
            if length < PIECE_BYTES && !ended && !self.is_stopping() {
                return Ok(Next::Input);
            }
        }
        Ok(Next::Turn)
    }

    #[inline(never)]
    fn go_on_with_what_is_kept(&mut self, client: &mut Client, connection: &OwnedFd) -> Result<Option<Next>> {
        let kept = client.reply.take();
        match kept.map_or(Ok(None), |reply| self.send(client, connection, *reply))? {
            None => self.serve(client, connection, 0),
            next => Ok(next),
        }
    }

    /// The end of what a client has to say, an error, or no input now.
    #[inline(never)]
    fn nothing_came(&mut self, client: &mut Client, connection: &OwnedFd, why: Option<Errno>) -> Result<Next> {
        let has_begun = client.has_begun();
        match why {
            // Asked to stop, this was the last look.
            Some(Errno::AGAIN) => Ok(if self.is_stopping() && !has_begun { Next::Close } else { Next::Input }),
            // Between requests nothing is lost.
            _ if !has_begun => Ok(Next::Close),
            Some(errno) => Err(errno).context("cannot receive"),
            None => self.refuse(client, connection, Status::BAD_REQUEST),
        }
    }

    /// Refuses the request that has begun.
    fn refuse(&mut self, client: &mut Client, connection: &OwnedFd, refusal: Status) -> Result<Next> {
        let held = client.held.take().map(|held| held.0);
        let head = held.or_else(|| client.input.take().map(|input| input.0)).unwrap_or_default();
        let reply = self.say(client, &head, Err(refusal), true);
        Ok(self.send(client, connection, reply)?.unwrap_or(Next::Close))
    }

    /// Reads on for a client that was said goodbye to. Of who goes on sending, the kernel takes no more than it has room for; there
    /// is still time to read the last reply.
    #[inline(never)]
    fn ignore(&mut self, left: &mut u32, connection: &OwnedFd, ended: bool) -> Next {
        if *left == 0 {
            return if ended { Next::Close } else { Next::Input };
        }
        match recv(connection, &mut self.buffer) {
            Ok(length @ 1..) => {
                *left = left.saturating_sub(length as u32);
                Next::Turn
            }
            Err(Errno::INTR) => Next::Turn,
            Err(Errno::AGAIN) => Next::Input,
            Ok(0) | Err(_) => Next::Close,
        }
    }

    /// Whether a client takes what is left for it, if slowly. The kernel tells of room only when there's plenty: so it is
    /// tried.
    fn still_reads(&self, client: &mut Client, connection: &OwnedFd) -> bool {
        let Some(reply) = &mut client.reply else { return false };
        let went_on = reply.go_on(connection);
        let left = reply.left();
        let taken = reply.left_before.replace(left).unwrap_or(left) - left;
        let limits = &self.server.limits;
        let least = (limits.min_rate as u64).saturating_mul(limits.slow_timeout.as_secs().max(1));
        went_on.is_ok_and(|next| next.is_none() || taken >= least)
    }

    #[cold]
    fn failed(&self, client: &mut Client, error: &anyhow::Error) -> Next {
        self.lost(client, exit::describe(error));
        Next::Close
    }

    fn lost(&self, client: &mut Client, why: impl std::fmt::Display) {
        log::client(crate::NAME, format_args!("lost {}: {why}", client.peer));
        if let Some(reply) = client.reply.take() {
            self.write_log(&reply);
        }
    }

    fn is_stopping(&self) -> bool {
        self.server.patience.stop.is_asked()
    }

    /// The date is the same for a second, and so is what the cache knows.
    fn look_at_the_clock(&mut self) {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.answers.now = now;
        if second != self.second {
            self.second = second;
            self.date = fmt_http_date(now);
            self.answers.cache.clear();
        }
    }
}
