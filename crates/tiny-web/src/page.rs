//! The pages that the server makes itself: the lecture's, and the one that says what went wrong.
//!
//! The lecture's reply was this, whatever was asked:
//!
//! ```text
//! HTTP-Version: HTTP/1.0 200 OK
//! Content-Length: 3012
//! Content-Type: text/html
//!
//! <p>Hello world!</p>
//! <body>
//! ```
//!
//! Browsers are patient, and some of them show it. What is wrong with it:
//!
//! - The first line is no status line. `HTTP-Version` is the name of a rule in the grammar; what goes on the wire is
//!   `HTTP/1.0 200 OK`. A strict client takes the line for a field, and the reply for one of HTTP/0.9, or for noise.
//! - `Content-Length: 3012` promises 2,985 bytes more than the 27 that follow. As the connection stays open, the client
//!   waits for them until one of the two gives up.
//! - The lines end with a line feed alone; HTTP's end with carriage return and line feed.
//! - `<body>` comes after the paragraph that should be in it, and is never closed. No character encoding is named.
//! - There is one reply for each piece that `recv` returns, not for each request: a request that arrives in two pieces gets
//!   two, and two requests in one piece get one.
//!
//! Here the page is counted, the head is made by `response.rs`, and requests are told apart by `request.rs`.

/// The type of all pages that the server makes.
pub const HTML: &str = "text/html; charset=utf-8";

/// What the lecture's page says.
pub const LECTURE: &str = "Hello world!";

/// Its icon, which browsers ask for whether there is one or not: a socket, with its three contacts.
pub const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7.5" fill="#357"/>
<path d="M4 7v3M12 7v3M8 3v3" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>
"##;

/// A small whole document that says this and no more. It is the server's own text, so nothing needs escaping.
pub fn saying(text: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{text}</title></head>
<body>
<p>{text}</p>
</body>
</html>
"#
    )
}
