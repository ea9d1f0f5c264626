//! Other ways to reach our UDP server than a port of its own, its workers, its account on request, and what the kernel drops.

use std::io::IoSlice;
use std::net::UdpSocket;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::peer::{ask, client, echo, next};
use super::{LONG, each, server, stops_with_account};
use crate::doors::{handing_over, server_at};
use crate::harness::{SOON, Server, eventually, noise, peer, run};

const NAME: &str = "udp-echo-server";

fn asks(client: &UnixDatagram, server: &Path, data: &[u8]) -> Vec<u8> {
    client.set_read_timeout(Some(SOON)).unwrap();
    client.send_to(data, server).unwrap();
    let mut reply = [0; 1000];
    let length = client.recv(&mut reply).unwrap();
    reply[..length].to_vec()
}

#[test]
fn processes_of_one_machine_talk_through_a_file_if_they_have_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let server = server_at(NAME, &path, &[]);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "only for its owner");
    let nameless = UnixDatagram::unbound().unwrap();
    nameless.send_to(b"and off", &path).unwrap();
    let named = UnixDatagram::bind(folder.path().join("client.sock")).unwrap();
    assert_eq!(asks(&named, &path, b"Hello"), b"echo -> Hello");
    assert_eq!(asks(&named, &path, b""), b"echo -> ");
    server.signal("TERM");
    let (status, _, stderr) = server.finish();
    assert!(status.success() && stderr.contains(" does not answer a client: its socket has no name"), "{stderr}");
    assert!(stderr.ends_with("received 3, answered 2, without an address 1\n"), "{stderr}");
    assert!(!path.exists(), "it takes its file with it");
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_in_no_file_system_is_a_name_too() {
    use std::os::linux::net::SocketAddrExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let server = server_at(NAME, &path, &[]);
    let name = format!("e2e-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    assert_eq!(asks(&UnixDatagram::bind_addr(&address).unwrap(), &path, b"Hello"), b"echo -> Hello");
    server.signal("TERM");
    assert!(server.finish().0.success());
}

#[test]
fn a_file_left_behind_is_replaced_but_no_other_and_no_servers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let first = server_at(NAME, &path, &["--unix-mode", "666"]);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o666);
    let text = path.to_str().unwrap();
    run(NAME, &["--unix", text]).failed_with("address already in use");
    // Nor does a server for streams.
    run("tcp-echo-server", &["--unix", text]).failed_with("address already in use");
    let client = UnixDatagram::bind(folder.path().join("client.sock")).unwrap();
    assert_eq!(asks(&client, &path, b"first"), b"echo -> first");
    first.signal("KILL");
    first.finish();
    assert!(path.metadata().unwrap().file_type().is_socket(), "nobody has removed it");
    let second = server_at(NAME, &path, &[]);
    assert_eq!(asks(&client, &path, b"second"), b"echo -> second");
    second.signal("TERM");
    second.finish();
    std::fs::write(&path, "precious").unwrap();
    run(NAME, &["--unix", text]).failed_with("there is a file that is no socket");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_socket_that_was_handed_over_is_used() {
    let Some(python) = peer("python3") else { return };
    for (design, host) in [("simple", "127.0.0.1"), ("simple", ""), ("batch", "127.0.0.1"), ("batch", "")] {
        let socket = format!("s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('{host}', 0))");
        let mut command = handing_over(&python, &socket, NAME);
        command.args(["--design", design, "--host", "192.0.2.1"]);
        let server = Server::ready(NAME, command);
        // A connected client, who hears only whom it asked.
        let asked = if host.is_empty() { "127.0.0.2".to_owned() } else { server.host() };
        run("udp-echo-client", &[&asked, &server.port(), "--timeout", LONG]).printed("echo -> Hello world\n");
        let stderr = server.stops_well();
        assert!(stderr.starts_with(&format!("{NAME}: --host has no effect: a socket was handed over\n")), "{stderr}");
        assert!(stderr.ends_with(&format!("{NAME}: received 1, answered 1\n")), "{stderr}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_socket_that_was_handed_over_may_have_been_told_to_take_trains_whole() {
    let Some(python) = peer("python3") else { return };
    // UDP_GRO, as another server may have left it.
    let socket = "s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0)); s.setsockopt(17, 104, 1)";
    let server = Server::ready(NAME, handing_over(&python, socket, NAME));
    let trains = ["--size", "100", "--train", "8", "--window", "8", "--count", "80", "--timeout", LONG];
    let outcome = run("udp-echo-client", &[&["load", &server.host(), &server.port()], &trains[..]].concat());
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(server.stops_well().ends_with(&format!("{NAME}: received 80, answered 80\n")));
}

#[test]
fn the_account_is_told_on_request_and_at_the_end() {
    for server in each(&[]) {
        let client = client();
        for number in 0..3u8 {
            assert_eq!(ask(&client, server.address, &[number]), echo(&[number]));
        }
        let account = format!("{NAME}: received 3, answered 3\n");
        // The last answer may be here before it is counted.
        eventually("the account", || {
            server.process.signal("USR1");
            server.process.stderr().contains(&account)
        });
        let said = server.stops_well();
        assert!(said.ends_with(&account), "{said}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_receive_buffer_that_is_smaller_than_wanted_is_told() {
    let most = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse::<u64>().unwrap();
    let server = server(&["--receive-buffer", "16MiB"]);
    let (_, _, stderr) = server.stop();
    let told = stderr.contains("the kernel gives the receive buffer ");
    assert_eq!(told, most < 16 << 20, "{stderr}");
    assert!(!told || stderr.contains(", and not 16.0 MiB (net.core.rmem_max)\n"), "{stderr}");
}

/// How many datagrams for the port of this server the kernel has dropped, as its list of sockets has it: see proc(5).
#[cfg(target_os = "linux")]
fn dropped(server: &Server) -> u64 {
    let list = std::fs::read_to_string("/proc/net/udp").unwrap();
    let port = format!(":{:04X}", server.address.port());
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let ours = list.lines().map(words).filter(|words| words[1].ends_with(&port));
    // The kernel gives the list out in pieces, and a socket may stand there twice.
    ours.map(|words| words.last().unwrap().parse::<u64>().unwrap()).max().unwrap_or(0)
}

#[test]
#[cfg(target_os = "linux")]
fn what_the_kernel_drops_is_counted_to_the_last() {
    for server in each(&["--receive-buffer", "64KiB"]) {
        let client = client();
        ask(&client, server.address, b"ready?");
        server.process.stands_still();
        for number in 0..1000u32 {
            client.send_to(&[&number.to_be_bytes()[..], &[0; 1000]].concat(), server.address).unwrap();
        }
        server.process.signal("CONT");
        // Each is answered or dropped. As long as its queue is full the server must not be asked anything else: that would be
        // dropped, too.
        let mut answered = 0;
        client.set_nonblocking(true).unwrap();
        eventually("the fate of each of them", || {
            while client.recv(&mut [0; 2000]).is_ok() {
                answered += 1;
            }
            answered + dropped(&server) == 1000
        });
        let stderr = server.stops_well();
        let account = stderr.lines().last().unwrap();
        let expected = format!("{NAME}: received {0}, answered {0}, kernel drops {1}", answered + 1, 1000 - answered);
        assert!(answered < 1000 && account == expected, "{account}, but {expected}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn datagrams_that_come_glued_together_are_answered_one_by_one() {
    for prefix in ["", "echo -> "] {
        for host in ["127.0.0.1", ""] {
            for server in each(&["--host", host, "--prefix", prefix, "--no-loop-guard"]) {
                let client = client();
                // Fifty of 1,200 bytes, and a shorter one.
                let data = noise(50 * 1200 + 7);
                common::datagrams::sendmsg_cut(&client, &[IoSlice::new(&data)], 1200, &server.address, None).unwrap();
                for part in data.chunks(1200) {
                    let reply = next(&client, server.address);
                    assert!(reply == [prefix.as_bytes(), part].concat(), "{prefix:?} {host:?}: {}", reply.len());
                }
                stops_with_account(server, "received 51, answered 51");
            }
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_datagram_behind_many_short_ones_of_one_length_stays_whole() {
    for prefix in ["", "echo -> "] {
        for server in each(&["--prefix", prefix]) {
            let client = client();
            server.process.stands_still();
            let lengths = [&[10; 20][..], &[3000, 4, 4, 60_000], &[10; 20], &[4, 3000]].concat();
            let datagrams: Vec<Vec<u8>> = lengths.into_iter().map(noise).collect();
            for data in &datagrams {
                client.send_to(data, server.address).unwrap();
            }
            server.process.signal("CONT");
            for data in &datagrams {
                assert!(
                    next(&client, server.address) == [prefix.as_bytes(), data].concat(),
                    "{prefix:?} {}",
                    data.len()
                );
            }
            stops_with_account(server, "received 46, answered 46");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn several_workers_share_the_clients_and_a_second_server_finds_the_port_taken() {
    let server = server(&["--workers", "3"]);
    let clients: Vec<UdpSocket> = (0..50).map(|_| client()).collect();
    // No more at once than the smallest of queues holds: a busy machine may hand them all to one worker before it has its turn.
    for rounds in (0..20u32).collect::<Vec<_>>().chunks(5) {
        for round in rounds {
            for client in &clients {
                client.send_to(&round.to_be_bytes(), server.address).unwrap();
            }
        }
        for round in rounds {
            for client in &clients {
                assert_eq!(next(client, server.address), echo(&round.to_be_bytes()), "in their order");
            }
        }
    }
    for workers in ["1", "3"] {
        let second = run(NAME, &["--host", "127.0.0.1", "--port", &server.port(), "--workers", workers]);
        second.failed_with("address already in use");
    }
    stops_with_account(server, "received 1000, answered 1000");
}
