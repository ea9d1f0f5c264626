//! `HOST:PORT`, as the field Host has it, and a target that is a whole URL. It is checked and not used: all hosts are one here.

use std::net::Ipv6Addr;

/// `uri-host [ ":" port ]`: an address in brackets, or a name, as RFC 3986, section 3.2.2 has them.
pub fn is_authority(text: &[u8]) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    let (is_host, after) = match text.iter().position(|&byte| byte == b']') {
        Some(end) if text[0] == b'[' => {
            let literal = &text[1..end];
            let is_ipv6 = std::str::from_utf8(literal).is_ok_and(|literal| literal.parse::<Ipv6Addr>().is_ok());
            // IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
            let mut halves = literal.splitn(2, |&byte| byte == b'.');
            let (version, rest) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            let is_version = version.len() > 1
                && version[0].eq_ignore_ascii_case(&b'v')
                && version[1..].iter().all(u8::is_ascii_hexdigit);
            let is_future = is_version && !rest.is_empty() && rest.iter().all(|&byte| byte == b':' || is_of_name(byte));
            (is_ipv6 || is_future, &text[end + 1..])
        }
        Some(_) => return false,
        None => {
            let (name, after) = text.split_at(text.iter().position(|&byte| byte == b':').unwrap_or(text.len()));
            // pct-encoded = "%" HEXDIG HEXDIG
            let is_encoded = |at: usize| name.len() > at + 2 && name[at + 1..at + 3].iter().all(u8::is_ascii_hexdigit);
            let is_name = (0..name.len()).all(|at| is_of_name(name[at]) || (name[at] == b'%' && is_encoded(at)));
            (is_name, after)
        }
    };
    let is_port = after.is_empty() || (after[0] == b':' && after[1..].iter().all(u8::is_ascii_digit));
    is_host && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_and_what_is_none() {
        for good in ["", "a", "a:", "a:80", "192.0.2.7", "[::1]", "[::1]:80", "[v1.a:b]", "a%20b", "a_b!$"] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b",
            "a/b",
            "b@a",
            "a:b",
            "[::1",
            "::1",
            "[]",
            "[a]",
            "[v1]",
            "[v.a]",
            "a%",
            "a%4",
            "a%zz",
            "[::1]a",
            "a[::1]",
            "é",
            "[::1%25eth0]",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
