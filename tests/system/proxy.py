#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""proxy.py PORT HOST TARGET-PORT - passes connections on, and breaks them when it is told to.

SIGUSR1: all connections are reset (RST), on both sides.
SIGUSR2: all connections are closed in good order (FIN), on both sides, with what was under way.
SIGHUP:  the same as SIGUSR1, and nobody listens for two seconds.
It comes from a port below 1024, as clients of glusterfs do.
Prints its process when it listens.
"""
import asyncio
import os
import signal
import socket
import struct
import sys

port, host, target = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
writers = set()
server = None


def outgoing():
    for low in range(600, 1024):
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("", low))
            s.connect((host, target))
            s.setblocking(False)
            return s
        except OSError:
            s.close()
    raise OSError("no port is free")


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def accepted(reader, writer):
    try:
        r2, w2 = await asyncio.open_connection(sock=outgoing())
    except OSError:
        writer.transport.abort()
        return
    mine = {writer, w2}
    writers.update(mine)
    await asyncio.gather(pump(reader, w2), pump(r2, writer))
    writers.difference_update(mine)


def break_all(reset):
    for w in list(writers):
        s = w.get_extra_info("socket")
        if reset and s is not None:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        w.transport.abort()


async def rest():
    global server
    server.close()
    break_all(True)
    await asyncio.sleep(2)
    server = await asyncio.start_server(accepted, "127.0.0.1", port)


async def main():
    global server
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, break_all, True)
    loop.add_signal_handler(signal.SIGUSR2, break_all, False)
    loop.add_signal_handler(signal.SIGHUP, lambda: asyncio.ensure_future(rest()))
    server = await asyncio.start_server(accepted, "127.0.0.1", port)
    print(os.getpid(), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
