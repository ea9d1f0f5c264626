#!/usr/bin/env python3
"""Asks a web server twice on one connection: keepalive.py PORT

Python's own HTTP client opens a second connection by itself when the first has been closed, so the two local ports are
compared.
"""

import sys
from http.client import HTTPConnection

connection = HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
ports = []
for _ in range(2):
    connection.request("GET", "/")
    ports.append(connection.sock.getsockname()[1])
    response = connection.getresponse()
    page = response.read().decode()
    print(response.status, "Hello world!" in page, len(page) == int(response.headers["Content-Length"]))
print("one connection" if ports[0] == ports[1] else "two connections")
