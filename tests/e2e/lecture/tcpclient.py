#!/usr/bin/env python3
"""A TCP client as the lecture writes one, for Python 3: tcpclient.py PORT [MESSAGE]

One send(), one recv(), and it prints what that returned, which need not be the whole reply. It leaves without a shutdown(),
so that the rest of a reply, if there is one, is answered with a reset.
"""

import sys
from socket import AF_INET, SOCK_STREAM, socket

message = sys.argv[2] if len(sys.argv) > 2 else "Hello world"
connection = socket(AF_INET, SOCK_STREAM)
connection.connect(("127.0.0.1", int(sys.argv[1])))
connection.send(message.encode())
print(connection.recv(1024).decode())
