//! The checks that take several clients at once: what one of them does is not to be felt by the others.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use common::sockopt;

use super::client::Client;
use super::server::Visit;

const MANY_CLIENTS: usize = 50;
/// More than two kernels and a proxy hold of it. Whoever takes more than this has it in memory.
const MOST_UNREAD_BYTES: usize = 64 * 1024 * 1024;
/// What a deaf client's kernel may hold.
const DEAF_BUFFER_BYTES: usize = 64 * 1024;
const BLOCK_BYTES: usize = 1024 * 1024;

pub fn second_client(visit: &Visit) -> Result<()> {
    let mut first = visit.client()?;
    if visit.server.manner.at_once {
        first.be_served(&visit.line()).context("the first client")?;
    }
    let mut second = visit.client()?;
    let served = second.be_served(&visit.line()).context("the second client");
    // In this order: a server that serves one at a time can then see the second off as well.
    first.leave();
    second.leave();
    served
}

pub fn many_clients(visit: &Visit) -> Result<()> {
    let mut clients: Vec<Client> = Vec::new();
    let served = each_gets_its_own(visit, &mut clients);
    // Who came first leaves first: see above.
    clients.into_iter().for_each(Client::leave);
    served
}

fn each_gets_its_own<'a>(visit: &Visit<'a>, clients: &mut Vec<Client<'a>>) -> Result<()> {
    for number in 1..=MANY_CLIENTS {
        let client = visit.client().with_context(|| format!("client {number}"))?;
        clients.push(client);
        let (client, line) = (&mut clients[number - 1], visit.line());
        let first = if visit.server.manner.at_once { client.be_served(&line) } else { client.say(&line) };
        first.with_context(|| format!("client {number}"))?;
    }
    for client in clients.iter_mut().rev() {
        client.say(&visit.line())?;
    }
    for (index, client) in clients.iter_mut().enumerate() {
        client.be_served(&visit.line()).with_context(|| format!("client {} of {MANY_CLIENTS}", index + 1))?;
    }
    Ok(())
}

pub fn back_pressure(visit: &Visit) -> Result<()> {
    let (deaf, taken) = deaf(visit, visit.end())?;
    deaf.leave();
    if taken >= MOST_UNREAD_BYTES {
        bail!("it took {} MiB from a client that read nothing, and would have taken more", taken >> 20);
    }
    Ok(())
}

pub fn deaf_client(visit: &Visit) -> Result<()> {
    let (deaf, taken) = deaf(visit, visit.half_time())?;
    let mut good = visit.client()?;
    let served = good.be_served(&visit.line());
    // First the one that the server may be waiting for.
    deaf.leave();
    good.leave();
    served.with_context(|| format!("beside a client that had sent {taken} bytes and read none, a good one"))
}

/// A client that has sent as much as the server takes, and read nothing.
fn deaf<'a>(visit: &Visit<'a>, until: Instant) -> Result<(Client<'a>, usize)> {
    let mut client = visit.client()?;
    sockopt::set_receive_buffer(client.connection(), DEAF_BUFFER_BYTES).context("cannot set the connection up")?;
    let taken = client.fill(&visit.noise(BLOCK_BYTES), MOST_UNREAD_BYTES, until)?.in_time()?;
    Ok((client, taken))
}
