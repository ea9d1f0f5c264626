//! Stories of traces made by hand.

use super::*;
use crate::demo::samples::{at_client, at_server, call, moves, socket, tcp, told};

/// A story as a few words for each row: the side, what it does, and the call.
fn outline(story: &Story) -> Vec<String> {
    let row = |row: &Row| {
        let side = if row.side == Side::Server { "S" } else { "C" };
        match &row.what {
            What::Waits(call) => format!("{side} {} waits", call.name),
            What::Did(call, _, Begun::Here) => format!("{side} {}", call.name),
            What::Did(call, _, Begun::Before) => format!("{side} ... {}", call.name),
            What::Printed(line) => format!("{side} > {line}"),
            What::Stopped => format!("{side} stop"),
        }
    };
    story.rows.iter().map(row).collect()
}

fn arrows_of(story: &Story) -> Vec<(String, Option<String>, &'static str)> {
    let rows = outline(story);
    let arrow = |arrow: &Arrow| {
        let payload = match arrow.payload {
            Payload::Syn => "SYN",
            Payload::Fin => "FIN",
            Payload::Data { .. } => "data",
        };
        (rows[arrow.from].clone(), arrow.to.map(|to| rows[to].clone()), payload)
    };
    story.arrows.iter().map(arrow).collect()
}

#[test]
fn the_lectures_pair_tells_its_calls_in_the_order_in_which_they_happened() {
    let (server, client) = tcp();
    let expected = [
        "S socket",
        "S listen",
        "S > server: listening on 127.0.0.1:2000",
        "S accept waits",
        "C socket",
        "C connect",
        "S ... accept",
        "S recv waits",
        "C send",
        "S ... recv",
        "S send",
        "S recv waits",
        "C recv",
        "C > echo -> Hello world",
        "C close",
        "S ... recv",
        "S close",
        "S stop",
        "S close",
    ];
    assert_eq!(outline(&tell(&server, &client)), expected);
}

#[test]
fn every_arrow_ends_at_the_call_that_took_what_it_carries() {
    let (server, client) = tcp();
    let story = tell(&server, &client);
    let to = |row: &str| Some(row.to_owned());
    let expected = [
        ("C connect".to_owned(), to("S ... accept"), "SYN"),
        ("C send".to_owned(), to("S ... recv"), "data"),
        ("S send".to_owned(), to("C recv"), "data"),
        ("C close".to_owned(), to("S ... recv"), "FIN"),
        ("S close".to_owned(), None, "FIN"),
    ];
    assert_eq!(arrows_of(&story), expected);
    // The two "S ... recv" are two rows.
    assert!(story.arrows[1].to < story.arrows[3].to);
}

#[test]
fn what_is_sent_in_two_pieces_and_taken_in_one_has_two_arrows_to_one_call() {
    let (mut server, mut client) = tcp();
    client
        .calls
        .splice(2..3, [at_client(moves("send", 3, 24, 25, "Hello ")), at_client(moves("send", 3, 26, 27, "world"))]);
    server.calls[3].start_ns = 3_000_000;
    let story = tell(&server, &client);
    let to: Vec<_> = story.arrows.iter().filter(|arrow| story.rows[arrow.from].side == Side::Client).collect();
    assert_eq!(to[1].to, to[2].to, "{:?}", arrows_of(&story));
}

#[test]
fn a_close_after_shutdown_sends_no_second_fin() {
    let (server, mut client) = tcp();
    client.calls.insert(3, at_client(Call { arguments: "SHUT_WR".to_owned(), ..call("shutdown", 3, 33, 34) }));
    let story = tell(&server, &client);
    let fins: Vec<_> = arrows_of(&story).into_iter().filter(|arrow| arrow.2 == "FIN").map(|arrow| arrow.0).collect();
    assert_eq!(fins, ["C shutdown", "S close"]);
}

#[test]
fn udp_sends_data_and_nothing_else() {
    let server = vec![
        socket("SOCK_DGRAM", 3, 1),
        at_server(moves("recvfrom", 3, 2, 21, "Hello world")),
        at_server(moves("sendto", 3, 22, 23, "echo -> Hello world")),
        call("close", 3, 90, 91),
    ];
    let client = vec![
        socket("SOCK_DGRAM", 3, 10),
        at_client(call("connect", 3, 11, 12)),
        at_client(moves("send", 3, 20, 24, "Hello world")),
        at_client(moves("recv", 3, 25, 26, "echo -> Hello world")),
        at_client(call("close", 3, 27, 28)),
    ];
    let story = tell(&told(server, &[]), &told(client, &[]));
    let to = |row: &str| Some(row.to_owned());
    let expected = [("C send".to_owned(), to("S ... recvfrom"), "data"), ("S sendto".to_owned(), to("C recv"), "data")];
    assert_eq!(arrows_of(&story), expected);
}

#[test]
fn a_failed_call_sends_nothing() {
    let connect = Call { error: Some("ECONNREFUSED".to_owned()), result: None, ..call("connect", 3, 3, 4) };
    let story = tell(&told(vec![], &[]), &told(vec![socket("SOCK_STREAM", 3, 1), connect], &[]));
    assert_eq!(story.arrows, []);
}

#[test]
fn a_write_to_stdout_stays_at_home_and_is_where_the_client_prints() {
    let (server, mut client) = tcp();
    client.calls.push(moves("write", 1, 60, 61, "echo -> Hello world"));
    let story = tell(&server, &client);
    assert_eq!(story.arrows.len(), 5);
    let rows = outline(&story);
    let write = rows.iter().position(|row| row == "C write").unwrap();
    assert_eq!(rows[write + 1], "C > echo -> Hello world");
}

/// A UDP conversation whose server is ready at 2 and waits from `waits` on, and whose client sends from 20 to `sent`.
fn udp(waits: u64, sent: u64) -> (Told, Told) {
    let server = vec![
        socket("SOCK_DGRAM", 3, 1),
        call("bind", 3, 1, 2),
        at_server(moves("recvfrom", 3, waits, 31, "Hello world")),
        at_server(moves("sendto", 3, 32, 33, "echo -> Hello world")),
        call("close", 3, 90, 91),
    ];
    let client = vec![
        socket("SOCK_DGRAM", 3, 10),
        at_client(moves("sendto", 3, 20, sent, "Hello world")),
        at_client(moves("recvfrom", 3, 60, 61, "echo -> Hello world")),
        at_client(call("close", 3, 62, 63)),
    ];
    (told(server, &["server: listening on 127.0.0.1:2000"]), told(client, &["echo -> Hello world"]))
}

#[test]
fn a_send_whose_data_arrived_before_it_returned_did_not_wait() {
    // The client's processor is taken away until the answer has been sent.
    let (server, client) = udp(2, 55);
    let story = tell(&server, &client);
    let expected = [
        "S socket",
        "S bind",
        "S > server: listening on 127.0.0.1:2000",
        "S recvfrom waits",
        "C socket",
        "C sendto",
        "S ... recvfrom",
        "S sendto",
        "C recvfrom",
        "C > echo -> Hello world",
        "C close",
        "S stop",
        "S close",
    ];
    assert_eq!(outline(&story), expected);
    let to = |row: &str| Some(row.to_owned());
    let expected =
        [("C sendto".to_owned(), to("S ... recvfrom"), "data"), ("S sendto".to_owned(), to("C recvfrom"), "data")];
    assert_eq!(arrows_of(&story), expected);
    let sends = |row: &&Row| row.did(Side::Client, |call| call.name == "sendto");
    let What::Did(_, waited_ns, _) = story.rows.iter().find(sends).unwrap().what else { panic!("{story:?}") };
    assert_eq!(waited_ns, None);
}

#[test]
fn a_datagram_leaves_without_a_wait_even_if_it_is_received_late() {
    // Both are held up: the server until after the client's call has returned.
    let (mut server, client) = udp(25, 40);
    server.calls[2].end_ns = 4_100_000;
    server.calls[3] = at_server(moves("sendto", 3, 42, 43, "echo -> Hello world"));
    let story = tell(&server, &client);
    let waited = |row: &Row| row.side == Side::Client && matches!(row.what, What::Waits(_) | What::Did(_, Some(_), _));
    assert!(!story.rows.iter().any(waited), "{story:?}");
}

#[test]
fn a_servers_send_whose_data_arrived_before_it_returned_did_not_wait() {
    // Of the answer's two pieces, the client has both while the server's first call lasts.
    let (mut server, mut client) = tcp();
    server.calls[4].end_ns = 4_900_000;
    server.calls[5].start_ns = 4_900_000;
    client.calls.splice(
        3..4,
        [at_client(moves("recv", 3, 35, 36, "echo -> ")), at_client(moves("recv", 3, 37, 38, "Hello world"))],
    );
    let story = tell(&server, &client);
    let rows = outline(&story);
    let send = rows.iter().position(|row| row == "S send").unwrap();
    assert_eq!(rows[send + 1..send + 3], ["C recv", "C recv"]);
    assert!(story.arrows.iter().any(|arrow| (arrow.from, arrow.to) == (send, Some(send + 1))), "{:?}", story.arrows);
}

#[test]
fn a_call_that_waits_sends_as_it_begins() {
    // The server gets a part of the data and the client's call then lasts until it has given the others away, too.
    let (mut server, mut client) = tcp();
    client.calls[2].start_ns = 2_350_000;
    client.calls[2].end_ns = 3_480_000;
    server.calls[3] = at_server(moves("recv", 4, 22, 31, "Hello "));
    server.calls[5] = at_server(moves("recv", 4, 34, 36, "world"));
    server.calls.insert(6, at_server(moves("recv", 4, 37, 51, "")));
    // The handshake is slow, and the connection accepted before it is over on the client's side.
    client.calls[1].start_ns = 1_100_000;
    let arrows = arrows_of(&tell(&server, &client));
    let to = |row: &str| Some(row.to_owned());
    let expected = [
        ("C connect waits".to_owned(), to("S ... accept"), "SYN"),
        ("C send waits".to_owned(), to("S ... recv"), "data"),
    ];
    assert_eq!(arrows[..2], expected);
}

#[test]
fn a_server_is_ready_before_its_client_does_anything() {
    // The server is held up between the line that says so and its first wait.
    let (server, client) = udp(25, 21);
    let rows = outline(&tell(&server, &client));
    assert_eq!(rows[..4], ["S socket", "S bind", "S > server: listening on 127.0.0.1:2000", "C socket"]);
}
