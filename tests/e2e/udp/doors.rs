//! What our UDP server does with a socket that it was handed, with large datagrams through a file, and with few
//! descriptors.

use std::os::unix::net::UnixDatagram;

use rustix::net::sockopt::set_socket_send_buffer_size;

use super::peer::{ask, client, echo};
use crate::doors::{handing_over, server_at};
use crate::harness::{Process, SOON, Server, command, noise, peer, program, run, run_command};

const NAME: &str = "udp-echo-server";
const DATAGRAM: &str = "s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))";

#[test]
fn what_was_handed_over_and_can_not_serve_is_refused() {
    let Some(python) = peer("python3") else { return };
    let connected = format!("{DATAGRAM}; s.connect(('127.0.0.1', 9))");
    for (socket, why) in [
        ("s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()", "it is no UDP or Unix datagram socket"),
        ("s = socket.socket(type=socket.SOCK_DGRAM)", "it is not bound to an address"),
        ("s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)", "it is not bound to an address"),
        (&*connected, "it is connected, and hears only whom it is connected to"),
    ] {
        let outcome = run_command(handing_over(&python, socket, NAME), b"");
        outcome.failed_with(&format!("cannot use the socket that was handed over: {why}"));
        assert_eq!(outcome.text(), "", "not ready");
    }
    let two = format!("{DATAGRAM}; os.dup2(s.fileno(), 4); fds = 2");
    let outcome = run_command(handing_over(&python, &two, NAME), b"");
    outcome.failed_with("cannot use the sockets that were handed over: there are 2, and a server has one");
}

#[test]
fn what_has_no_effect_on_a_socket_that_was_handed_over_is_told_and_not_done() {
    let Some(python) = peer("python3") else { return };
    let folder = tempfile::tempdir().unwrap();
    let [deserted, alive] = ["deserted", "alive"].map(|name| folder.path().join(name));
    drop(UnixDatagram::bind(&deserted).unwrap());
    let _alive = UnixDatagram::bind(&alive).unwrap();
    let [deserted, alive] = [&deserted, &alive].map(|path| path.to_str().unwrap());
    for options in [
        &["--host", "192.0.2.1", "--port", "7", "--workers", "2", "--receive-buffer", "1KiB"][..],
        &["--unix", deserted, "--unix-mode", "666"],
        &["--unix", alive],
    ] {
        let mut command = handing_over(&python, DATAGRAM, NAME);
        command.args(options);
        let server = Server::ready(NAME, command);
        assert_eq!(ask(&client(), server.address, b"Hello"), echo(b"Hello"));
        let stderr = server.stops_well();
        for option in options.iter().filter(|option| option.starts_with("--")) {
            let told = format!("{NAME}: {option} has no effect: a socket was handed over\n");
            assert_eq!(stderr.matches(&told).count(), 1, "{stderr}");
        }
        assert!(!stderr.contains(" --port has ") || options.contains(&"--port"), "{stderr}");
        assert!([deserted, alive].iter().all(|path| std::fs::exists(path).unwrap()), "{options:?}");
    }
}

#[test]
fn what_has_no_effect_on_one_in_the_file_system_is_told_too() {
    let Some(python) = peer("python3") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let socket = format!("s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('{}')", path.display());
    let mut options = vec!["--rate-limit 5", "--allow-same-port", "--allow-low-ports"];
    if cfg!(target_os = "linux") {
        options.push("--design batch");
    }
    let mut command = handing_over(&python, &socket, NAME);
    command.args(options.iter().flat_map(|option| option.split(' ')));
    let mut server = Process::start(command);
    for ready in [format!("{NAME}: listening on unix:{}", path.display()), format!("{NAME}: this machine only")] {
        assert_eq!(server.line(), ready);
    }
    server.signal("TERM");
    let (status, _, stderr) = server.finish();
    assert!(status.success(), "{stderr}");
    for option in options {
        let option = option.trim_end_matches(" 5");
        let told = format!("{NAME}: {option} has no effect: the socket that was handed over is in the file system\n");
        assert_eq!(stderr.matches(&told).count(), 1, "{stderr}");
    }
}

#[test]
fn a_small_receive_buffer_of_a_socket_that_was_handed_over_is_told() {
    let Some(python) = peer("python3") else { return };
    let small = format!("{DATAGRAM}; s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)");
    let stderr = Server::ready(NAME, handing_over(&python, &small, NAME)).stops_well();
    assert!(stderr.contains(" has 64.0 KiB, and not 4.0 MiB (ReceiveBuffer= of systemd)\n"), "{stderr}");
}

#[test]
fn a_datagram_larger_than_the_internets_comes_back_whole_through_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for fault in [&[][..], &["--delay", "1ms"]] {
        let path = folder.path().join("echo.sock");
        let server = server_at(NAME, &path, fault);
        let client = UnixDatagram::bind(folder.path().join("client.sock")).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        let mebibyte = 1024 * 1024;
        set_socket_send_buffer_size(&client, 2 * mebibyte).unwrap();
        let mut reply = vec![0; 2 * mebibyte];
        // As much as both buffers let one send.
        let mut sizes = vec![2000];
        if cfg!(target_os = "linux") {
            // The kernel gives twice what is asked for, and keeps 32 bytes.
            let most = std::fs::read_to_string("/proc/sys/net/core/wmem_max").unwrap().trim().parse::<usize>().unwrap();
            let room = (2 * most - 32 - echo(b"").len()).min(mebibyte);
            sizes.extend([65_535, 65_536, 150_000, 230_000, room].into_iter().filter(|size| *size <= room));
        }
        for size in sizes {
            client.send_to(&noise(size), &path).unwrap();
            let length = client.recv(&mut reply).unwrap();
            assert!(reply[..length] == echo(&noise(size)), "{length} for {size}");
        }
        std::fs::remove_file(folder.path().join("client.sock")).unwrap();
        server.signal("TERM");
        assert!(server.finish().0.success());
    }
}

#[test]
fn an_address_of_many_is_not_listened_on() {
    for host in ["224.0.0.1", "255.255.255.255", "127.255.255.255", "ff02::1"] {
        let outcome = run(NAME, &["--host", host, "--port", "0"]);
        outcome.failed_with(": a datagram to a broadcast or multicast address is not answered");
        assert_eq!(outcome.text(), "");
    }
}

/// The server, with this limit on its descriptors.
#[cfg(target_os = "linux")]
fn limited(limit: &str, workers: &str) -> std::process::Command {
    let mut limited = command("sh");
    limited.args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh"]).arg(program(NAME));
    limited.args(["--host", "127.0.0.1", "--port", "0", "--workers", workers]);
    limited
}

#[test]
#[cfg(target_os = "linux")]
fn the_limit_on_descriptors_is_raised_and_one_that_is_too_low_is_told_before_the_server_is_ready() {
    let server = Server::ready(NAME, limited("-Sn 32", "60"));
    assert_eq!(ask(&client(), server.address, b"Hello"), echo(b"Hello"));
    server.stops_well();
    let outcome = run_command(limited("-n 32", "60"), b"");
    outcome.failed_with("too many open files");
    assert!(outcome.stderr.contains("\nhint: ") && outcome.text().is_empty(), "{outcome:?}");
}
