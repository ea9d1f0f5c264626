//! The checks that take several clients, and those with clients that leave as they like: what one of them does is not to be
//! felt by the others.

use anyhow::{Context, Result, bail};

use super::client::Client;
use super::server::Visit;

const ROUNDS: usize = 20;
const MANY_CLIENTS: usize = 50;
const IN_TURN: usize = 200;
const VANISHED: usize = 20;
const BYTES: usize = 32;

pub fn second_client(visit: &Visit) -> Result<()> {
    let (mut first, mut second) = (visit.client()?, visit.client()?);
    first.exchange(&visit.word(BYTES)).context("the first client")?;
    second.exchange(&visit.word(BYTES)).context("the second client")?;
    first.exchange(&visit.word(BYTES)).context("the first client, once more")
}

pub fn interleaved(visit: &Visit) -> Result<()> {
    let mut clients = [visit.client()?, visit.client()?];
    for client in &mut clients {
        client.exchange(&visit.word(BYTES))?;
    }
    for _ in 0..ROUNDS {
        let words = [visit.word(BYTES), visit.word(BYTES)];
        for (client, word) in clients.iter_mut().zip(&words) {
            client.say(word)?;
        }
        for (index, client) in clients.iter().enumerate().rev() {
            gets(client, &words[index], &words[1 - index])?;
        }
    }
    clients.iter().try_for_each(Client::hear_nothing)
}

/// A client gets its own, and not the other's.
fn gets(client: &Client, own: &[u8], others: &[u8]) -> Result<()> {
    let Some(reply) = client.hear_next()? else { bail!("one of two clients got no reply") };
    if client.payload(&reply) == others {
        bail!("a client got the reply to another one's datagram");
    }
    client.is_right(&reply, own)
}

pub fn many_clients(visit: &Visit) -> Result<()> {
    let mut clients: Vec<(Client, Vec<u8>)> = Vec::new();
    for _ in 0..MANY_CLIENTS {
        clients.push((visit.client()?, visit.word(BYTES)));
    }
    for (client, word) in &mut clients {
        client.say(word)?;
    }
    let mut unanswered = 0;
    for (client, word) in &clients {
        match client.hear_next()? {
            Some(reply) => client.is_right(&reply, word)?,
            None => unanswered += 1,
        }
    }
    if unanswered > 0 {
        bail!("{unanswered} of {MANY_CLIENTS} clients that asked at the same time got no reply");
    }
    Ok(())
}

pub fn in_turn(visit: &Visit) -> Result<()> {
    for number in 1..=IN_TURN {
        if visit.is_half_over() {
            break;
        }
        visit.client()?.exchange(&visit.word(BYTES)).with_context(|| format!("client {number}"))?;
    }
    Ok(())
}

pub fn vanished(visit: &Visit) -> Result<()> {
    let mut staying = visit.client()?;
    for number in 1..=VANISHED {
        let mut client = visit.client()?;
        client.say(&visit.word(BYTES))?;
        client.leave();
        let after = || format!("after {number} clients that were gone before their replies came");
        staying.exchange(&visit.word(BYTES)).with_context(after)?;
    }
    Ok(())
}
