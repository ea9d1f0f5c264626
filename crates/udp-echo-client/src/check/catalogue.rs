//! The checks by name, in the order in which they are made: the gentle ones first, and those that kill bad servers last.

use anyhow::Result;

use super::server::Visit;
use super::{alone, company};

/// A check, and how it is made.
pub type Entry = common::check::Entry<fn(&Visit) -> Result<()>>;

/// All of them. The first is the one without which no other makes sense.
pub const ALL: [Entry; 18] = [
    Entry {
        name: "prefix",
        duty: "a datagram comes back, as it is or behind a text that is always the same",
        meaning: "It is no echo server; or what it puts before its replies is not what --prefix says, or changes, and nobody can \
                  take it off again.",
        fact: "An echo service sends the data of each datagram back in an answering datagram (RFC 862). The lecture's puts \
               a text before it.",
        run: |_| Ok(()), // The first meeting has shown it.
    },
    Entry {
        name: "small",
        duty: "datagrams of 1 to 16 bytes come back, each as it is and once",
        meaning: "It changes what it sends back, waits for more, or answers more than once.",
        fact: "A datagram is complete in itself: nothing has to come after it (RFC 768). Each has one answer (RFC 862).",
        run: alone::small,
    },
    Entry {
        name: "bytes",
        duty: "every byte value from 0 to 255 comes back",
        meaning: "It takes what it receives for text: a string that ends with a zero byte, lines, or UTF-8.",
        fact: "A datagram holds octets, whatever they stand for (RFC 768). How many there are is what recvfrom() returns, \
               not what strlen() finds.",
        run: alone::bytes,
    },
    Entry {
        name: "many-messages",
        duty: "100 datagrams one after the other from one client come back",
        meaning: "It answers a client's first datagram only, or gets tired of it.",
        fact: "There is no connection that could be over: each datagram is answered as the first was (RFC 862).",
        run: alone::many_messages,
    },
    Entry {
        name: "boundaries",
        duty: "two datagrams sent at once come back as two",
        meaning: "It passes datagrams on through a stream, a pipe to another program for instance, where nobody can tell \
                  any more where one ended.",
        fact: "UDP keeps the boundaries of messages: one sendto() there is one recvfrom() here (RFC 768). A stream does not.",
        run: alone::boundaries,
    },
    Entry {
        name: "burst",
        duty: "100 datagrams sent at once come back one by one",
        meaning: "It has no room for those that arrive while it is busy, is too slow for them, or glues them together.",
        fact: "What arrives while a server is busy waits in the socket's receive buffer; what doesn't fit is dropped without \
               a word (SO_RCVBUF in socket(7)). The default has room for a few hundred small ones.",
        run: alone::burst,
    },
    Entry {
        name: "order",
        duty: "on this machine, datagrams that are sent at once come back in their order",
        meaning: "It hands each datagram to a thread of its own, and chance decides which is first. Whoever measures a \
                  network with it finds disorder that the network has not made.",
        fact: "UDP promises no order, and a client has to bear with any (RFC 8085, section 3.3). But a socket hands out \
               datagrams as they came, and within a machine nothing else changes their order.",
        run: alone::order,
    },
    Entry {
        name: "packet",
        duty: "datagrams of up to 1,472 bytes, as much as an Ethernet packet holds, come back whole",
        meaning: "Its buffer is smaller than a packet, 1,024 bytes perhaps as in the lecture, and the rest is cut off.",
        fact: "What doesn't fit into the buffer of recvfrom() is discarded, and nobody is told (recvfrom(2)).",
        run: alone::packet,
    },
    Entry {
        name: "fragments",
        duty: "datagrams of up to 8,192 bytes, which travel in several packets, come back whole",
        meaning: "Its buffer is smaller, 2,048 bytes for instance; or fragments don't get through, there or back.",
        fact: "A datagram that is larger than a packet is cut into fragments by IP and put together again before it is \
               delivered (RFC 791, section 3.2).",
        run: alone::fragments,
    },
    Entry {
        name: "large",
        duty: "datagrams of up to 60,000 bytes come back whole",
        meaning: "Its buffer has 8,192 bytes, as that of most programs, and the rest is cut off.",
        fact: "A datagram may have up to 65,507 bytes: a buffer of 65,535 bytes can't be too small (RFC 768).",
        run: alone::large,
    },
    Entry {
        name: "largest",
        duty: "the largest datagrams there are come back whole: 65,507 bytes over IPv4, 65,527 over IPv6, prefix included",
        meaning: "Its buffer is a little smaller than the largest datagram, 65,500 bytes perhaps.",
        fact: "The length fields of IP and UDP have 16 bits: 65,535 less the 8 bytes of UDP's header and, over IPv4, the 20 \
               of IP's (RFC 768, RFC 791).",
        run: alone::largest,
    },
    Entry {
        name: "source",
        duty: "the reply comes from the address that was asked",
        meaning: "It is bound to every interface, and leaves to the routing table which of the machine's addresses the \
                  reply comes from. A client with a connected socket never sees it.",
        fact: "The reply should come from the address that the request was sent to (RFC 1122, section 4.1.3.5). See \
               IP_PKTINFO in ip(7).",
        run: alone::source,
    },
    Entry {
        name: "second-client",
        duty: "a second client is served while the first one is silent, and then the first again",
        meaning: "It serves one client at a time, as if there were connections.",
        fact: "One socket is there for all clients: recvfrom() tells whose each datagram is (recvfrom(2)).",
        run: company::second_client,
    },
    Entry {
        name: "interleaved",
        duty: "two clients that send by turns get their own replies, and only those",
        meaning: "It remembers whom to answer from one datagram to the next, and mixes clients up.",
        fact: "Each reply goes to the address that came with its datagram, not with the last one (recvfrom(2)).",
        run: company::interleaved,
    },
    Entry {
        name: "many-clients",
        duty: "50 clients that send their first datagram at the same time are all answered",
        meaning: "It makes a socket or a process for each client, and loses what arrives meanwhile.",
        fact: "A socket that is connected to its first client is deaf to all others (connect(2)); what arrives for them in \
               that moment is lost.",
        run: company::many_clients,
    },
    Entry {
        name: "in-turn",
        duty: "200 clients, one after the other, are answered",
        meaning: "Something of each client is left behind, a process or a descriptor, until there are no more.",
        fact: "A UDP server is never told that a client has gone: what it keeps for one it keeps for ever, or until some time \
               of its own is over.",
        run: company::in_turn,
    },
    Entry {
        name: "vanished",
        duty: "a client that is gone before its reply comes disturbs nobody",
        meaning: "It ends, or stops, when the network tells it that a reply found nobody.",
        fact: "The answer to a reply that finds nobody is an ICMP message, which a later call of the server may return as \
               ECONNREFUSED (RFC 1122, section 4.1.3.3; udp(7)). It concerns that reply only.",
        run: company::vanished,
    },
    Entry {
        name: "empty",
        duty: "an empty datagram comes back, and is not the end",
        meaning: "It takes a length of 0 for the end of its input, as with TCP: and ends, stops, or doesn't answer.",
        fact: "A datagram without data is a datagram: recvfrom() returns 0 for it (recvfrom(2)). UDP has no end of file.",
        run: alone::empty,
    },
];
