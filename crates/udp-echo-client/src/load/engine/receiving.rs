//! Receiving: replies, what the network has to say of requests, and what comes from strangers.

use anyhow::{Context, Result};
use common::Errno;
use common::berkeley::recvfrom;

use super::super::wire::Input;
use super::Engine;
use crate::ledger::Kind;
use crate::unreachable::is_unreachable;

/// How often a flow that always has more may be read in a row, before the others have their turn.
const RECEIVES_A_TURN: usize = 16;

impl Engine<'_> {
    /// A flow's turn: `recv`, and then the next requests.
    pub(super) fn go_on(&mut self, flow: usize, has_news: bool) -> Result<()> {
        if has_news {
            self.hear_news(flow, None);
        }
        let mut has_heard = false;
        for _ in 0..RECEIVES_A_TURN {
            let (ledger, plan, waiting) = (&mut self.ledger, &mut self.plan, &mut self.waiting[flow]);
            let (clock, heard_ns) = (&self.clock, &mut self.heard_ns);
            let mut now_ns = None;
            let received = self.wire.receive(&self.flows[flow].socket, *waiting, |datagram| {
                has_heard = true;
                let now_ns = *now_ns.get_or_insert_with(|| clock.ns());
                let arrival = ledger.judge(datagram, flow, now_ns);
                *waiting -= usize::from(arrival.frees);
                if let (Kind::Answer { late: false, .. }, Some(request)) = (arrival.kind, arrival.request) {
                    *heard_ns = now_ns;
                    if plan.counts(&request) {
                        plan.arrived(now_ns);
                    }
                }
            });
            match received {
                Ok(Input::Some) if !has_heard => return Ok(()),
                Ok(Input::Some) => return self.fill(flow),
                Ok(Input::More) => self.fill(flow)?,
                Err(errno) if is_unreachable(errno) || errno == Errno::MSGSIZE => self.hear_news(flow, Some(errno)),
                Err(errno) => return Err(errno).context("cannot receive"),
            }
        }
        self.busy.push_back(flow);
        Ok(())
    }

    /// Takes what the network has to say of requests that were sent. Their places are taken again at the next tick, or after the
    /// next reply: who is refused is in no hurry.
    pub(super) fn hear_news(&mut self, flow: usize, errno: Option<Errno>) {
        let mut told = false;
        #[cfg(target_os = "linux")]
        while let Ok(news) =
            common::error_queue::take(&self.flows[flow].socket, &mut self.data[..crate::flow::LARGEST_DATAGRAM_BYTES])
        {
            told = true;
            self.ledger.learn_mtu(news.mtu);
            if let Some((_, freed)) = self.ledger.sent_back(Some(&self.data[..news.length]), flow, news.errno) {
                self.waiting[flow] -= freed;
            }
        }
        if let (false, Some(errno)) = (told, errno)
            && let Some((_, freed)) = self.ledger.sent_back(None, flow, errno)
        {
            self.waiting[flow] -= freed;
        }
    }

    /// `recvfrom`, on the socket where the wrong ones come in.
    pub(super) fn hear_strangers(&mut self, flow: usize) {
        while let Some(strangers) = &self.flows[flow].strangers
            && let Ok((length, _)) = recvfrom(strangers, &mut self.data)
        {
            self.ledger.judge_strangers(&self.data[..length]);
        }
    }
}
