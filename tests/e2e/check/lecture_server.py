#!/usr/bin/env python3
"""A TCP server in the lecture's shape, for Python 3: one client at a time, and no error is expected."""

import socket
import sys

listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.bind(("127.0.0.1", 0))
listener.listen(5)
print("listening on %s:%d" % listener.getsockname(), file=sys.stderr, flush=True)
while True:
    connection, address = listener.accept()
    while True:
        data = connection.recv(1024)
        if not data:
            break
        connection.sendall(b"echo -> " + data)
    connection.close()
