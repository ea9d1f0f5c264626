//! Clients that are late, slow, or say too much.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::http::{Client, Content};
use crate::harness::{Server, noise, steadily};

/// A server of a folder with one large file in it, the folder, and what is in the file.
fn server_of_a_file(bytes: usize, arguments: &[&str]) -> (Server, tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let content = noise(bytes);
    std::fs::write(folder.path().join("large"), &content).unwrap();
    let server = Server::start("tiny-web", &[&[folder.path().to_str().unwrap()], arguments].concat());
    (server, folder, content)
}

/// Asks for the file, as the last thing on this connection.
fn ask(client: &mut TcpStream) {
    client.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
}

fn body(reply: &[u8]) -> &[u8] {
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").expect("the end of a head");
    &reply[end + 4..]
}

#[test]
fn what_a_client_says_during_its_last_reply_does_not_destroy_it() {
    let (server, _folder, content) = server_of_a_file(8 << 20, &[]);
    for _ in 0..3 {
        let mut client = server.connect();
        ask(&mut client);
        let mut reply = vec![0; 100_000];
        client.read_exact(&mut reply).unwrap();
        // The server is in the middle of it, and will not read this. To close then would reset the connection.
        client.write_all(b"\r\nGET / HTTP/1.1\r\n").unwrap();
        client.read_to_end(&mut reply).expect("all of it, and no reset");
        assert!(body(&reply) == content);
    }
}

#[test]
fn a_client_that_reads_slowly_gets_everything() {
    let (server, _folder, content) = server_of_a_file(7 << 20, &["--idle-timeout", "800ms", "--slow-timeout", "800ms"]);
    steadily(Duration::from_millis(200), |pace| {
        let mut client = server.connect();
        rustix::net::sockopt::set_socket_recv_buffer_size(&client, 65_536).unwrap();
        ask(&mut client);
        let (mut reply, mut some) = (Vec::new(), vec![0; 65_536]);
        while let Ok(length @ 1..) = client.read(&mut some) {
            reply.extend_from_slice(&some[..length]);
            // A megabyte takes a second.
            pace.slows_down(Duration::from_millis(40));
        }
        if body(&reply) == content { Ok(()) } else { Err(format!("{} of {} bytes", reply.len(), content.len())) }
    });
    assert!(server.stop().0.success());
}

#[test]
fn who_has_said_all_and_listens_gets_all_answers() {
    let (server, _folder, content) = server_of_a_file(3 << 20, &[]);
    let mut client = Client::new(server.connect());
    client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\nGET /missing HTTP/1.1\r\nHost: x\r\n\r\n");
    client.finish();
    assert!(client.reply(Content::Follows).unwrap().body == content);
    assert_eq!(client.reply(Content::Follows).unwrap().status, 404);
    client.receive_all().unwrap();
    assert!(client.input.is_empty());
}

#[test]
fn who_stops_in_the_middle_of_a_request_is_not_answered_as_if_it_were_whole() {
    let (server, ..) = server_of_a_file(10, &[]);
    for half in [
        "GET /large HTTP/1.1\r\nHost: x\r\n",
        "GET /large HT",
        "GET /large HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell",
        "GET /large HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let mut client = Client::new(server.connect());
        client.send(half.as_bytes());
        client.finish();
        client.receive_all().unwrap();
        // 400, or nothing: RFC 9112, section 8.
        let is_refused = client.input.is_empty() || client.input.starts_with(b"HTTP/1.1 400 ");
        assert!(is_refused, "{half}: {}", client.input.escape_ascii());
    }
}
