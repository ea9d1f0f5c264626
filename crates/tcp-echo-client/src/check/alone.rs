//! The checks that take one client: what comes back, and how it ends.

use anyhow::{Result, bail};
use common::check::skip;

use super::server::Visit;

const MANY_MESSAGES: usize = 100;
const SINGLE_BYTES: usize = 32;
/// More than the 64 KiB that people take for the size of everything.
const LARGE_BYTES: usize = 100_000;
/// More than the kernel holds for both directions together, as a rule.
const DUPLEX_BYTES: usize = 8 * 1024 * 1024;
/// The end arrives together with a short message, more than once, and while a long one is still on its way.
const HALF_CLOSES: usize = 5;
const HALF_CLOSE_BYTES: [usize; 2] = [3000, 256 * 1024];
/// The most to send without reading. With less than that on the way, something has had to wait.
const LATE_BYTES: usize = 16 * 1024 * 1024;
/// So often urgent data goes out in the middle of something, without a pause.
const HURRIES: usize = 24;

pub fn small(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    client.exchange(&visit.word())?;
    client.hear_nothing()
}

pub fn bytes(visit: &Visit) -> Result<()> {
    let mut all: Vec<u8> = (0..=255).collect();
    all.push(visit.last_byte());
    visit.client()?.exchange(&all)
}

pub fn single_bytes(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    let word: Vec<u8> = std::iter::repeat_with(|| visit.word()).flatten().take(SINGLE_BYTES).collect();
    word.chunks(1).try_for_each(|byte| client.exchange(byte))
}

pub fn many_messages(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    (0..MANY_MESSAGES).try_for_each(|_| client.exchange(&visit.line()))
}

pub fn pipelined(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    client.say(&visit.line())?;
    client.exchange(&visit.line())
}

pub fn large(visit: &Visit) -> Result<()> {
    visit.client()?.exchange(&visit.noise(LARGE_BYTES))
}

pub fn duplex(visit: &Visit) -> Result<()> {
    visit.client()?.exchange(&visit.noise(DUPLEX_BYTES))
}

pub fn late_reader(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    client.fill(&visit.noise(1024 * 1024), LATE_BYTES, visit.half_time())?.in_time()?;
    client.exchange(&visit.line())
}

pub fn half_close(visit: &Visit) -> Result<()> {
    let [short, long] = HALF_CLOSE_BYTES;
    (0..HALF_CLOSES).try_for_each(|_| visit.client()?.last_exchange_at_once(&visit.noise(short)))?;
    visit.client()?.last_exchange(&visit.noise(long))
}

pub fn empty(visit: &Visit) -> Result<()> {
    if !visit.server.manner.greeting.is_empty() {
        bail!("the server greets before a client has said anything");
    }
    visit.client()?.last_exchange(b"")
}

pub fn clean_end(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    if visit.server.manner.at_once {
        client.exchange(&visit.line())?;
    }
    client.last_exchange(b"")
}

pub fn urgent(visit: &Visit) -> Result<()> {
    if visit.server.address.internet().is_none() {
        return skip("only TCP has urgent data");
    }
    let mut client = visit.client()?;
    client.exchange(&visit.line())?;
    client.say_urgently(b'!')?;
    client.exchange(&visit.line())?;
    // What is behind it may have come before the server looks: then nobody tells it again.
    for _ in 0..HURRIES {
        client.say(&visit.line())?;
        client.say_urgently(b'!')?;
        client.exchange(&visit.line())?;
    }
    Ok(())
}
