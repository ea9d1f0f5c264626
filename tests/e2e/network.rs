//! The pairs across a network: two machines, as it were, and a virtual cable between them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::harness::{Process, noise, program, run, run_with_input, without_account, without_prefix};
use crate::namespace::{Neighbour, counter, inside, ip};
use crate::udp::peer::{ask, client_at, echo};

/// The addresses over there, and one that asks them. 192.0.2.0/24 and 2001:db8::/32 are kept for such uses.
const THERE: [&str; 4] = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"];

/// How long our UDP client waits before it sends again: nothing gets lost on this cable, but the machine may be busy.
const LONG: &str = "60s";

/// A neighbour with two addresses of each family.
fn neighbour() -> Neighbour {
    let neighbour = Neighbour::new();
    ip("addr add 192.0.2.9/24 broadcast 192.0.2.255 dev here");
    ip("addr add 2001:db8::9/64 dev here nodad");
    ip("addr add fe80::9/64 dev here nodad");
    neighbour.ip("addr add fe80::1/64 dev there nodad");
    for address in THERE {
        let rest = if address.contains(':') { "/64 dev there nodad" } else { "/24 broadcast 192.0.2.255 dev there" };
        neighbour.ip(&format!("addr add {address}{rest}"));
    }
    neighbour
}

/// One of our servers over there, on every interface and its usual port. It says where it can be reached.
fn server_there(neighbour: &Neighbour, name: &str, options: &[&str]) -> Process {
    let mut command = neighbour.command(&program(name));
    command.args(options);
    let mut server = Process::start(command);
    let address = if options.contains(&"0.0.0.0") { "0.0.0.0:2000" } else { "[::]:2000" };
    assert_eq!(server.line(), format!("{name}: listening on {address}"));
    assert_eq!(server.line(), format!("{name}: every interface; neighbours use 192.0.2.1:2000"));
    server
}

/// Stops it; it must have said this, and nothing else.
#[track_caller]
fn stops_with(server: Process, said: &str) {
    server.signal("TERM");
    let (status, _, stderr) = server.finish();
    assert_eq!((status.code(), without_account(&stderr).as_str()), (Some(0), said));
}

#[test]
fn udp_answers_come_from_the_address_that_was_asked() {
    inside(|| {
        let neighbour = neighbour();
        let server = server_there(&neighbour, "udp-echo-server", &[]);
        for host in THERE.into_iter().chain(["fe80::1%here"]) {
            run("udp-echo-client", &[host, "2000", "to", host, "--timeout", LONG])
                .printed(&format!("echo -> to {host}\n"));
        }
        stops_with(server, "udp-echo-server: received 5, answered 5\n");
    });
}

#[test]
fn a_datagram_larger_than_a_packet_comes_back_whole() {
    inside(|| {
        let neighbour = neighbour();
        let server = server_there(&neighbour, "udp-echo-server", &[]);
        for (here, there) in [("192.0.2.9", "192.0.2.2"), ("2001:db8::9", "2001:db8::2")] {
            let client = client_at((here.parse::<IpAddr>().unwrap(), 0));
            let there = SocketAddr::new(there.parse().unwrap(), 2000);
            for size in [1472, 1473, 10_000] {
                assert!(ask(&client, there, &noise(size)) == echo(&noise(size)), "{size} bytes to {there}");
            }
        }
        // It did go in pieces: 2 for 1,473 bytes, and 7 for 10,000.
        assert_eq!(counter("Ip", "FragCreates"), 9);
        stops_with(server, "udp-echo-server: received 6, answered 6\n");
    });
}

/// Linux gives an IPv6 socket the broadcasts of IPv4, but not its multicasts; so there is a server for IPv4 alone as well.
#[test]
fn a_datagram_to_many_is_not_answered() {
    inside(|| {
        let neighbour = neighbour();
        for (host, multicast) in
            [("", format!("[ff02::1%{}]:2000", index_here())), ("0.0.0.0", "224.0.0.1:2000".into())]
        {
            let server = server_there(&neighbour, "udp-echo-server", &["--host", host]);
            let client = client_at((Ipv4Addr::new(192, 0, 2, 9), 0));
            client.set_broadcast(true).unwrap();
            let multicast: SocketAddr = multicast.parse().unwrap();
            let multicaster =
                if multicast.is_ipv6() { client_at((Ipv6Addr::UNSPECIFIED, 0)) } else { client.try_clone().unwrap() };
            for _ in 0..2 {
                client.send_to(b"anybody?", "192.0.2.255:2000").unwrap();
                client.send_to(b"anybody?", "255.255.255.255:2000").unwrap();
                multicaster.send_to(b"anybody?", multicast).unwrap();
            }
            run("udp-echo-client", &["192.0.2.1", "2000", "--timeout", LONG]).printed("echo -> Hello world\n");
            server.signal("TERM");
            let (_, _, stderr) = server.finish();
            let [first, account] = stderr.lines().collect::<Vec<_>>()[..] else { panic!("{stderr}") };
            assert!(first.contains(": it asked a broadcast or multicast address (said once"), "{stderr}");
            assert_eq!(account, "udp-echo-server: received 7, answered 1, to many 6");
        }
    });
}

/// The number of our end of the cable, which says on which link a link-local IPv6 address is meant.
fn index_here() -> u32 {
    let interfaces = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
    let here = interfaces.lines().find(|line| line.ends_with(" here")).unwrap();
    u32::from_str_radix(here.split(' ').nth(1).unwrap(), 16).unwrap()
}

/// The kernel tells of a missing machine only whoever asks for it (IP_RECVERR); of a missing way it tells at once.
#[test]
fn a_network_without_a_way_is_told_apart_from_an_address_without_a_machine() {
    inside(|| {
        let _neighbour = neighbour();
        let options = ["2000", "x", "--timeout", "50ms", "--retries", "1"];
        let ask = |host| run("udp-echo-client", &[&[host], &options[..]].concat());
        ask("198.51.100.1").failed_with("cannot reach 198.51.100.1:2000: network is unreachable");
        ask("192.0.2.77").failed_with("cannot get a reply from 192.0.2.77:2000: silent after 2 datagrams");
    });
}

#[test]
fn the_tcp_pair_across_the_network() {
    inside(|| {
        let neighbour = neighbour();
        let server = server_there(&neighbour, "tcp-echo-server", &[]);
        for host in THERE.into_iter().chain(["fe80::1%here"]) {
            run("tcp-echo-client", &[host, "2000", "to", host]).printed(&format!("echo -> to {host}\n"));
        }
        let payload = noise(8 << 20);
        let reply = run_with_input("tcp-echo-client", &["192.0.2.1", "2000", "-"], &payload);
        assert_eq!((reply.stderr.as_str(), reply.status.code()), ("", Some(0)));
        assert!(without_prefix(&reply.stdout) == payload);
        stops_with(server, "");
    });
}

/// The neighbour's answers stop half way: it is gone, cable and all.
#[test]
fn a_neighbour_that_is_gone_is_told_and_nothing_hangs() {
    inside(|| {
        let neighbour = neighbour();
        let server = server_there(&neighbour, "udp-echo-server", &[]);
        run("udp-echo-client", &["192.0.2.1", "2000"]).printed("echo -> Hello world\n");
        neighbour.ip("link set there down");
        let outcome = run("udp-echo-client", &["192.0.2.1", "2000", "x", "--timeout", "50ms", "--retries", "1"]);
        assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
        neighbour.ip("link set there up");
        let again = ["192.0.2.1", "2000", "again", "--timeout", "100ms", "--retries", "10"];
        run("udp-echo-client", &again).printed("echo -> again\n");
        server.signal("TERM");
        assert!(server.finish().0.success());
    });
}
