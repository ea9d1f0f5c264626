//! Many loops at once, whose number must not matter; and honest clients that look a little like one.

use std::net::SocketAddrV4;

use super::{DESIGN, MOST_DATAGRAMS, account, for_each_design, local, number, number_so_far, over_after, server};
use crate::harness::eventually;
use crate::namespace::{forge, inside, ip, packets_on_loopback};
use crate::udp::peer::{ask, client};

/// Once 16 could be told apart; and each takes part of what may be under way in all.
const LOOPS: [usize; 3] = [17, 40, 150];

/// Sends so many datagrams to `to`, all different, that are to go round for ever, in the name of `from`.
fn forge_many(count: usize, from: SocketAddrV4, to: SocketAddrV4) {
    for number in 0..count {
        forge(from, to, format!("{number} of many that are forged").as_bytes());
    }
}

/// Two of our servers at this address, which somebody has talked into talking to each other about many things at once.
fn two_of_ours(host: &str, prefixes: [&str; 2], loops: usize) {
    let [first, second] = [2001, 2002].map(|port| SocketAddrV4::new(host.parse().unwrap(), port));
    let before = packets_on_loopback();
    let servers = [first, second]
        .map(|address| server(host, address.port(), &["--prefix", prefixes[usize::from(address == second)]]));
    forge_many(loops, second, first);
    let datagrams = over_after(&[first.into(), second.into()]) - before;
    let accounts = servers.map(|server| account(server).0);
    let what = format!("{loops} at {host}, {prefixes:?}: {datagrams} datagrams, {accounts:?}");
    assert!(datagrams <= MOST_DATAGRAMS, "{what}");
    let in_a_loop: usize = accounts.iter().map(|account| number(account, "in a loop")).sum();
    assert_eq!(in_a_loop, loops, "{what}");
    assert!(accounts.iter().all(|account| number(account, "over the rate limit") == 0), "{what}");
}

#[test]
fn any_number_of_loops_between_two_of_our_servers_comes_to_an_end() {
    inside(|| {
        for_each_design(|| {
            for loops in LOOPS {
                for prefixes in [[""; 2], ["echo -> "; 2], ["", "echo -> "], ["echo -> ", ""]] {
                    two_of_ours("127.0.0.1", prefixes, loops);
                }
            }
        })
    });
}

#[test]
fn loops_on_a_network_end_long_before_the_rate_limit_bites() {
    inside(|| {
        ip("addr add 192.0.2.1/24 dev lo");
        for_each_design(|| two_of_ours("192.0.2.1", [""; 2], 40));
    });
}

/// Here an answer doesn't tell that all that came before has been dealt with. But each loop ends with a datagram that
/// is not answered.
#[test]
fn many_loops_of_a_server_with_itself_come_to_an_end_whatever_its_workers() {
    inside(|| {
        DESIGN.set("batch");
        let server = server("", 2000, &["--workers", "2", "--prefix", "", "--allow-same-port"]);
        forge_many(40, local(2, 2000), local(1, 2000));
        eventually("the end of all of them", || number_so_far(&server, "in a loop") == 40);
        let account = account(server).0;
        assert!(number(&account, "received") as u64 <= MOST_DATAGRAMS, "{account}");
    });
}

#[test]
fn a_client_that_tries_one_size_after_the_other_is_answered() {
    inside(|| {
        for_each_design(|| {
            for prefix in ["", "echo -> "] {
                let server = server("127.0.0.1", 2000, &["--prefix", prefix]);
                let payloads: [fn(usize) -> Vec<u8>; 3] =
                    [|size| vec![b'x'; size], |size| vec![0; size], |size| (0..size).map(|byte| byte as u8).collect()];
                for payload in payloads {
                    let client = client();
                    for size in (0..400).chain((400..9000).step_by(100)) {
                        let data = payload(size);
                        assert!(ask(&client, server.address, &data) == [prefix.as_bytes(), &data].concat(), "{size}");
                    }
                }
                let expected = 3 * (400 + 86);
                assert_eq!(account(server), (format!("received {expected}, answered {expected}"), Vec::new()));
            }
        })
    });
}
