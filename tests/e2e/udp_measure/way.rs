//! What a measurement says of the way there: what does not fit, what nobody has, the marks that arrive, and which of two
//! addresses is measured.

use crate::harness::{Server, run};

/// A server at 192.0.2.1 port 2000, behind a cable that takes 1,500 bytes at a time.
fn server_next_door() -> (crate::namespace::Neighbour, crate::harness::Process) {
    let neighbour = crate::namespace::Neighbour::new();
    crate::namespace::ip("addr add 192.0.2.9/24 dev here");
    neighbour.ip("addr add 192.0.2.1/24 dev there");
    let mut server = neighbour.command(&crate::harness::program("udp-echo-server"));
    server.args(["--prefix", ""]);
    let mut server = crate::harness::Process::start(server);
    server.line();
    (neighbour, server)
}

#[test]
fn a_datagram_that_must_not_be_cut_is_not_sent_where_it_does_not_fit() {
    use crate::namespace::inside;
    inside(|| {
        let (_neighbour, _server) = server_next_door();
        let ping = |more: &[&str]| {
            let arguments =
                ["ping", "192.0.2.1", "2000", "--count", "2", "--interval", "1ms", "--timeout", "60s", "--prefix", ""];
            run("udp-echo-client", &[&arguments[..], more].concat())
        };
        let fits = ping(&["--size", "1472", "--df"]);
        assert!(fits.text().contains("\n2 sent, 2 received, "), "{fits:?}");
        let too_large = ping(&["--size", "1473", "--df"]);
        let line =
            "seq=1 not sent: message too long: at most 1500 bytes with all headers go to 192.0.2.1:2000 at once\n";
        assert!(too_large.text().contains(line), "{too_large:?}");
        assert!(too_large.text().contains(
            "\n2 sent, 0 received, 0 lost, 2 not sent for an error (100.0 % without a right reply in time), "
        ));
        // In fragments it gets there.
        let cut = ping(&["--size", "1473"]);
        assert!(cut.text().contains("\n2 sent, 2 received, "), "{cut:?}");
    });
}

/// On such a way, what `load` says of it, and what a search does; and then an address that nobody has.
#[test]
fn what_does_not_get_there_is_told_with_its_cause() {
    use crate::namespace::inside;
    inside(|| {
        let (_neighbour, _server) = server_next_door();
        let load = |more: &[&str]| {
            let arguments = ["load", "192.0.2.1", "2000", "--count", "20", "--timeout", "60s", "--prefix", ""];
            run("udp-echo-client", &[&arguments[..], more].concat())
        };
        assert!(load(&["--size", "1472", "--df"]).text().contains("\n20 sent, 20 received, "));
        let causes =
            "\nerrors         20 other\ncauses         20 message too long: at most 1500 bytes with all headers";
        let too_large = load(&["--size", "1473", "--df"]);
        assert!(too_large.text().contains(causes), "{too_large:?}");
        assert!(too_large.stderr.contains("\nhint: choose a smaller --size, or leave out --df\n"), "{too_large:?}");
        let train = load(&["--size", "1600", "--train", "20"]);
        assert!(train.text().contains("\nerrors         20 other\ncauses         20 "), "{train:?}");
        assert!(train.stderr.contains("\nhint: choose a smaller --size: the datagrams of a train "), "{train:?}");
        let search = run("udp-echo-client", &["load", "192.0.2.1", "2000", "--size", "1473", "--df", "--find-rate"]);
        assert!(
            search.stderr.starts_with("udp-echo-client: cannot reach 192.0.2.1:2000: message too long"),
            "{search:?}"
        );
        assert_eq!(search.text().matches("tried ").count(), 1, "{search:?}");

        // To find that out takes the kernel three seconds: in the meantime they have timed out.
        let ping = ["ping", "192.0.2.77", "--count", "3", "--interval", "1ms", "--timeout", "2500ms"];
        let nobody = run("udp-echo-client", &ping);
        assert!(
            nobody.text().contains("\nerrors         3 unreachable\ncauses         3 no route to host\n"),
            "{nobody:?}"
        );
    });
}

/// The code point is in the upper six bits of what the receiver is told of the byte in the header.
#[test]
fn the_mark_of_a_datagram_arrives() {
    use crate::harness::{Process, command, peer};
    let Some(python) = peer("python3") else { return };
    const SERVER: &str = "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
s.bind(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
while True:
    data, told, _, client = s.recvmsg(2000, 100)
    s.sendto(data, client)
    print(told[0][2][0], flush=True)";
    let mut server = command(python);
    server.args(["-c", SERVER]);
    let mut server = Process::start(server);
    let port = server.line();
    for (measurement, code_point, byte) in [("ping", "46", "184"), ("load", "0", "0"), ("load", "63", "252")] {
        let run = run(
            "udp-echo-client",
            &[measurement, "127.0.0.1", &port, "--count", "1", "--timeout", "60s", "--dscp", code_point],
        );
        assert!(run.status.success(), "{run:?}");
        assert_eq!(server.line(), byte);
    }
}

/// That is nothing to be said of the server, and so there is no report, whether it is the only run or the first of a search.
#[test]
fn a_socket_that_breaks_ends_a_search_as_it_ends_a_load() {
    let server = Server::start("udp-echo-server", &[]);
    let folder = tempfile::tempdir().unwrap();
    for search in [None, Some("--find-rate")] {
        let log = folder.path().join("strace");
        let broken = ("recvmmsg", 1);
        let Some(mut load) = crate::trace::strace::failing("udp-echo-client", broken, "EBADF", &log) else { return };
        load.args(["load", &server.host(), &server.port(), "--json"]).args(search);
        let outcome = crate::harness::run_command(load, b"");
        assert_eq!((outcome.status.code(), outcome.text().as_str()), (Some(1), ""), "{outcome:?}");
        assert!(outcome.stderr.contains(": cannot receive: "), "{outcome:?}");
    }
}

/// What is answered by the wrong server is not answered by the right one, and does not end the search for it.
#[test]
fn of_a_name_with_two_addresses_the_one_that_answers_is_measured() {
    use crate::namespace::{hosts, inside};
    inside(|| {
        hosts("::1 both.test\n127.0.0.1 both.test\n");
        let server = Server::start("udp-echo-server", &[]);
        let port = server.port();
        let ping = run("udp-echo-client", &["ping", "both.test", &port, "--count", "1", "--timeout", "60s"]);
        assert!(ping.text().starts_with(&format!("PING both.test (127.0.0.1:{port}): 64 bytes\n")), "{ping:?}");
        let (_, _, stderr) = server.stop();
        // One more, by which it was found.
        assert_eq!(stderr, "udp-echo-server: received 2, answered 2\n");
        let nobody = run("udp-echo-client", &["ping", "both.test", &port]);
        let each = format!("[::1]:{port}: connection refused; 127.0.0.1:{port}: connection refused");
        nobody.failed_with(&format!("cannot reach both.test:{port}: {each}"));
    });
}
