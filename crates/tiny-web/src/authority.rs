//! `HOST:PORT`, as the field Host has it, and a target that is a whole URL. It is checked and not used: all hosts are one here.

use std::net::Ipv6Addr;

/// `uri-host [ ":" port ]`: an address in brackets, or a name, as RFC 3986, section 3.2.2 has them.
pub fn is_authority(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (is_host, after) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((literal, after)) => (literal.parse::<Ipv6Addr>().is_ok(), after),
        None => {
            let (name, after) = text.split_at(text.find(':').unwrap_or(text.len()));
            (name.bytes().all(|byte| byte == b'%' || is_of_name(byte)) && is_well_encoded(name.as_bytes()), after)
        }
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    is_host && (after.is_empty() || after.strip_prefix(':').is_some_and(is_port))
}

/// unreserved / sub-delims
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// Whether each `%` is followed by its two digits: pct-encoded = "%" HEXDIG HEXDIG, in section 2.1.
pub fn is_well_encoded(text: &[u8]) -> bool {
    let has_digits = |after: &[u8]| after.iter().take(2).filter(|byte| byte.is_ascii_hexdigit()).count() == 2;
    text.split(|&byte| byte == b'%').skip(1).all(has_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_and_what_is_none() {
        for good in ["", "a", "a:", "a:80", "192.0.2.7", "[::1]", "[::1]:80", "a%20b", "a_b!$"] {
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
            "[v1.a:b]",
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
