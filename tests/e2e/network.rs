//! The pairs across a network: two machines, as it were, and a virtual cable between them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::harness::{Process, noise, program, run, run_with_input, skip, without_account, without_prefix};
use crate::namespace::{Neighbour, counter, inside, ip};
use crate::udp::peer::{ask, client_at, echo, next};

/// The addresses over there, and one that asks them. 192.0.2.0/24 and 2001:db8::/32 are kept for such uses.
const THERE: [&str; 4] = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"];

/// The ways of our UDP server to answer.
const DESIGNS: [&str; 2] = ["simple", "batch"];
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
        for design in DESIGNS {
            let server = server_there(&neighbour, "udp-echo-server", &["--design", design]);
            for host in THERE.into_iter().chain(["fe80::1%here"]) {
                run("udp-echo-client", &[host, "2000", "to", host, "--timeout", LONG])
                    .printed(&format!("echo -> to {host}\n"));
            }
            stops_with(server, "udp-echo-server: received 5, answered 5\n");
        }
    });
}

#[test]
fn a_datagram_larger_than_a_packet_comes_back_whole() {
    inside(|| {
        let neighbour = neighbour();
        for design in DESIGNS {
            let in_pieces = counter("Ip", "FragCreates");
            let server = server_there(&neighbour, "udp-echo-server", &["--design", design]);
            for (here, there) in [("192.0.2.9", "192.0.2.2"), ("2001:db8::9", "2001:db8::2")] {
                let client = client_at((here.parse::<IpAddr>().unwrap(), 0));
                let there = SocketAddr::new(there.parse().unwrap(), 2000);
                for size in [1472, 1473, 10_000] {
                    assert!(ask(&client, there, &noise(size)) == echo(&noise(size)), "{size} bytes to {there}");
                }
            }
            // It did go in pieces: 2 for 1,473 bytes, and 7 for 10,000.
            assert_eq!(counter("Ip", "FragCreates") - in_pieces, 9);
            stops_with(server, "udp-echo-server: received 6, answered 6\n");
        }
    });
}

/// Linux gives an IPv6 socket the broadcasts of IPv4, but not its multicasts; so there is a server for IPv4 alone as well.
#[test]
fn a_datagram_to_many_is_not_answered() {
    inside(|| {
        let neighbour = neighbour();
        let everywhere = [("", format!("[ff02::1%{}]:2000", index_here())), ("0.0.0.0", "224.0.0.1:2000".into())];
        for (design, (host, multicast)) in
            DESIGNS.into_iter().flat_map(|design| everywhere.clone().map(|to| (design, to)))
        {
            let server = server_there(&neighbour, "udp-echo-server", &["--host", host, "--design", design]);
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
            let stderr = without_account(&stderr);
            let [first, account] = stderr.lines().collect::<Vec<_>>()[..] else { panic!("{stderr}") };
            assert!(first.contains(": it asked a broadcast or multicast address (said once"), "{stderr}");
            assert_eq!(account, "udp-echo-server: received 7, answered 1, to many 6");
        }
    });
}

#[test]
fn the_broadcast_address_of_a_network_is_not_listened_on() {
    inside(|| {
        let _neighbour = neighbour();
        let listen = |host| run("udp-echo-server", &["--host", host]);
        listen("192.0.2.255").failed_with(": a datagram to a broadcast or multicast address is not answered");
        ip("addr add 198.51.100.3/31 dev here");
        let mut command = crate::harness::command(program("udp-echo-server"));
        command.args(["--host", "198.51.100.3"]);
        crate::harness::Server::ready("udp-echo-server", command).stops_well();
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
        // For so long the kernel asks who has the address, three times, before it says that nobody has.
        ip("ntable change name arp_cache dev here retrans 60000");
        let options = ["2000", "x", "--timeout", "50ms", "--retries", "1"];
        let ask = |host| run("udp-echo-client", &[&[host], &options[..]].concat());
        ask("198.51.100.1").failed_with("cannot reach 198.51.100.1:2000: network is unreachable");
        for measurement in [&["ping"][..], &["load"], &["load", "--find-rate"]] {
            let outcome = run("udp-echo-client", &[measurement, &["198.51.100.1", "2000", "--json"]].concat());
            let report: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
            assert_eq!(report["errors"]["unreachable"], 1, "{report}");
            assert_eq!(report["causes"][0]["cause"], "network is unreachable", "{report}");
        }
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

/// What the kernel is to cut must fit into a packet of this network; what doesn't leaves by itself, in fragments.
#[test]
fn a_burst_comes_back_whole_whatever_the_network_carries() {
    inside(|| {
        let neighbour = neighbour();
        for mtu in [1500, 1280] {
            ip(&format!("link set here mtu {mtu}"));
            neighbour.ip(&format!("link set there mtu {mtu}"));
            for design in DESIGNS {
                let server = server_there(&neighbour, "udp-echo-server", &["--design", design]);
                for (here, there) in [("192.0.2.9", "192.0.2.2"), ("2001:db8::9", "2001:db8::2")] {
                    let client = client_at((here.parse::<IpAddr>().unwrap(), 0));
                    let there = SocketAddr::new(there.parse().unwrap(), 2000);
                    for size in [64, 1212, 1220, 1232, 1240, 1400, 1444, 1452, 1472, 2000] {
                        let datagram = |number: u8| [&[number][..], &noise(size)].concat();
                        for number in 0..20 {
                            client.send_to(&datagram(number), there).unwrap();
                        }
                        for number in 0..20 {
                            assert!(next(&client, there) == echo(&datagram(number)), "{size} bytes, {mtu}, {there}");
                        }
                    }
                }
                stops_with(server, "udp-echo-server: received 400, answered 400\n");
            }
        }
    });
}

/// A network that is slower than the server: what waits to be sent takes more room than a socket has.
#[test]
fn a_slow_network_makes_the_server_wait_and_loses_nothing() {
    inside(|| {
        let neighbour = neighbour();
        let slow = "qdisc add dev there root tbf rate 40mbit burst 16kb limit 64mb";
        if !neighbour.command(Path::new("tc")).args(slow.split(' ')).status().is_ok_and(|status| status.success()) {
            return skip("there is no tc, or it can't make a network slow");
        }
        for design in DESIGNS {
            let server = server_there(&neighbour, "udp-echo-server", &["--design", design]);
            let client = client_at((Ipv4Addr::new(192, 0, 2, 9), 0));
            let there = "192.0.2.1:2000".parse().unwrap();
            let datagram = |number: u32| [&number.to_be_bytes()[..], &[b'.'; 1400]].concat();
            // Ten times as much as a socket has room for, of which some is under way at any time.
            const AT_ONCE: u32 = 80;
            for number in 0..1000 {
                client.send_to(&datagram(number), there).unwrap();
                if let Some(answered) = number.checked_sub(AT_ONCE) {
                    assert!(next(&client, there) == echo(&datagram(answered)), "{answered}");
                }
            }
            for number in 1000 - AT_ONCE..1000 {
                assert!(next(&client, there) == echo(&datagram(number)), "{number}");
            }
            stops_with(server, "udp-echo-server: received 1000, answered 1000\n");
        }
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
