//! How a row reads: a call as strace would show it, cut and wrapped to the width of its column.

use super::network::Payload;
use super::story::Begun;
use super::trace::{Call, units};

/// The width of a column, in characters.
pub const COLUMN: usize = 36;
/// How far the second line of a call is moved in.
const INDENT: usize = 4;
/// Less of the data than this tells little; then the call gets a second line.
const LEAST_DATA: usize = 18;

/// The characters that text is made of: a terminal may know no others than ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    pub ellipsis: &'static str,
    pub printed: &'static str,
}

pub const UTF8: Marks = Marks { ellipsis: "…", printed: "» " };
pub const ASCII: Marks = Marks { ellipsis: "...", printed: "> " };

enum Word {
    Plain(String),
    /// Data in quotes, and whether the trace has it all.
    Data(String, bool),
}

/// A call that begins to wait: what it is given, but not yet what it gets.
pub fn waits(call: &Call, marks: Marks) -> Vec<String> {
    let mut arguments: Vec<String> = call.fd.iter().map(i64::to_string).collect();
    if call.name == "connect" || call.data.is_some() {
        arguments.extend(call.arguments.split(", ").take(1).map(str::to_owned));
    }
    wrap(&[format!("{}({})", call.name, arguments.join(", ")), format!("{} waits", marks.ellipsis)], INDENT)
}

/// A call that is over, with its result.
pub fn did(call: &Call, begun: Begun, marks: Marks) -> Vec<String> {
    let mut words: Vec<Word> = call.fd.iter().map(|fd| Word::Plain(fd.to_string())).collect();
    words.extend(call.data.iter().map(|data| Word::Data(data.clone(), call.data_is_cut())));
    let mut arguments = call.arguments.split(", ").filter(|argument| !argument.is_empty());
    // The size of the data would only repeat the result, or what the row said where the call began to wait.
    let size_is_known = (call.sends() && call.bytes.is_some() && call.bytes == call.result) || begun == Begun::Before;
    if call.data.is_some() && size_is_known {
        arguments.next();
    }
    words.extend(arguments.map(|argument| Word::Plain(argument.to_owned())));
    let result = match &call.error {
        Some(error) => format!("-1 {error}"),
        None => call.result.unwrap_or(0).to_string(),
    };
    fit(&call.name, &words, &result, marks)
}

/// Puts the call on one line if that can be done with as much of the data as is worth showing; else on several.
fn fit(name: &str, words: &[Word], result: &str, marks: Marks) -> Vec<String> {
    let one_line = |data_width: usize| {
        let words: Vec<String> = words.iter().map(|word| written(word, data_width, marks)).collect();
        format!("{name}({}) = {result}", words.join(", "))
    };
    let whole = one_line(usize::MAX);
    let too_much = whole.chars().count().saturating_sub(COLUMN);
    if too_much == 0 {
        return vec![whole];
    }
    // Data that is cut anyway can as well be cut to what fits.
    let data = words.iter().find(|word| matches!(word, Word::Data(..))).map(|word| written(word, usize::MAX, marks));
    let length = data.as_ref().map_or(0, |data| data.chars().count());
    let is_cut = length > COLUMN - INDENT || data.is_some_and(|data| data.contains(marks.ellipsis));
    if is_cut && length >= too_much + LEAST_DATA {
        return vec![one_line(length - too_much)];
    }
    let mut pieces = vec![format!("{name}(")];
    for (index, word) in words.iter().enumerate() {
        let end = if index + 1 == words.len() { ")" } else { "," };
        let piece = written(word, COLUMN - INDENT - 1, marks) + end;
        if index == 0 { pieces[0] += &piece } else { pieces.push(piece) }
    }
    // The result stays with the last argument, where that is short enough.
    match pieces.last_mut() {
        Some(last) if INDENT + last.chars().count() + 3 + result.len() <= COLUMN => *last += &format!(" = {result}"),
        _ => pieces.push(format!("= {result}")),
    }
    wrap(&pieces, INDENT)
}

fn written(word: &Word, data_width: usize, marks: Marks) -> String {
    match word {
        Word::Plain(text) => text.clone(),
        Word::Data(data, cut) => quote(data, *cut, data_width, marks),
    }
}

/// Data in quotes, at most `width` characters in all. Of a text that must be cut, its first line if that fits.
fn quote(data: &str, cut: bool, width: usize, marks: Marks) -> String {
    let quotes = 2;
    if !cut && data.chars().count() + quotes <= width {
        return format!("\"{data}\"");
    }
    let room = width.saturating_sub(quotes + marks.ellipsis.chars().count());
    let mut shown = String::new();
    for unit in units(data) {
        if shown.len() + unit.len() > room || shown.ends_with(r"\r\n") {
            break;
        }
        shown += unit;
    }
    let shown = shown.strip_suffix(r"\r").unwrap_or(&shown);
    format!("\"{shown}{}\"", marks.ellipsis)
}

/// What an arrow is called, in at most `width` characters.
pub fn label(payload: &Payload, width: usize, marks: Marks) -> String {
    match payload {
        Payload::Syn => "SYN".to_owned(),
        Payload::Fin => "FIN".to_owned(),
        Payload::Data { bytes, first, cut } => {
            let bytes = format!("{bytes} B");
            let data = quote(first, *cut, width.saturating_sub(bytes.len() + 1), marks);
            format!("{data} {bytes}")
        }
    }
}

/// A line that a program printed.
pub fn printed(line: &str, marks: Marks) -> Vec<String> {
    // Whatever it is, it must not talk to the terminal.
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<String> = line.split(' ').flat_map(|word| pieces(word, COLUMN - 2)).collect();
    let mut lines = wrap(&words, 0);
    for (index, line) in lines.iter_mut().enumerate() {
        *line = format!("{}{line}", if index == 0 { marks.printed } else { "  " });
    }
    lines
}

/// How long a call waited.
pub fn time(ns: u64) -> String {
    let ms = ns as f64 / 1e6;
    match ms {
        0.0..10.0 => format!("{ms:.2} ms"),
        10.0..1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}

/// A word that no line has room for, in pieces.
fn pieces(word: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    match letters.len() {
        0 => vec![String::new()],
        _ => letters.chunks(width).map(|piece| piece.iter().collect()).collect(),
    }
}

/// As many words on a line as fit, the lines after the first moved in.
fn wrap(words: &[String], indent: usize) -> Vec<String> {
    let room = if indent == 0 { COLUMN - 2 } else { COLUMN };
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => *line += &format!(" {word}"),
            Some(_) => lines.push(" ".repeat(indent) + word),
            None => lines.push(word.clone()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, data: &str, arguments: &str) -> Call {
        let bytes = Some(units(data).count() as i64);
        let (name, arguments) = (name.to_owned(), arguments.to_owned());
        Call { name, fd: Some(3), data: Some(data.to_owned()), arguments, bytes, result: bytes, ..Call::default() }
    }

    #[test]
    fn the_lectures_calls_fit_on_a_line() {
        let send = call("send", "echo -> Hello world", "19");
        assert_eq!(did(&send, Begun::Here, UTF8), [r#"send(3, "echo -> Hello world") = 19"#]);
        let recv = call("recv", "echo -> Hello world", "1024");
        assert_eq!(did(&recv, Begun::Before, UTF8), [r#"recv(3, "echo -> Hello world") = 19"#]);
        assert_eq!(waits(&recv, ASCII), ["recv(3, 1024) ... waits"]);
    }

    #[test]
    fn a_call_that_waits_fits_whatever_the_port() {
        let connect = Call { arguments: "127.0.0.1:43397".to_owned(), data: None, ..call("connect", "", "") };
        assert_eq!(waits(&connect, UTF8), ["connect(3, 127.0.0.1:43397) … waits"]);
        assert_eq!(waits(&connect, ASCII), ["connect(3, 127.0.0.1:43397)", "    ... waits"]);
    }

    #[test]
    fn a_longer_call_is_wrapped_between_its_arguments() {
        let recvfrom = call("recvfrom", "Hello world", "65535, 127.0.0.1:40872");
        let lines = did(&recvfrom, Begun::Here, UTF8);
        assert_eq!(lines, [r#"recvfrom(3, "Hello world", 65535,"#, "    127.0.0.1:40872) = 11"]);
    }

    #[test]
    fn long_data_is_cut_at_the_end_of_its_first_line_and_never_inside_an_escape() {
        let recv = call("recv", r"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n", "1024");
        assert_eq!(did(&recv, Begun::Before, UTF8), [r#"recv(3, "GET / HTTP/1.1\r\n…") = 48"#]);
        assert_eq!(quote(r"GET /\r\nHost: a", false, 12, UTF8), r#""GET /\r\n…""#);
        assert_eq!(quote(r"\xff\xff\xff", false, 8, UTF8), r#""\xff…""#);
    }

    #[test]
    fn a_failed_call_names_its_error() {
        let connect = Call { name: "connect".to_owned(), fd: Some(3), ..Call::default() };
        let connect = Call { arguments: "[::1]:2000".to_owned(), error: Some("ECONNREFUSED".to_owned()), ..connect };
        let lines = did(&connect, Begun::Here, UTF8);
        assert_eq!(lines, ["connect(3,", "    [::1]:2000) = -1 ECONNREFUSED"]);
    }

    #[test]
    fn a_printed_line_is_wrapped_and_cannot_talk_to_the_terminal() {
        let lines = printed("tcp-echo-server: listening on 127.0.0.1:46279\x1b[2J", ASCII);
        assert_eq!(lines, ["> tcp-echo-server: listening on", "  127.0.0.1:46279 [2J"]);
    }

    #[test]
    fn times_have_three_digits_or_so() {
        let times = [time(412_000), time(12_400_000), time(2_000_000_000)];
        assert_eq!(times, ["0.41 ms", "12 ms", "2.0 s"]);
    }
}
