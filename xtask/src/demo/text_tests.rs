//! Pictures of traces made by hand.

use super::*;
use crate::demo::{layout, samples, story};

const PLAIN: Terminal = Terminal { marks: wording::UTF8, colour: false };

fn lecture(terminal: Terminal) -> String {
    let (server, client) = samples::tcp();
    let layout = layout::place(&story::tell(&server, &client), terminal.marks);
    draw("server", "client", &layout, terminal)
}

#[test]
fn the_lectures_pair_looks_like_the_lectures_figure() {
    let expected = r#"
server: server                                                  client: client
──────────────────────────────────── │                        │ ────────────────────────────────────
socket(AF_INET, SOCK_STREAM) = 3     │                        │
listen(3, 5) = 0                     │                        │
» server: listening on               │                        │
  127.0.0.1:2000                     │                        │
accept(3) … waits                    ┊                        │
                                     ┊                        │ socket(AF_INET, SOCK_STREAM) = 3
accept(3, 127.0.0.1:9) = 4           │◄───────── SYN ─────────│ connect(3, 127.0.0.1:2000) = 0
    waited 1.70 ms                   │                        │
recv(4, 1024) … waits                ┊                        │
recv(4, "Hello world") = 11          │◄─ "Hello world" 11 B ──│ send(3, "Hello world") = 11
    waited 0.90 ms                   │                        │
send(4, "echo -> Hello world") = 19  │─ "echo -> He…" 19 B ─┐ │
recv(4, 1024) … waits                ┊                      │ │
                                     ┊                      └►│ recv(3, "echo -> Hello world",
                                     ┊                        │     1024) = 19
                                     ┊                        │ » echo -> Hello world
recv(4, "") = 0                      │◄───────── FIN ─────────│ close(3) = 0
    end of file, waited 1.70 ms      │                        │
close(4) = 0                         │───────── FIN ─────────►│
(SIGTERM: please stop)               │                        │
close(3) = 0                         │                        │

│ runs   ┊ waits   » printed on stdout
"#;
    let text = lecture(PLAIN);
    assert_eq!(text, expected.trim_start_matches('\n'), "\n{text}");
}

#[test]
fn a_terminal_that_knows_only_ascii_gets_nothing_else() {
    let text = lecture(Terminal { marks: wording::ASCII, colour: false });
    assert!(text.is_ascii(), "{text}");
    assert!(text.contains("|<--------- SYN ---------| connect(3, 127.0.0.1:2000) = 0"), "{text}");
}

#[test]
fn no_line_is_wider_than_a_hundred_columns() {
    let widest = lecture(PLAIN).lines().map(|line| line.chars().count()).max();
    assert_eq!(widest, Some(100));
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let coloured = lecture(Terminal { colour: true, ..PLAIN });
    let mut plain = String::new();
    for (index, piece) in coloured.split("\x1b[").enumerate() {
        plain += if index == 0 { piece } else { piece.split_once('m').unwrap().1 };
    }
    let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
    assert_eq!(trimmed, lecture(PLAIN).lines().collect::<Vec<_>>());
}

#[test]
fn the_locale_says_whether_the_terminal_knows_utf8() {
    assert!(is_utf8("en_GB.UTF-8") && is_utf8("C.utf8"));
    assert!(!is_utf8("C") && !is_utf8("de_DE.ISO-8859-1"));
}
