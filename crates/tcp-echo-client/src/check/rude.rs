//! The checks with clients that leave as they like: at once, in masses, or with a reset.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use common::check::skip;
use rustix::net::sockopt::set_socket_linger;

use super::client::Client;
use super::server::Visit;

const QUICK_CONNECTS: usize = 200;
/// No more than wait for a server whose queue is as short as the lecture's, `listen(5)`.
const AT_A_TIME: usize = 5;
/// More than the usual limit on descriptors.
const CONVERSATIONS: usize = 1100;
/// How much of a message is sent before its connection is reset.
const CUT_OFF_BYTES: usize = 100_000;
/// More than the lecture's client reads.
const UNREAD_BYTES: usize = 3000;
/// How long a server has to die, before the next client is to show that it didn't.
const DEATH: Duration = Duration::from_millis(50);

pub fn quick_connects(visit: &Visit) -> Result<()> {
    for round in 0..QUICK_CONNECTS / AT_A_TIME {
        if visit.is_half_over() {
            return too_slow(round * AT_A_TIME, QUICK_CONNECTS, "clients");
        }
        for _ in 0..AT_A_TIME {
            visit.client()?.vanish();
        }
        let after = || format!("after {} clients that left at once", (round + 1) * AT_A_TIME);
        good_client(visit).with_context(after)?;
    }
    Ok(())
}

pub fn no_leak(visit: &Visit) -> Result<()> {
    for number in 1..=CONVERSATIONS {
        if visit.is_half_over() {
            return too_slow(number - 1, CONVERSATIONS, "conversations");
        }
        good_client(visit).with_context(|| format!("conversation {number}"))?;
    }
    Ok(())
}

/// What has been made of a check has gone well, but it is less than what the check is about.
fn too_slow(made: usize, wanted: usize, what: &str) -> Result<()> {
    skip(format!("there was time for {made} of {wanted} {what}, without a fault: a longer --timeout has more"))
}

pub fn early_close(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    client.say(&visit.noise(UNREAD_BYTES))?;
    if !visit.server.manner.at_once {
        client.has_said_all()?;
    }
    client.wait_for_reply()?;
    client.vanish();
    the_next_is_served(visit).context("after a client that had left its reply unread")
}

pub fn reset(visit: &Visit) -> Result<()> {
    reset_now(visit.client()?)?;
    the_next_is_served(visit).context("after a connection that was reset at once")?;

    let mut client = visit.client()?;
    client.fill(&visit.noise(CUT_OFF_BYTES), CUT_OFF_BYTES, visit.end())?;
    reset_now(client)?;
    the_next_is_served(visit).context("after a reset in the middle of a message")?;

    let mut client = visit.client()?;
    client.be_served(&visit.line())?;
    reset_now(client)?;
    the_next_is_served(visit).context("after a reset of an idle connection")
}

/// With this, `close` sends RST instead of FIN, and forgets what is under way. See socket(7).
fn reset_now(client: Client) -> Result<()> {
    set_socket_linger(client.connection(), Some(Duration::ZERO)).context("cannot set the connection up")?;
    client.vanish();
    Ok(())
}

fn the_next_is_served(visit: &Visit) -> Result<()> {
    thread::sleep(DEATH);
    good_client(visit)
}

fn good_client(visit: &Visit) -> Result<()> {
    let mut client = visit.client()?;
    let served = client.be_served(&visit.line());
    client.leave();
    served
}
