#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""together.py ONE OTHER [follow] - programs on two hosts in the same directory, which is mounted as ONE and as OTHER.

follow: who reads a file while it grows must never see other bytes than those that come to be there.
Prints what is wrong.  Exit status: 0, or 1.
"""
import errno
import fcntl
import multiprocessing
import os
import struct
import sys
import time

ONE, OTHER = sys.argv[1:3]
FOLLOWS = "follow" in sys.argv[3:]
failures = 0


def check(is_, should_be, what):
    global failures
    if is_ != should_be:
        failures += 1
        print(f"{what}: {is_!r}, not {should_be!r}", flush=True)


def error_of(f, *args):
    """What it returns, or the name of its errno."""
    try:
        return f(*args)
    except OSError as e:
        return errno.errorcode[e.errno]


def lock(fd, kind=fcntl.F_WRLCK):
    fcntl.fcntl(fd, fcntl.F_SETLKW, struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0))


def at_once(f, *arguments):
    """f in a process for each of them; what they return, in that order."""
    def run(pipe, argument):
        pipe.send(f(*argument))
    pipes = []
    for argument in arguments:
        here, there = multiprocessing.Pipe(False)
        multiprocessing.Process(target=run, args=(there, argument)).start()
        there.close()
        pipes.append(here)
    return [pipe.recv() for pipe in pipes]


def new(name, data=b""):
    fd = os.open(f"{ONE}/{name}", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, data)
    return fd


# ---- a number that all of them raise, under a lock; the file is opened each time: nothing is lost

def raise_number(directory, times):
    for _ in range(times):
        fd = os.open(f"{directory}/number", os.O_RDWR)
        lock(fd)
        os.pwrite(fd, b"%07d" % (int(os.pread(fd, 7, 0)) + 1), 0)
        os.close(fd)


def counting():
    os.close(new("number", b"0000000"))
    at_once(raise_number, *[(d, 250) for d in (ONE, ONE, ONE, OTHER)])
    check(open(f"{OTHER}/number").read(), "0001000", "1000 times one more")


# ---- records that are appended to files that stay open: whole, in the order of each writer; a reader follows

def record(who, n):
    return b"%d:%d" % (who, n) + b"." * (20 + 53 * who) + b"\n"


RECORDS, APPENDERS = 300, 4


def append(directory, who):
    fd = os.open(f"{directory}/log", (os.O_WRONLY, os.O_RDWR)[who // 2] | os.O_APPEND)
    for n in range(RECORDS):
        os.write(fd, record(who, n))


def follow(directory, size):
    fd, got = os.open(f"{directory}/log", os.O_RDONLY), b""
    while len(got) < size:
        got += os.pread(fd, 65536, len(got))
    return got


def appending():
    size = sum(len(record(who, n)) for who in range(APPENDERS) for n in range(RECORDS))
    os.close(new("log"))
    processes = [(append, (ONE, OTHER)[who % 2], who) for who in range(APPENDERS)] + [(follow, ONE, size)] * FOLLOWS
    results = at_once(lambda f, *args: f(*args), *processes)
    log = open(f"{OTHER}/log", "rb").read()
    check(len(log), size, "bytes of the log")
    for who in range(APPENDERS):
        check([line for line in log.splitlines(True) if line.startswith(b"%d:" % who)] ==
              [record(who, n) for n in range(RECORDS)], True, f"the records of {who} are whole and in order")
    check(results[APPENDERS:] == [log] * FOLLOWS, True, "the reader who followed has read the same")


# ---- who waits for each other is told so, once

def take_both(directory, first, second, barrier):
    fds = [os.open(f"{directory}/{name}", os.O_RDWR) for name in (first, second)]
    lock(fds[0])
    barrier.wait()
    return error_of(lock, fds[1])


def deadlock():
    barrier = multiprocessing.Barrier(2)
    for name in "left", "right":
        os.close(new(name))
    answers = at_once(take_both, (ONE, "left", "right", barrier), (OTHER, "right", "left", barrier))
    check(sorted(answers, key=str), [errno.errorcode[errno.EDEADLK], None], "locks in a circle")


# ---- what the other host removes or replaces can be used on

def uses(fd, what):
    for f, *args in ((os.pwrite, b"new", 0), (os.ftruncate, 100), (os.fsync,), (os.fchmod, 0o600), (os.fchown, 5, 5),
                     (os.utime, (1, 2)), (os.setxattr, "user.a", b"v"), (os.posix_fallocate, 0, 5000)):
        result = error_of(f, fd, *args)
        check(result in (None, 3), True, f"{what}: {f.__name__}: {result}")
    again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
    check((os.pread(again, 3, 0), os.getxattr(fd, "user.a"), os.listxattr(fd)), (b"new", b"v", ["user.a"]), what)
    st = os.fstat(fd)
    check((st.st_nlink, st.st_size, st.st_uid, st.st_mode & 0o777), (0, 5000, 5, 0o600), f"{what}: fstat")


def removed():
    fd = new("removed", b"old")
    os.unlink(f"{OTHER}/removed")
    uses(fd, "removed by the other host")
    fd = new("replaced", b"old")
    with open(f"{OTHER}/replacement", "w") as f:
        f.write("replacement")
    os.rename(f"{OTHER}/replacement", f"{OTHER}/replaced")
    uses(fd, "replaced by the other host")
    check(open(f"{OTHER}/replaced").read(), "replacement", "what replaced it")


def removed_directory():
    os.mkdir(f"{ONE}/directory")
    os.chdir(f"{ONE}/directory")
    fd = os.open(".", os.O_RDONLY)
    os.rmdir(f"{OTHER}/directory")
    made = [error_of(f, *args) for f, *args in ((os.open, "new", os.O_CREAT | os.O_RDWR), (os.mkdir, "new"),
            (os.symlink, "target", "new"), (os.mkfifo, "new"), (os.link, f"{ONE}/number", "new"),
            (os.rename, f"{ONE}/number", "new"), (os.unlink, "new"), (os.rmdir, "new"))]
    check(made, ["ENOENT"] * len(made), "changes in a directory that the other host removed")
    check(os.listdir(fd), [], "its entries")
    # another one of the same name is found, though a path leads there that the kernel remembers
    os.mkdir(f"{OTHER}/directory")
    os.mkdir(f"{ONE}/directory/new")
    check(os.listdir(f"{OTHER}/directory"), ["new"], "the new directory of that name")
    os.chdir("/")


multiprocessing.set_start_method("fork")
for case in counting, appending, deadlock, removed, removed_directory:
    begin = time.monotonic()
    case()
    print(f"   {case.__name__}: {time.monotonic() - begin:.1f} s")
sys.exit(1 if failures else 0)
