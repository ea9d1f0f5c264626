#!/usr/bin/env python3
"""A plain echo (RFC 862) as Python's socketserver makes it easy: a thread for each datagram, of at most 8,192 bytes."""

import socketserver
import sys


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        datagram, server = self.request
        server.sendto(datagram, self.client_address)


class Server(socketserver.ThreadingUDPServer):
    daemon_threads = True


with Server(("", 0), Echo) as server:
    print("listening on %s:%d" % server.server_address, file=sys.stderr, flush=True)
    server.serve_forever()
