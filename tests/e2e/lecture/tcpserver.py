#!/usr/bin/env python3
"""A TCP server as the lecture writes one, for Python 3: one client at a time, and no error is expected.

It answers each piece that recv() returns, behind "echo -> ". The one addition is that the system chooses the port, and that
the server says which. A client that resets its connection is the end of it.
"""

import sys
from socket import AF_INET, SOCK_STREAM, socket

listener = socket(AF_INET, SOCK_STREAM)
listener.bind(("127.0.0.1", 0))
listener.listen(5)
print("listening on %s:%d" % listener.getsockname(), file=sys.stderr, flush=True)
while True:
    connection, address = listener.accept()
    piece = connection.recv(1024)
    while piece:
        connection.sendall(b"echo -> " + piece)
        piece = connection.recv(1024)
    connection.close()
