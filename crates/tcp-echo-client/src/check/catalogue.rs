//! The checks by name, in the order in which they are made: the gentle ones first, and those that kill bad servers last.

use anyhow::Result;

use super::server::Visit;
use super::{alone, company, rude};

/// A check, and how it is made.
pub type Entry = common::check::Entry<fn(&Visit) -> Result<()>>;

/// All of them. The first is the one without which no other makes sense.
pub const ALL: [Entry; 21] = [
    Entry {
        name: "prefix",
        duty: "a line comes back, as it is or behind a text that is always the same",
        meaning: "It is no echo server; or what it puts before its replies changes, and nobody can take it off again; or it \
                  is another text than --prefix says.",
        fact: "An echo service sends back to its client whatever it receives (RFC 862). The lecture's puts a text before \
               each piece.",
        run: |_| Ok(()), // The first meeting has shown it.
    },
    Entry {
        name: "small",
        duty: "a small message comes back byte for byte, at once, and nothing behind it",
        meaning: "It waits for a newline, for a full buffer or for the end of input, it ends after the first message, or \
                  it changes what it sends back.",
        fact: "TCP is a stream of bytes, and knows neither lines nor messages (RFC 9293, section 2.2). What recv() \
               returns has to go out before the next recv(), because no more may ever come.",
        run: alone::small,
    },
    Entry {
        name: "bytes",
        duty: "every byte value from 0 to 255 comes back",
        meaning: "It takes what it receives for text: a string that ends with a zero byte, lines, or UTF-8.",
        fact: "What travels through a TCP connection is octets, whatever they stand for (RFC 9293, section 2.2). How many \
               there are is what recv() returns, not what strlen() finds.",
        run: alone::bytes,
    },
    Entry {
        name: "single-bytes",
        duty: "32 bytes sent one at a time come back one at a time",
        meaning: "It waits for more than one byte.",
        fact: "recv() returns what there is, be it one byte (recv(2)). It is not to be called again before that byte has \
               been answered.",
        run: alone::single_bytes,
    },
    Entry {
        name: "many-messages",
        duty: "100 messages one after the other on one connection come back",
        meaning: "It ends a conversation before its client does.",
        fact: "Once a TCP connection is established, data goes back and forth until the calling user ends it (RFC 862).",
        run: alone::many_messages,
    },
    Entry {
        name: "pipelined",
        duty: "a second message may be sent before the first has come back",
        meaning: "It counts on one message for each recv(), or forgets what came together with the first.",
        fact: "One recv() may return part of what was sent at once, or several sends together: only the sum of the bytes \
               is promised (RFC 9293, section 2.2).",
        run: alone::pipelined,
    },
    Entry {
        name: "large",
        duty: "a message of 100,000 bytes comes back whole",
        meaning: "It calls recv() once for each message, cuts off what its buffer doesn't hold, or loses the rest when \
                  send() takes only a part.",
        fact: "A message longer than a buffer takes several calls of recv(); and send() may take fewer bytes than it was \
               given, and returns how many (send(2)).",
        run: alone::large,
    },
    Entry {
        name: "duplex",
        duty: "8 MiB come back while they are still being sent",
        meaning: "It collects before it answers, loses data when both directions are busy, or stands still when they \
                  are full.",
        fact: "Both directions of a connection flow at the same time (RFC 9293, section 2.2). The kernel holds a few \
               megabytes of them: who only writes, against one who only writes, stands still after that.",
        run: alone::duplex,
    },
    Entry {
        name: "late-reader",
        duty: "a client that reads only after it can send no more still gets everything",
        meaning: "It loses what didn't fit when send() took only a part or failed with EAGAIN, it gives up a client \
                  that is slow, or it stands still for ever once everything between them has been full.",
        fact: "While the other side doesn't read, its window closes (RFC 9293, section 3.8.6), and send() takes a part of \
               the data, or nothing. The rest is to be sent later, not forgotten.",
        run: alone::late_reader,
    },
    Entry {
        name: "half-close",
        duty: "after the client's last word everything still comes back, and then the end",
        meaning: "It ends the conversation when it sees the end of its input, and loses what it hadn't sent by then.",
        fact: "shutdown(SHUT_WR) closes one direction. The other lives on until it is closed as well: who has closed may \
               continue to receive (RFC 9293, section 3.6).",
        run: alone::half_close,
    },
    Entry {
        name: "empty",
        duty: "a client that leaves without a word gets nothing, and the end",
        meaning: "It greets, or doesn't notice that its client is done, and keeps the connection for ever.",
        fact: "recv() returns 0 when the client has closed its direction (recv(2)); from then on it is for the server to \
               close the connection. Nothing received is nothing to echo (RFC 862).",
        run: alone::empty,
    },
    Entry {
        name: "clean-end",
        duty: "a conversation that is over ends with FIN, not with a reset",
        meaning: "It closes the connection with input that it hasn't read, or with SO_LINGER 0.",
        fact: "A close() while received data is still unread sends RST (RFC 9293, section 3.6.1), and that can destroy \
               data already on its way.",
        run: alone::clean_end,
    },
    Entry {
        name: "urgent",
        duty: "urgent data comes back in its place in the stream",
        meaning: "It has not set SO_OOBINLINE, so that the urgent byte is taken out of what recv() returns, and is lost; \
                  or it takes urgent data for an error. If it is silent, it may take a recv() that ends in front of the \
                  urgent byte for the last of what has come.",
        fact: "The urgent mechanism of TCP only marks a place in the stream, and the data belongs to it. It should be \
               received inline, with SO_OOBINLINE (RFC 6093, section 6).",
        run: alone::urgent,
    },
    Entry {
        name: "second-client",
        duty: "a second client is served while the first one is silent",
        meaning: "It serves one client at a time: whoever is connected and says nothing keeps everybody else out.",
        fact: "accept() takes one connection from the queue; the others are established by the kernel, and wait there for \
               the server (listen(2)). Threads, processes or an event loop serve them at once.",
        run: company::second_client,
    },
    Entry {
        name: "many-clients",
        duty: "50 clients at once get each their own",
        meaning: "It serves fewer clients at once, or mixes up what they have said.",
        fact: "A connection is a pair of addresses and ports (RFC 9293, section 3.4.1), and a descriptor of its own for \
               the server; what is kept for a client has to be kept for each.",
        run: company::many_clients,
    },
    Entry {
        name: "back-pressure",
        duty: "a client that never reads can't make it store 64 MiB",
        meaning: "It reads on while its replies can't be sent, and keeps them in memory: a single client can use it up.",
        fact: "A receiver that doesn't read closes its window, which makes the sender wait (RFC 9293, section 3.8.6). A \
               server hands that on to its client by not reading either.",
        run: company::back_pressure,
    },
    Entry {
        name: "deaf-client",
        duty: "a client that never reads keeps no other client waiting",
        meaning: "It waits in send() for one client, and everybody else waits with it.",
        fact: "On a socket that blocks, send() waits until there is room in its buffer, for as long as it takes (send(2)).",
        run: company::deaf_client,
    },
    Entry {
        name: "quick-connects",
        duty: "200 clients that leave at once, five at a time, keep no other waiting",
        meaning: "It does not get over a client that is gone before it is asked for its address or its first word; or its \
                  queue is too short, and a connection that finds no place there is tried again after a second.",
        fact: "A client may leave before accept() returns: then accept(), getpeername() or the first send() fails, and \
               that concerns this client alone (accept(2)). listen() sets how many may wait.",
        run: rude::quick_connects,
    },
    Entry {
        name: "no-leak",
        duty: "1,100 conversations one after the other leave nothing behind",
        meaning: "It forgets to close connections whose clients have gone, and runs out of descriptors, processes or \
                  threads.",
        fact: "A process has a limited number of descriptors, 1,024 on many systems (getrlimit(2)), and each connection \
               takes one until it is closed.",
        run: rude::no_leak,
    },
    Entry {
        name: "early-close",
        duty: "it survives a client that leaves without having read its reply",
        meaning: "An error of one connection ends the whole server: recv() or send() failed with ECONNRESET or EPIPE, and \
                  nobody caught it, or it was killed by SIGPIPE.",
        fact: "A close() while received data is still unread sends RST (RFC 9293, section 3.6.1), and the other side's \
               next call fails. The lecture's client does that to every reply of more than 1,024 bytes.",
        run: rude::early_close,
    },
    Entry {
        name: "reset",
        duty: "it survives connections that are reset at once, in the middle of a message, and while they are idle",
        meaning: "An error of one connection ends the whole server, or makes it forget the others.",
        fact: "Any peer may reset its connection at any time (RFC 9293, section 3.5.3). ECONNRESET, EPIPE and ETIMEDOUT \
               belong to one connection and are never a reason to leave the loop around accept().",
        run: rude::reset,
    },
];
