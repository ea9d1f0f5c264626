//! Who is not answered at all: senders that can only be forged, other servers, and those to whom there is no way.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{account, for_each_design, local, number, over_after, server};
use crate::namespace::{forge, inside, packets_on_loopback};
use crate::udp::peer::{ask, client, client_at};

/// A datagram that is forged in the name of `from` is not answered, and counted as `what`; the next client is served.
fn is_not_answered(host: &str, from: SocketAddrV4, to: SocketAddrV4, what: &str) {
    let before = packets_on_loopback();
    let server = server(host, to.port(), &[]);
    for _ in 0..3 {
        forge(from, to, b"x");
    }
    assert_eq!(over_after(&[to.into()]) - before, 3);
    let (account, said) = account(server);
    assert_eq!(number(&account, "received") - number(&account, "answered"), 3, "{account}");
    assert_eq!(number(&account, what), 3, "{account}");
    assert!(said.len() == 1 && said[0].contains(&format!(" does not answer {from}: ")), "{said:?}");
}

#[test]
fn port_0_is_not_answered() {
    inside(|| for_each_design(|| is_not_answered("127.0.0.1", local(1, 0), local(1, 2000), "from port 0")));
}

#[test]
fn port_0_is_not_answered_on_every_interface() {
    inside(|| for_each_design(|| is_not_answered("", local(1, 0), local(1, 2000), "from port 0")));
}

#[test]
fn the_server_itself_is_not_answered() {
    inside(|| for_each_design(|| is_not_answered("127.0.0.1", local(1, 2000), local(1, 2000), "from ourselves")));
}

#[test]
fn the_server_itself_is_not_answered_on_any_address() {
    inside(|| for_each_design(|| is_not_answered("", local(3, 2000), local(3, 2000), "from ourselves")));
}

#[test]
fn the_server_itself_by_another_address_is_not_answered() {
    inside(|| for_each_design(|| is_not_answered("", local(2, 2000), local(1, 2000), "from our own port")));
}

#[test]
fn our_own_port_is_answered_on_request() {
    inside(|| {
        for_each_design(|| {
            let to = local(1, 2000).into();
            for allowed in [false, true] {
                let server = server("127.0.0.1", 2000, if allowed { &["--allow-same-port"] } else { &[] });
                let neighbour = client_at(local(2, 2000));
                neighbour.send_to(b"from 2000", to).unwrap();
                ask(&client(), to, b"and then?");
                let (account, said) = account(server);
                assert_eq!(
                    account,
                    if allowed { "received 2, answered 2" } else { "received 2, answered 1, from our own port 1" }
                );
                assert!(allowed || said[0].contains("--allow-same-port"), "{said:?}");
            }
        })
    });
}

#[test]
fn low_ports_are_answered_on_request() {
    inside(|| {
        for_each_design(|| {
            let to = local(1, 2000).into();
            for allowed in [false, true] {
                let server = server("", 2000, if allowed { &["--allow-low-ports"] } else { &[] });
                for port in [7, 53, 1023, 1024] {
                    client_at(local(1, port)).send_to(b"from a server?", to).unwrap();
                }
                ask(&client(), to, b"and then?");
                let (account, said) = account(server);
                assert_eq!(
                    account,
                    if allowed { "received 5, answered 5" } else { "received 5, answered 2, from a low port 3" }
                );
                assert!(allowed || said[0].contains("--allow-low-ports"), "{said:?}");
            }
        })
    });
}

#[test]
fn a_broadcast_is_not_answered() {
    inside(|| {
        for_each_design(|| {
            let server = server("", 2000, &[]);
            let client = client();
            client.set_broadcast(true).unwrap();
            client.send_to(b"anybody?", "127.255.255.255:2000").unwrap();
            ask(&client, local(1, 2000).into(), b"you there?");
            assert_eq!(account(server).0, "received 2, answered 1, to many 1");
        })
    });
}

#[test]
fn an_answer_that_has_no_way_to_go_is_counted_and_the_next_client_is_answered() {
    inside(|| {
        for_each_design(|| {
            let ours = server("127.0.0.1", 2001, &["--rate-limit", "off"]);
            // There's no route to it in this network: sendto fails, and that is all that may happen.
            let nowhere = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 9), 40_000);
            for _ in 0..3 {
                forge(nowhere, local(1, 2001), b"Hello");
            }
            let client = client();
            assert_eq!(ask(&client, ours.address, b"still there?"), b"echo -> still there?");
            let (account, said) = account(ours);
            assert_eq!(account, "received 4, answered 1, not sent 3");
            assert!(said.len() == 1 && said[0].contains("to 203.0.113.9:40000: "), "{said:?}");
        })
    });
}
