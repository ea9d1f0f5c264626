//! Reads a trace file: what a program under `--trace-file` wrote, one line of JSON for each socket call.

use anyhow::{Context, Result};
use serde::Deserialize;

/// One socket call. The times are the system's monotonic clock, the same for both programs.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Call {
    /// When the program began to wait for this call, or made it.
    pub start_ns: u64,
    pub end_ns: u64,
    #[serde(rename = "call")]
    pub name: String,
    pub fd: Option<i64>,
    pub local: Option<String>,
    pub peer: Option<String>,
    /// The arguments after the descriptor and the data, with a comma and a space between them.
    pub arguments: String,
    /// How many bytes were sent or received; none for a call that moves none, and for one that failed.
    pub bytes: Option<i64>,
    /// The first bytes of the data, escaped as in Rust where they aren't printable ASCII.
    pub data: Option<String>,
    pub result: Option<i64>,
    pub error: Option<String>,
}

/// All calls of a trace file, in the order in which they began. A last line without its end is one that the program was
/// not left the time to finish, and is left out.
///
/// Errors: a line is not what a trace has.
pub fn parse(text: &str) -> Result<Vec<Call>> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut calls = Vec::new();
    for (index, line) in whole.lines().enumerate() {
        let call: Call =
            serde_json::from_str(line).with_context(|| format!("cannot understand line {} of a trace", index + 1))?;
        calls.push(call);
    }
    calls.sort_by_key(|call| (call.start_ns, call.end_ns));
    Ok(calls)
}

impl Call {
    /// Takes a connection, or data that somebody has sent: what a program waits for.
    pub fn receives(&self) -> bool {
        self.name.starts_with("recv") || matches!(self.name.as_str(), "accept" | "read" | "readv")
    }

    /// Gives data away.
    pub fn sends(&self) -> bool {
        self.name.starts_with("send") || matches!(self.name.as_str(), "write" | "writev")
    }

    pub fn waited_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// Whether the trace has only the first bytes of the data.
    pub fn data_is_cut(&self) -> bool {
        let shown = self.data.as_deref().map_or(0, |data| units(data).count());
        usize::try_from(self.bytes.unwrap_or(0)).is_ok_and(|bytes| bytes > shown)
    }
}

/// The bytes of escaped data, each as it is written: `a`, `\n`, `\xff`.
pub fn units(data: &str) -> impl Iterator<Item = &str> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let length = match rest.as_bytes() {
            [] => return None,
            [b'\\', b'x', ..] => 4,
            [b'\\', ..] => 2,
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        let (unit, others) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = others;
        Some(unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_by_when_the_call_began_and_an_unfinished_one_is_left_out() {
        let text = concat!(
            r#"{"program":"p","pid":1,"start_ns":9,"end_ns":10,"call":"close","fd":4,"local":null,"peer":null,"#,
            r#""arguments":"","bytes":null,"data":null,"result":0,"error":null}"#,
            "\n",
            r#"{"program":"p","pid":1,"start_ns":3,"end_ns":20,"call":"accept","fd":3,"local":null,"peer":null,"#,
            r#""arguments":"","bytes":null,"data":null,"result":null,"error":"EAGAIN"}"#,
            "\n",
            r#"{"program":"p","pid":1,"sta"#,
        );
        let calls = parse(text).unwrap();
        assert_eq!(calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["accept", "close"]);
        assert_eq!(calls[0].error.as_deref(), Some("EAGAIN"));
    }

    #[test]
    fn a_line_of_something_else_is_an_error_that_names_it() {
        let error = parse("hello\n").unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot understand line 1 of a trace: "), "{error:#}");
    }

    #[test]
    fn escaped_data_is_counted_in_bytes() {
        assert_eq!(units(r"a\n\xff\\b").collect::<Vec<_>>(), ["a", r"\n", r"\xff", r"\\", "b"]);
        let call = |bytes| Call { data: Some(r"a\r\n".to_owned()), bytes: Some(bytes), ..Call::default() };
        assert!(!call(3).data_is_cut());
        assert!(call(4).data_is_cut());
    }
}
