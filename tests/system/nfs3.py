#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""nfs3.py COMMAND... - a little of an NFS version 3 client (RFC 1813), for file handles that are kept by clients.

	mount PORT PATH			prints the handle of an export, in hexadecimal
	lookup PORT HANDLE NAME		prints the handle of a name
	create PORT HANDLE NAME		the same of a new file
	read PORT HANDLE		prints the text of a file
	write PORT HANDLE TEXT		at its beginning

Exit status: 0; 70 for NFS3ERR_STALE; 1.
"""
import os
import socket
import struct
import sys

MOUNT, NFS = 100005, 100003
STALE = 70


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        self.at += 4
        return struct.unpack_from(">I", self.data, self.at - 4)[0]

    def bytes(self):
        n = self.number()
        self.at += (n + 3) & ~3
        return self.data[self.at - ((n + 3) & ~3):][:n]

    def attributes(self):
        if self.number():
            self.at += 84


def opaque(data):
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


def call(port, program, procedure, arguments):
    """The results of a call, behind its status, which ends the program if it is not 0."""
    me = struct.pack(">I", 0) + opaque(b"nfs3.py") + struct.pack(">III", 0, 0, 0)
    message = struct.pack(">IIIIII", 1, 0, 2, program, 3, procedure) + struct.pack(">I", 1) + opaque(me)
    message += struct.pack(">II", 0, 0) + arguments
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(60)
        s.connect(("127.0.0.1", port))
        s.sendall(struct.pack(">I", 0x80000000 | len(message)) + message)
        data, last = b"", False
        stream = s.makefile("rb")
        while not last:
            mark = struct.unpack(">I", stream.read(4))[0]
            last = mark >> 31
            data += stream.read(mark & 0x7fffffff)
    r = Reader(data)
    if (r.number(), r.number(), r.number()) != (1, 1, 0):
        sys.exit("the call was denied")
    r.number()
    r.bytes()
    if r.number() != 0:
        sys.exit("the server does not know the call")
    status = r.number()
    if status:
        print(f"error {status}", file=sys.stderr)
        sys.exit(STALE if status == STALE else 1)
    return r


def main(command, port, *args):
    port = int(port)
    handle = None if command == "mount" else opaque(bytes.fromhex(args[0]))
    if command == "mount":
        print(call(port, MOUNT, 1, opaque(os.fsencode(args[0]))).bytes().hex())
    elif command == "lookup":
        print(call(port, NFS, 3, handle + opaque(os.fsencode(args[1]))).bytes().hex())
    elif command == "create":
        r = call(port, NFS, 8, handle + opaque(os.fsencode(args[1])) + struct.pack(">IIIIIII", 0, 1, 0o644, 0, 0, 0, 0) +
                 struct.pack(">I", 0))
        if not r.number():
            sys.exit("no handle")
        print(r.bytes().hex())
    elif command == "read":
        r = call(port, NFS, 6, handle + struct.pack(">QI", 0, 4096))
        r.attributes()
        r.number()
        r.number()
        print(r.bytes().decode())
    elif command == "write":
        text = args[1].encode()
        call(port, NFS, 7, handle + struct.pack(">QII", 0, len(text), 2) + opaque(text))


main(*sys.argv[1:])
