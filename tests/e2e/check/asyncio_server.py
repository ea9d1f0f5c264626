#!/usr/bin/env python3
"""A plain echo (RFC 862) as Python's asyncio makes it easy, and right: many clients, back-pressure, no error is the end."""

import asyncio
import socket
import sys


async def converse(reader, writer):
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
    except OSError:
        writer.close()


async def serve():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(converse, sock=listener)
    print("listening on %s:%d" % listener.getsockname(), file=sys.stderr, flush=True)
    await server.serve_forever()


asyncio.run(serve())
