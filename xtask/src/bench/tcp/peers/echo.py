"""A peer for `cargo xtask bench tcp`: the echo in Python, with asyncio's own event loop or with uvloop's.

"streams" is how the documentation of asyncio does it, a coroutine for each connection; "protocol" is the layer below,
callbacks without a coroutine.

python3 echo.py asyncio streams 2000
"""

import asyncio
import sys


async def echo(reader, writer):
    while data := await reader.read(32 * 1024):
        writer.write(data)
        await writer.drain()
    writer.close()


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def serve(layer, port):
    if layer == "streams":
        server = await asyncio.start_server(echo, "127.0.0.1", port, backlog=1024)
    else:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


kind, layer, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(serve(layer, port))
