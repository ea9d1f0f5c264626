"""A peer for `cargo xtask bench tcp`: the echo in Python, with asyncio's own event loop or with uvloop's.

python3 echo.py asyncio 2000
"""

import asyncio
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def serve(port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


kind, port = sys.argv[1], int(sys.argv[2])
if kind == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(serve(port))
