//! The checks that take one client: what comes back, and from where.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use common::address::{self, Address};
use common::berkeley::{OwnedFd, SocketType, close, recvfrom, sendto, socket};
use common::check::skip;
use common::sockopt;
use common::wait::{Interest, Wake, wait};

use super::client::{Client, SENDINGS};
use super::server::Visit;
use crate::flow::LARGEST_DATAGRAM_BYTES;

const MANY_MESSAGES: usize = 100;
const PAIRS: usize = 20;
const BURST: usize = 100;
const BURST_BYTES: usize = 32;
/// A burst that fits into the receive buffer that the kernel gives if nobody asks for more.
const IN_ORDER: usize = 200;
/// How many there are, and in how many a reply has to overtake another: once may be the scheduler's doing.
const BURSTS: usize = 300;
const DISORDERLY: usize = 2;
/// Fewer bursts than this say nothing of a server whose replies overtake each other now and then.
const LEAST_BURSTS: usize = 100;
/// One Ethernet packet: 1,500 bytes without the headers of IPv4 and UDP.
const PACKET_BYTES: usize = 1472;
/// The room that many programs have for a datagram.
const USUAL_BYTES: usize = 8192;
/// How long a second address of this machine has to answer, where there may be nobody.
const SECOND_ADDRESS: Duration = Duration::from_millis(300);

pub fn small(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    (1..=16).try_for_each(|length| client.exchange(&visit.word(length)))?;
    client.hear_nothing()
}

pub fn bytes(visit: &Visit) -> Result<()> {
    let all: Vec<u8> = (0..=255).collect();
    let mut client = visit.client()?;
    [&all[..], b"\0", b"\n", b"\r\n", b"\xff\xfe", b"\x04"].into_iter().try_for_each(|bytes| client.exchange(bytes))
}

pub fn many_messages(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    (0..MANY_MESSAGES).try_for_each(|_| client.exchange(&visit.word(16)))
}

pub fn packet(visit: &Visit) -> Result<()> {
    let prefix = visit.server.manner.prefix.as_bytes().len();
    sizes(visit, &[100, 512, 1000, 1024, 1025, PACKET_BYTES - prefix, PACKET_BYTES])
}

pub fn fragments(visit: &Visit) -> Result<()> {
    sizes(visit, &[PACKET_BYTES + 1, 2048, 2049, 4096, 4097, USUAL_BYTES - 8, USUAL_BYTES])
}

pub fn large(visit: &Visit) -> Result<()> {
    sizes(visit, &[USUAL_BYTES + 1, 9000, 16_384, 32_768, 60_000])
}

pub fn largest(visit: &Visit) -> Result<()> {
    let most = visit.server.most_bytes();
    sizes(visit, &[most - 1, most])
}

fn sizes(visit: &Visit, sizes: &[usize]) -> Result<()> {
    let mut client = visit.client()?;
    sizes.iter().try_for_each(|&size| client.exchange(&visit.noise(size)))
}

pub fn boundaries(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    for _ in 0..PAIRS {
        let pair = [visit.word(BURST_BYTES), visit.word(BURST_BYTES)];
        pair.iter().try_for_each(|message| client.say(message))?;
        comes_back(&client, &pair)?;
    }
    Ok(())
}

pub fn burst(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    let messages: Vec<Vec<u8>> = (0..BURST).map(|_| visit.word(BURST_BYTES)).collect();
    messages.iter().try_for_each(|message| client.say(message))?;
    comes_back(&client, &messages)?;
    client.hear_nothing()
}

pub fn order(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    if !client.is_at_home()? {
        return skip("on the way there the network may change the order as well");
    }
    // A server that makes something for each client has made it then.
    client.exchange(&visit.word(BURST_BYTES))?;
    let mut disorderly = 0;
    for burst in 1..=BURSTS {
        if visit.is_half_over() {
            return match burst - 1 {
                LEAST_BURSTS.. => Ok(()),
                made => skip(format!("there was time for {made} of {BURSTS} bursts: a longer --timeout has more")),
            };
        }
        let messages: Vec<Vec<u8>> = (0..IN_ORDER).map(|_| visit.word(BURST_BYTES)).collect();
        messages.iter().try_for_each(|message| client.say(message))?;
        disorderly += usize::from(!comes_in_order(&client, &messages)?);
        if disorderly == DISORDERLY {
            bail!(
                "in {disorderly} of {burst} bursts of {IN_ORDER} datagrams a reply overtook one to an earlier datagram"
            );
        }
    }
    Ok(())
}

/// Whether those of the messages that come back do so in their order. What is missing, or glued together, other checks see.
fn comes_in_order(client: &Client, messages: &[Vec<u8>]) -> Result<bool> {
    let (mut last, mut is_in_order) = (0, true);
    for _ in messages {
        let Some(reply) = client.hear_soon()? else { break };
        let payload = client.payload(&reply);
        if let Some(index) = messages.iter().position(|message| message == payload) {
            is_in_order &= index >= last;
            last = index;
        }
    }
    Ok(is_in_order)
}

/// Each of the messages comes back as one datagram, in any order.
fn comes_back(client: &Client, messages: &[Vec<u8>]) -> Result<()> {
    let mut missing: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    while !missing.is_empty() {
        let Some(reply) = client.hear_next()? else {
            bail!("{} of {} datagrams that were sent at once did not come back", missing.len(), messages.len());
        };
        let payload = client.payload(&reply);
        match missing.iter().position(|message| *message == payload) {
            Some(index) => drop(missing.remove(index)),
            None if messages.iter().any(|message| message == payload) => bail!("one of them came back twice"),
            None => {
                let closest = missing.iter().find(|message| payload.starts_with(message)).unwrap_or(&missing[0]);
                client.is_right(&reply, closest)?;
            }
        }
    }
    Ok(())
}

pub fn source(visit: &Visit) -> Result<()> {
    let Some(address) = visit.server.address.internet() else {
        return skip("in the file system there are no other addresses");
    };
    answers_from(visit, address, visit.deadline)?;
    if address.ip().to_canonical().is_loopback() && address.is_ipv4() {
        // On this machine it may have been asked on all of 127.0.0.0/8.
        let patience = SECOND_ADDRESS + visit.server.manner.round_trip * 2 * SENDINGS;
        let second = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), address.port());
        return answers_from(visit, second, visit.deadline.min(Instant::now() + patience)).or_else(|error| {
            // Nobody there, or no such address here.
            if error.is::<Nobody>() { Ok(()) } else { Err(error) }
        });
    }
    Ok(())
}

/// Nothing came.
#[derive(Debug)]
struct Nobody(SocketAddr);

impl std::fmt::Display for Nobody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "nothing came back from {}", address::show(&self.0))
    }
}

impl std::error::Error for Nobody {}

/// With a socket that isn't connected, which hears everybody: the reply has to come from this address.
fn answers_from(visit: &Visit, asked: SocketAddr, until: Instant) -> Result<()> {
    let peer = Address::Internet(asked);
    let socket = socket(peer.family(), SocketType::DGRAM).context("cannot make a socket")?;
    let result = ask_from(visit, &socket, &peer, asked, until);
    close(socket);
    result
}

fn ask_from(visit: &Visit, socket: &OwnedFd, peer: &Address, asked: SocketAddr, until: Instant) -> Result<()> {
    sockopt::set_nonblocking(socket).context("cannot make a socket")?;
    let message = visit.word(16);
    let (began, mut data) = (Instant::now(), vec![0; LARGEST_DATAGRAM_BYTES]);
    let patience = until.saturating_duration_since(began);
    for sending in 1..=SENDINGS {
        if sendto(socket, &message, peer).is_err() {
            break;
        }
        let again = began + patience * sending / SENDINGS;
        while let Wake::Ready(_) = wait(socket, Interest::IN, None, Some(again))? {
            let Ok((length, from)) = recvfrom(socket, &mut data) else { continue };
            if let (true, Some(from)) = (data[..length].ends_with(&message), from.internet()) {
                return is_from(from, asked);
            }
        }
    }
    bail!(Nobody(asked))
}

fn is_from(from: SocketAddr, asked: SocketAddr) -> Result<()> {
    if address::plain(from) == address::plain(asked) {
        return Ok(());
    }
    let (from, asked) = (address::show(&from), address::show(&asked));
    bail!("it was asked at {asked}, and answers from {from}: a connected client would never see that")
}

pub fn empty(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    client.exchange(b"")?;
    client.exchange(&visit.word(16)).context("after an empty datagram")
}
