#!/usr/bin/env python3
"""A plain echo (RFC 862) for many clients, right in everything but one: an error of one connection is the end of it."""

import selectors
import socket
import sys

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
listener.bind(("127.0.0.1", 0))
listener.listen(128)
print("listening on %s:%d" % listener.getsockname(), file=sys.stderr, flush=True)
selector = selectors.DefaultSelector()
selector.register(listener, selectors.EVENT_READ)
while True:
    for key, events in selector.select():
        connection, unsent = key.fileobj, key.data
        if connection is listener:
            connection, address = listener.accept()
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ, bytearray())
            continue
        ended = False
        if events & selectors.EVENT_READ:
            piece = connection.recv(65536)
            ended = not piece
            unsent += piece
        if unsent:
            try:
                del unsent[: connection.send(unsent)]
            except BlockingIOError:
                pass
        if unsent:
            # No more of this client until it has read what it has got.
            selector.modify(connection, selectors.EVENT_WRITE, unsent)
        elif ended:
            selector.unregister(connection)
            connection.close()
        else:
            selector.modify(connection, selectors.EVENT_READ, unsent)
