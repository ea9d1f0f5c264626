//! A system call, read from a line of our trace, text or JSON, into a form that can be compared.

use serde_json::Value;

/// A system call on a socket, in the words of our trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub fd: Option<i64>,
    /// The first bytes of the data, escaped as in Rust.
    pub data: Option<String>,
    /// How many bytes were offered, or how many there was room for.
    pub length: Option<String>,
    /// The first argument after these: an address, an option, a direction.
    pub what: Option<String>,
    /// What was returned, or the error's name.
    pub result: Result<i64, String>,
}

impl Call {
    /// Takes the arguments of a line apart: descriptor, data in quotes, its length, and what else there is. Of the data, only
    /// the first `excerpt` bytes are kept.
    pub fn new(name: &str, arguments: &[&str], result: Result<i64, String>, excerpt: usize) -> Call {
        let mut arguments = arguments.iter().copied().peekable();
        let fd = arguments.next_if(|_| name != "socket").map(|fd| fd.parse().unwrap_or_else(|_| panic!("{name}({fd}")));
        let data = arguments.next_if(|data| data.starts_with('"'));
        let length = data.and_then(|_| arguments.next()).map(str::to_owned);
        let data = data.map(unescaped).map(|data| data[..data.len().min(excerpt)].escape_ascii().to_string());
        // Of the arguments of `socket`, both are of interest.
        let rest: Vec<&str> = arguments.take(if name == "socket" { 2 } else { 1 }).collect();
        Call { name: name.to_owned(), fd, data, length, what: (!rest.is_empty()).then(|| rest.join(", ")), result }
    }

    /// The descriptor that the call is about; for `socket`, the one that it made.
    pub fn about(&self) -> i64 {
        self.fd.unwrap_or_else(|| *self.result.as_ref().unwrap_or(&-1))
    }
}

/// The calls of a text trace. The program's other lines on stderr begin with its name.
pub fn of_text(stderr: &str, program: &str, excerpt: usize) -> Vec<Call> {
    let call = |line: &str| {
        let (time, call) = line.trim_start().split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        assert!(time.parse::<f64>().is_ok(), "{line:?} has no time");
        let (name, arguments, result) = parts(call).unwrap_or_else(|| panic!("{line:?} is no call"));
        Call::new(name, &arguments, result, excerpt)
    };
    stderr.lines().filter(|line| !line.starts_with(program)).map(call).collect()
}

/// The calls of a trace file.
pub fn of_json(lines: &[Value], excerpt: usize) -> Vec<Call> {
    let call = |line: &Value| {
        let (fd, data) = (line["fd"].as_i64().map(|fd| fd.to_string()), line["data"].as_str());
        let data = data.map(|data| format!("\"{data}\""));
        let rest = line["arguments"].as_str().unwrap().split(", ").filter(|argument| !argument.is_empty());
        let arguments: Vec<&str> = fd.as_deref().into_iter().chain(data.as_deref()).chain(rest).collect();
        let result = line["result"].as_i64().ok_or_else(|| line["error"].as_str().unwrap().to_owned());
        Call::new(line["call"].as_str().unwrap(), &arguments, result, excerpt)
    };
    lines.iter().map(call).collect()
}

/// A call's name, arguments and result: what a line `NAME(ARGUMENT, ARGUMENT) = RESULT` says, ours or strace's. None: it is
/// another kind of line.
pub fn parts(line: &str) -> Option<(&str, Vec<&str>, Result<i64, String>)> {
    let (name, rest) = line.split_once('(')?;
    let mut arguments = Vec::new();
    let (mut begin, mut depth, mut quoted, mut escaped) = (0, 0, false, false);
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' | b'[' | b'{' => depth += 1,
            b',' | b')' if depth == 0 => {
                arguments.push(rest[begin..at].trim());
                begin = at + 1;
                if byte == b')' {
                    arguments.retain(|argument| !argument.is_empty());
                    return Some((name, arguments, result(&rest[begin..])?));
                }
            }
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// What comes after a call: ` = 11`, ` = -1 ECONNREFUSED (connection refused)`. None: the call has not returned.
fn result(text: &str) -> Option<Result<i64, String>> {
    let mut words = text.split_whitespace().skip_while(|word| *word == "=");
    match words.next()? {
        "-1" => Some(Err(words.next()?.to_owned())),
        number => number.parse().ok().map(Ok),
    }
}

/// The bytes that stand between quotes, escaped as in Rust or as in C; `...` may follow.
fn unescaped(quoted: &str) -> Vec<u8> {
    let mut text = quoted.strip_prefix('"').unwrap().bytes().peekable();
    let mut bytes = Vec::new();
    while let Some(byte) = text.next().filter(|byte| *byte != b'"') {
        bytes.push(match byte {
            b'\\' => match text.next().unwrap() {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                b'f' => 0x0c,
                b'x' => (0..2).fold(0, |byte, _| byte << 4 | digit(text.next().unwrap())),
                first @ b'0'..=b'7' => {
                    // One octal digit to three, as many as there are.
                    let more: Vec<u8> =
                        (0..2).map_while(|_| text.next_if(|next| matches!(next, b'0'..=b'7'))).collect();
                    more.into_iter().fold(digit(first), |byte, next| byte << 3 | digit(next))
                }
                itself => itself,
            },
            itself => itself,
        });
    }
    bytes
}

fn digit(byte: u8) -> u8 {
    (byte as char).to_digit(16).unwrap() as u8
}

#[test]
fn a_line_of_either_is_taken_apart() {
    let line = r#"sendto(3, "a, (b\" \33[0m\377"..., 11, 0, NULL, 0) = 11"#;
    let arguments = vec!["3", r#""a, (b\" \33[0m\377"..."#, "11", "0", "NULL", "0"];
    assert_eq!(parts(line), Some(("sendto", arguments, Ok(11))));
    assert_eq!(parts("close(3) = -1 EBADF (Bad file descriptor)"), Some(("close", vec!["3"], Err("EBADF".to_owned()))));
    assert_eq!(parts("+++ exited with 0 +++"), None);
    assert_eq!(unescaped(r#""a, (b\" \33[0m\377"..."#), b"a, (b\" \x1b[0m\xff");
    assert_eq!(unescaped(r#""a, (b\" \x1b[0m\xff""#), b"a, (b\" \x1b[0m\xff");
}
