#!/usr/bin/env python3
"""A UDP server as the lecture writes one, for Python 3.

It takes an empty datagram for the end of its input, and what is longer than 1,024 bytes loses the rest. The one addition is
that the system chooses the port, and that the server says which.
"""

import sys
from socket import AF_INET, SOCK_DGRAM, socket

s = socket(AF_INET, SOCK_DGRAM)
s.bind(("", 0))
print("listening on %s:%d" % s.getsockname(), file=sys.stderr, flush=True)
datagram, address = s.recvfrom(1024)
while datagram:
    print("UDP server:", datagram, "from", address, flush=True)
    s.sendto(b"echo -> " + datagram, address)
    datagram, address = s.recvfrom(1024)
