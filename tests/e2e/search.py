#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who has these bytes? Looks for a secret in files and in the memory of processes, as it is, in hexadecimal digits and in base64.

    search.py PATTERN-FILE... -- PATH-OR-PID...

Prints each place where one is found. Exit 0: found; 1: nowhere. Paths are walked; what is not a regular file is passed over.
"""
import base64
import os
import sys

CHUNK = 1 << 20


def forms(secret):
    """Base64 of the same bytes differs by where in a group of three they stand; the characters in between do not."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret)
        yield encoded[4 if before else 0 : -4]


def search(stream, size, patterns):
    overlap = max(map(len, patterns)) - 1
    tail = b""
    while size > 0:
        try:
            block = stream.read(min(CHUNK, size))
        except OSError:  # a page that is not there: [vvar]
            return False
        if not block:
            return False
        size -= len(block)
        tail += block
        if any(p in tail for p in patterns):
            return True
        tail = tail[-overlap:]
    return False


def in_memory(pid, patterns):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            area, rights = line.split()[:2]
            start, end = (int(x, 16) for x in area.split("-"))
            if not rights.startswith("r"):
                continue
            memory.seek(start)
            if search(memory, end - start, patterns):
                yield f"process {pid}: {line.strip()}"


def in_files(top, patterns):
    paths = [top] if os.path.isfile(top) else (os.path.join(d, f) for d, _, names in os.walk(top) for f in names)
    for path in paths:
        if os.path.islink(path) or not os.path.isfile(path):
            continue
        try:
            with open(path, "rb") as stream:
                if search(stream, os.fstat(stream.fileno()).st_size, patterns):
                    yield path
        except FileNotFoundError:
            pass


def main():
    words = sys.argv[1:]
    at = words.index("--")
    patterns = [form for path in words[:at] for form in forms(open(path, "rb").read())]
    found = False
    for place in words[at + 1 :]:
        for hit in in_memory(place, patterns) if place.isdigit() else in_files(place, patterns):
            print(hit)
            found = True
    sys.exit(0 if found else 1)


if __name__ == "__main__":
    main()
