//! What could make an echo server talk for ever, or to somebody who never asked. Each test has a network of its own.
//!
//! Here are the loops: other servers that answer everything. `senders.rs` has those who are not answered even once, `load.rs`
//! floods, and the honest.

mod load;
mod many;
mod senders;

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::check::Theirs;
use crate::harness::{Server, command, eventually, noise, peer, program, run};
use crate::namespace::{counter, forge, inside, packets_on_loopback};
use crate::udp::peer::{Peer, ask, client};

/// What is forged in each test: two short ones, an empty one, a large one, and one that looks like a reply.
const FORGED: usize = 5;
/// So many datagrams may be under way because of them, and then it has to be over.
const MOST_DATAGRAMS: u64 = 1000;

thread_local! {
    /// The design of the servers that are started from now on.
    static DESIGN: Cell<&'static str> = const { Cell::new("simple") };
}

/// Does it with servers of each design.
fn for_each_design(body: impl Fn()) {
    for design in ["simple", "batch"] {
        DESIGN.set(design);
        body();
    }
}

/// 127.0.0.`last`.
fn local(last: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), port)
}

/// Our server on a certain port, of every interface if `host` is empty.
fn server(host: &str, port: u16, options: &[&str]) -> Server {
    let mut command = command(program("udp-echo-server"));
    command.args(["--design", DESIGN.get(), "--host", host, "--port", &port.to_string()]).args(options);
    Server::ready("udp-echo-server", command)
}

/// Stops it, and returns its account and the lines before it.
fn account(server: Server) -> (String, Vec<String>) {
    let stderr = server.stops_well();
    let mut lines: Vec<String> = stderr.lines().map(str::to_owned).collect();
    let account = lines.pop().unwrap_or_default();
    (account.trim_start_matches("udp-echo-server: ").to_owned(), lines)
}

/// A number of an account.
fn number(account: &str, what: &str) -> usize {
    let part = account.split(", ").find_map(|part| part.strip_prefix(what)?.strip_prefix(' '));
    part.map_or(0, |number| number.parse().unwrap())
}

/// A number of the account that a server gives on request, which is the last whole line that it has said by now.
fn number_so_far(server: &Server, what: &str) -> usize {
    server.process.signal("USR1");
    let said = server.process.stderr();
    // Of the last line, perhaps only the beginning has been read.
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
    number(whole.lines().last().unwrap_or_default(), what)
}

/// Sends to `to` what is to go round for ever, in the name of `from`.
fn forge_five(from: SocketAddrV4, to: SocketAddrV4) {
    let large = noise(1400);
    let forged: [&[u8]; FORGED] = [b"", b"x", b"Hello world", &large, b"echo -> echo -> "];
    for data in forged {
        forge(from, to, data);
    }
}

/// Waits until nothing goes round between these servers any more, and returns how many datagrams it took. Panics if they
/// don't come to an end.
///
/// No time tells that. But who answers a question has dealt with all that came before it: if each server is asked in turn
/// and nothing was sent but questions and answers, then nothing is under way.
fn over_after(servers: &[SocketAddr]) -> u64 {
    let client = client();
    let asked_each_time = 2 * servers.len() as u64;
    let arrived = || counter("Udp", "InDatagrams");
    let (mut before, mut arrived_before) = (packets_on_loopback(), arrived());
    for round in 1..MOST_DATAGRAMS {
        for server in servers {
            ask(&client, *server, format!("question {round}").as_bytes());
        }
        let now = packets_on_loopback();
        if now - before == asked_each_time && arrived() - arrived_before == asked_each_time {
            return now - round * asked_each_time;
        }
        (before, arrived_before) = (now, arrived());
    }
    panic!("still going on after {before} datagrams");
}

/// Two of our servers, which somebody has talked into talking to each other.
fn two_of_ours(hosts: [&str; 2], ports: [u16; 2], prefixes: [&str; 2], options: &[&str]) {
    let (first, second) = (local(1, ports[0]), local(if ports[0] == ports[1] { 2 } else { 1 }, ports[1]));
    let before = packets_on_loopback();
    let servers = [0, 1].map(|i| server(hosts[i], ports[i], &[&["--prefix", prefixes[i]], options].concat()));
    forge_five(second, first);
    let datagrams = over_after(&[first.into(), second.into()]) - before;
    let accounts = servers.map(|server| account(server).0);
    let what = format!("{hosts:?}, {prefixes:?}: {datagrams} datagrams, {accounts:?}");
    assert!(datagrams <= MOST_DATAGRAMS, "{what}");
    // It was a loop, and it was recognised.
    assert!(datagrams > 20 && accounts.iter().any(|account| number(account, "in a loop") > 0), "{what}");
}

#[test]
fn two_of_our_servers_come_to_an_end() {
    inside(|| {
        for_each_design(|| {
            let here = ["127.0.0.1"; 2];
            for hosts in [here, [""; 2], ["127.0.0.1", ""]] {
                for prefixes in [["echo -> "; 2], [""; 2], ["", "echo -> "], ["echo -> ", ""], ["a ", "b "], ["a", "a"]]
                {
                    two_of_ours(hosts, [2001, 2002], prefixes, &[]);
                }
            }
        })
    });
}

/// Here an answer doesn't tell that all that came before has been dealt with: another worker may have got it. But each of the
/// five ends with a datagram that one of the two does not answer.
#[test]
fn two_of_our_servers_with_several_workers_come_to_an_end() {
    inside(|| {
        DESIGN.set("batch");
        let servers = [2001, 2002].map(|port| server("127.0.0.1", port, &["--workers", "3"]));
        forge_five(local(1, 2002), local(1, 2001));
        eventually("the end of all five", || {
            servers.iter().map(|server| number_so_far(server, "in a loop")).sum::<usize>() == FORGED
        });
        let received: usize = servers.map(|server| number(&account(server).0, "received")).iter().sum();
        assert!(received as u64 <= MOST_DATAGRAMS, "{received}");
    });
}

#[test]
fn two_of_our_servers_on_the_same_port_come_to_an_end() {
    inside(|| {
        for_each_design(|| {
            two_of_ours(["127.0.0.1", "127.0.0.2"], [2000, 2000], ["echo -> "; 2], &["--allow-same-port"])
        })
    });
}

#[test]
fn a_server_that_is_allowed_to_answer_itself_by_another_address_comes_to_an_end() {
    inside(|| {
        for_each_design(|| {
            let before = packets_on_loopback();
            let server = server("", 2000, &["--allow-same-port"]);
            forge_five(local(2, 2000), local(1, 2000));
            let datagrams = over_after(&[local(1, 2000).into()]) - before;
            let account = account(server).0;
            assert!(datagrams <= MOST_DATAGRAMS && number(&account, "in a loop") > 0, "{datagrams}: {account}");
        })
    });
}

#[test]
fn a_plain_echo_server_comes_to_an_end_whatever_it_cuts_off() {
    inside(|| {
        for_each_design(|| {
            for prefix in ["echo -> ", "", "e"] {
                for most_bytes in [1024, 65_535, 10] {
                    with_somebody_elses(prefix, most_bytes, |_, data| vec![data.to_vec()]);
                    with_somebody_elses(prefix, most_bytes, |_, data| vec![data.to_ascii_uppercase()]);
                }
            }
        })
    });
}

/// Here no answer tells that it is over: the other server may have a process for each client. But a loop that goes on shows
/// between any two of a hundred questions.
#[test]
fn other_peoples_echo_servers_come_to_an_end() {
    inside(|| {
        let others: [(&str, &[&str]); 2] = [
            ("socat", &["UDP4-LISTEN:2002,bind=127.0.0.1,fork", "PIPE"]),
            ("ncat", &["-u", "-l", "-k", "-e", "/bin/cat", "127.0.0.1", "2002"]),
        ];
        for (name, arguments) in others {
            let Some(path) = peer(name) else { continue };
            let mut theirs = command(path);
            theirs.args(arguments);
            let theirs = Theirs::started(theirs);
            eventually("their first answer", || run("udp-echo-client", &["127.0.0.1", "2002"]).status.success());
            let client = client();
            for_each_design(|| {
                let before = packets_on_loopback();
                let ours = server("127.0.0.1", 2001, &[]);
                forge_five(local(1, 2002), local(1, 2001));
                eventually("our server's word", || {
                    ours.process.stderr().contains("it sends back what it was sent, again and again")
                });
                let (mut quiet, mut asked) = (0, 0);
                let mut packets = packets_on_loopback();
                while quiet < 100 {
                    ask(&client, ours.address, format!("question {asked}").as_bytes());
                    asked += 1;
                    let now = packets_on_loopback();
                    quiet = if now - packets == 2 { quiet + 1 } else { 0 };
                    packets = now;
                    assert!(packets - before - 2 * asked <= MOST_DATAGRAMS, "{name}");
                }
                account(ours);
            });
            drop(theirs);
        }
    });
}

#[test]
fn a_server_that_always_says_the_same_comes_to_an_end() {
    inside(|| {
        for_each_design(|| {
            for (prefix, said) in
                [("echo -> ", "what?"), ("", "what?"), ("echo -> ", ""), ("", "The quick brown fox jumps.")]
            {
                with_somebody_elses(prefix, 1024, |_, _| vec![said.into()]);
            }
        })
    });
}

/// Our server and another one, which somebody has talked into talking to each other.
fn with_somebody_elses(
    prefix: &str,
    most_bytes: usize,
    answer: impl FnMut(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
) {
    let before = packets_on_loopback();
    let ours = server("127.0.0.1", 2001, &["--prefix", prefix]);
    let theirs = Peer::bound_to(local(1, 2002).into(), most_bytes, answer);
    forge_five(local(1, 2002), local(1, 2001));
    let datagrams = over_after(&[ours.address, theirs.address]) - before;
    let account = account(ours).0;
    let what = format!("{prefix:?}, {most_bytes}: {datagrams} datagrams, {account}");
    assert!(datagrams <= MOST_DATAGRAMS && number(&account, "in a loop") > 0, "{what}");
    drop(theirs);
}
