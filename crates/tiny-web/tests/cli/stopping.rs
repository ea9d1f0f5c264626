//! When the server has had enough: of a client that is too slow, or altogether.

use crate::harness::Server;

#[test]
fn a_head_that_does_not_arrive_in_time_gets_408() {
    let server = Server::start(&["--head-timeout", "100ms"]);
    for sent in ["G", "GET / HTTP/1.1\r\nHost: a\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc"] {
        let mut client = server.connect();
        client.send(sent);
        let reply = client.reply();
        assert_eq!((reply.status, reply.field("Connection")), (408, Some("close")), "{sent}");
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let server = Server::start(&["--idle-timeout", "500ms"]);
    let mut never_used = server.connect();
    assert_eq!(never_used.rest(), b"");
    let mut used_once = server.connect();
    used_once.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(used_once.reply().status, 200);
    assert_eq!(used_once.rest(), b"");
}

#[test]
fn one_connection_too_many_waits_for_its_turn() {
    let server = Server::start(&["--max-connections", "1"]);
    let mut first = server.connect();
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
    first.send(&format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{head}"));
    assert_eq!(first.reply().status, 200);
    let mut second = server.connect();
    second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    first.send("hello");
    assert_eq!(first.reply().status, 200, "whose head is whole does not give way");
    assert_eq!(second.reply().status, 200);
}

#[test]
fn an_unfinished_head_gives_way_to_who_waits_but_after_idle_connections() {
    let server = Server::start(&["--max-connections", "2", "--workers", "1"]);
    let (mut slow, mut idle, mut new) = (server.connect(), server.connect(), server.connect());
    // With the answer, the server has the beginning of the next request, too.
    slow.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT");
    assert_eq!(slow.reply().status, 200);
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.reply().status, 200);
    new.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT");
    assert_eq!(new.reply().status, 200);
    assert_eq!(idle.rest(), b"", "the one that is idle, though the other has said nothing for longer");
    let mut last = server.connect();
    last.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(last.reply().status, 200);
    assert_eq!(slow.rest(), b"", "the one that has said nothing for the longest");
    new.send("TP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(new.reply().status, 200);
}

#[test]
#[cfg(target_os = "linux")]
fn without_a_log_a_terminal_that_goes_stops_it_politely() {
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = own.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    if u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 == 1 {
        println!("skipped: who started this test has told it to ignore SIGHUP, as nohup does, and that is handed down");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let mut server = Server::start_as_is(&["--unix", socket.to_str().unwrap()]);
    server.line();
    server.line();
    server.signal("HUP");
    assert_eq!(server.end().0.code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_connection_between_requests_gives_way_to_who_waits() {
    let server = Server::start(&["--max-connections", "2", "--max-per-address", "2", "--workers", "1"]);
    let mut clients = [server.connect(), server.connect(), server.connect()];
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.reply().status, 200);
    }
    assert_eq!(clients[0].rest(), b"", "the one that was idle the longest");
    clients[1].send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(clients[1].reply().status, 200);
}

#[test]
fn asked_to_stop_it_closes_idle_connections_at_once_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        // Longer than the test would wait.
        let server = Server::start(&["--drain", "10m", "--idle-timeout", "10m"]);
        let mut idle = server.connect();
        idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(idle.reply().status, 200);
        server.signal(signal);
        assert_eq!(idle.rest(), b"");
        let (status, stderr) = server.end();
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn asked_to_stop_it_answers_the_request_in_flight_and_no_other() {
    let server = Server::start(&["--drain", "10m"]);
    let (mut idle, mut busy) = (server.connect(), server.connect());
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.reply().status, 200);
    // The first of the two is answered: so the second, begun in the same send, has been received as well.
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n");
    assert_eq!(busy.reply().field("Connection"), None);
    server.signal("TERM");
    assert_eq!(idle.rest(), b"", "now it is stopping");
    // Whoever stops a session says so in two ways: it is one request.
    if cfg!(target_os = "linux") {
        server.signal("HUP");
    }
    busy.send("Host: a\r\n\r\nGET /another HTTP/1.1\r\nHost: a\r\n\r\n");
    let reply = busy.reply();
    assert_eq!((reply.status, reply.field("Connection")), (200, Some("close")));
    assert_eq!(busy.rest(), b"");
    let (status, stderr) = server.end();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_request_that_was_there_before_the_signal_is_answered() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().status, 200);
    // While it stands still, both happen: going on, it finds the signal first.
    server.signal("STOP");
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    server.signal("TERM");
    server.signal("CONT");
    assert_eq!(client.reply().status, 200);
    assert_eq!(client.rest(), b"");
    assert_eq!(server.end().0.code(), Some(0));
}

#[test]
fn a_request_that_does_not_finish_is_given_up_at_the_end_of_the_drain() {
    let server = Server::start(&["--drain", "100ms", "--head-timeout", "10m"]);
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /");
    assert_eq!(client.reply().status, 200);
    server.signal("TERM");
    assert_eq!(client.rest(), b"");
    let (status, stderr) = server.end();
    assert_eq!(status.code(), Some(0));
    assert!(stderr.contains("still connected at the end of the drain"), "{stderr}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_download_without_end_is_cut_off_at_the_end_of_the_drain() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("endless")).unwrap();
    file.set_len(1 << 40).unwrap();
    let server = Server::start(&[folder.path().to_str().unwrap(), "--drain", "100ms"]);
    let mut client = server.connect();
    client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply_to_head().status, 200);
    server.signal("TERM");
    client.ignore_rest();
    assert_eq!(server.end().0.code(), Some(0));
}
