//! What one client may have, and that it gets no more.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use crate::folder::Shown;
use crate::harness::{PATIENCE, Server, eventually};

#[test]
fn an_address_has_its_share_of_connections_and_no_more() {
    let server = Server::start(&["--max-per-address", "2"]);
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.reply().status, 200);
    }
    // What is closed with a request unread is reset.
    let mut third = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = third.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(third.read(&mut [0]), Ok(0) | Err(_)));
    clients[0].send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(clients[0].reply().status, 200);
    assert_eq!(clients[0].rest(), b"");
    let mut fourth = server.connect();
    fourth.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(fourth.reply().status, 200, "a place that was given back is free");
    server.signal("TERM");
    let (_, stderr) = server.end();
    assert!(stderr.contains("its address has its share of connections"), "{stderr}");
}

#[test]
fn a_client_between_requests_gives_way_even_where_it_may_stay_for_ever() {
    for idle in ["30s", "0s"] {
        let server = Server::start(&["--max-connections", "2", "--workers", "1", "--idle-timeout", idle]);
        let mut clients = [server.connect(), server.connect(), server.connect()];
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.reply().status, 200);
        }
        assert_eq!(clients[0].rest(), b"");
    }
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let options = ["--slow-timeout", "200ms", "--log", log.path().to_str().unwrap()];
    let shown = Shown::how(&[("large", b"")], &options);
    fs::File::options().write(true).open(shown.path("large")).unwrap().set_len(1 << 30).unwrap();
    let mut client = shown.server.connect();
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    let line = || fs::read_to_string(log.path()).unwrap();
    eventually("a line of the log", || line().ends_with('\n'));
    assert!(line().contains("\"GET /large HTTP/1.1\" 200 ") && !line().contains(" 1073741824 "), "{}", line());
    shown.server.signal("TERM");
    let (_, stderr) = shown.server.end();
    assert!(stderr.contains("read less than 1024 bytes a second for 200ms"), "{stderr}");
}

#[test]
fn limits_are_what_the_user_says() {
    let options = ["--max-request-line", "1KiB", "--max-head", "2KiB", "--max-fields", "2", "--max-body", "5"];
    let server = Server::start(&options);
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length - 14));
    let table = [
        (line(1023), 404),
        (line(1025), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "a".repeat(2048)), 431),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\n\r\n".to_owned(), 431),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345".to_owned(), 200),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n".to_owned(), 413),
    ];
    for (request, status) in table {
        let mut client = server.connect();
        client.send(&request);
        assert_eq!(client.reply().status, status, "{request}");
    }
}

#[test]
fn many_loops_serve_as_one() {
    let server = Server::start(&["--workers", "3"]);
    let mut clients: Vec<_> = (0..10).map(|_| server.connect()).collect();
    for _ in 0..2 {
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        for client in &mut clients {
            assert_eq!(client.reply().status, 200);
        }
    }
    server.signal("TERM");
    for client in &mut clients {
        assert_eq!(client.rest(), b"");
    }
    assert_eq!(server.end().0.code(), Some(0));
}

#[test]
fn a_socket_in_the_file_system_is_served_and_removed() {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("socket");
    let mut server = Server::start_as_is(&["--unix", socket.to_str().unwrap(), "--unix-mode", "660"]);
    assert_eq!(server.line(), format!("tiny-web: listening on unix:{}", socket.display()));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let mut client = UnixStream::connect(&socket).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.contains("Hello world!"), "{reply}");
    server.signal("TERM");
    assert_eq!(server.end().0.code(), Some(0));
    assert!(!socket.exists());
}
