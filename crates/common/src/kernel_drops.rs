//! How many datagrams the kernel has thrown away because a socket had no room for them.
//!
//! The kernel tells it with each datagram (`packet_info::count_drops`), but only with those that come after; what was lost
//! behind the last one that was received, nobody hears of. Its own list of sockets has the whole number: proc(5).

use std::collections::HashMap;
use std::fs;

use rustix::fd::AsFd;

/// Where the lists are, for IPv4 and IPv6.
const LISTS: [&str; 2] = ["/proc/self/net/udp", "/proc/self/net/udp6"];

/// How often they are read if a socket is missing.
const MOST_READINGS: usize = 3;

/// What finds a socket in the lists; None: they don't tell.
pub fn number(socket: impl AsFd) -> Option<u64> {
    rustix::fs::fstat(socket).ok().map(|stat| stat.st_ino)
}

/// How many datagrams there was no room for, in the sockets of these numbers together, as far as the lists can be read.
///
/// The kernel gives a list out in pieces, and between two of them a socket that comes or goes moves the others: so one may stand
/// there twice, and one is missing now and then.
pub fn of(sockets: &[u64]) -> u64 {
    let mut drops = HashMap::new();
    for _ in 0..MOST_READINGS {
        if drops.len() == sockets.len() {
            break;
        }
        for list in LISTS {
            drops.extend(in_list(&fs::read_to_string(list).unwrap_or_default(), sockets));
        }
    }
    drops.values().sum()
}

/// The drops of each of these sockets that is in the list. A line ends in `… uid timeout inode ref pointer drops`, and the inode is
/// its tenth word.
fn in_list(list: &str, sockets: &[u64]) -> HashMap<u64, u64> {
    let drops = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = words.get(9)?.parse().ok()?;
        sockets.contains(&number).then(|| Some((number, words.last()?.parse().ok()?))).flatten()
    };
    list.lines().filter_map(drops).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_its_number() {
        let list = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             7: 0100007F:07D0 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 4711 2 00000000deadbeef 12\n\
            29: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 00000000deadbeef 30\n";
        assert_eq!(in_list(list, &[4711]), HashMap::from([(4711, 12)]));
        assert_eq!(in_list(list, &[4712, 4711]), HashMap::from([(4711, 12), (4712, 30)]));
        assert_eq!(in_list(list, &[9]), HashMap::new());
        assert_eq!(in_list(&list.repeat(2), &[4711]), HashMap::from([(4711, 12)]), "once, however often it is there");
    }

    #[test]
    fn what_a_full_socket_loses_is_counted() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let number = number(&socket).unwrap();
        assert_eq!(of(&[number]), 0);
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // More than its buffer holds of such.
        let most = crate::sockopt::receive_buffer(&socket).unwrap() / 30_000 + 10;
        for _ in 0..most {
            sender.send_to(&[0; 60_000], socket.local_addr().unwrap()).unwrap();
        }
        assert!(of(&[number]) > 0);
    }
}
