#!/usr/bin/env python3
"""A UDP client as the lecture writes one, for Python 3: udpclient.py PORT [MESSAGE]

One datagram there, one back. If either gets lost, it waits for ever.
"""

import sys
from socket import AF_INET, SOCK_DGRAM, socket

message = sys.argv[2] if len(sys.argv) > 2 else "Hello world"
s = socket(AF_INET, SOCK_DGRAM)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.send(message.encode())
print(s.recv(1024).decode())
