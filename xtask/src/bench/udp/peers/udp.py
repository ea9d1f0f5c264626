"""A peer for `cargo xtask bench udp`: the echo in Python, as a loop around a socket or with asyncio.

python3 udp.py loop 2000
"""

import asyncio
import socket
import sys


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.transport.sendto(data, peer)


async def serve(port):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Echo, ("127.0.0.1", port))
    await asyncio.Event().wait()


def loop(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", port))
    buffer = bytearray(65535)
    view = memoryview(buffer)
    while True:
        length, peer = server.recvfrom_into(buffer)
        server.sendto(view[:length], peer)


kind, port = sys.argv[1], int(sys.argv[2])
if kind == "asyncio":
    asyncio.run(serve(port))
else:
    loop(port)
