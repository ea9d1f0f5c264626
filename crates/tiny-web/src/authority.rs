//! `HOST:PORT`, as the field Host has it, and a target that is a whole URL. It is checked and not used: all hosts are one here.

use std::net::Ipv6Addr;

/// `uri-host [ ":" port ]`: an address in brackets, or a name, as RFC 3986, section 3.2.2 has them.
pub fn is_authority(text: &[u8]) -> bool {
    let at = |wanted: u8| text.iter().position(|&byte| byte == wanted);
    let (is_host, after) = match (text, at(b']')) {
        ([b'[', ..], Some(end)) => (is_ip_literal(&text[1..end]), &text[end + 1..]),
        _ => {
            let (name, after) = text.split_at(at(b':').unwrap_or(text.len()));
            (name.iter().all(|&byte| byte == b'%' || is_of_name(byte)) && is_well_encoded(name), after)
        }
    };
    is_host && (after.is_empty() || after.strip_prefix(b":").is_some_and(|port| port.iter().all(u8::is_ascii_digit)))
}

/// An address of IPv6, or of the future: IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
fn is_ip_literal(literal: &[u8]) -> bool {
    let mut parts = literal.splitn(2, |&byte| byte == b'.');
    let (Some([b'v' | b'V', version @ ..]), Some(rest)) = (parts.next(), parts.next()) else {
        return std::str::from_utf8(literal).is_ok_and(|literal| literal.parse::<Ipv6Addr>().is_ok());
    };
    let is_version = !version.is_empty() && version.iter().all(u8::is_ascii_hexdigit);
    is_version && !rest.is_empty() && rest.iter().all(|&byte| byte == b':' || is_of_name(byte))
}

/// unreserved / sub-delims
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=')
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
        for good in [
            "",
            "a",
            "a:",
            "a:80",
            "192.0.2.7",
            "[::1]",
            "[::1]:80",
            "[::192.0.2.7]",
            "[v1.x]",
            "[V1f.a:b.c]:80",
            "a%20b",
            "a_b!$",
        ] {
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
            "[v1.]",
            "[v.a]",
            "[vg.a]",
            "[v1.a/b]",
            "[v1.é]",
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
