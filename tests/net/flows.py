#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Flows that stay open: flows.py tcp|udp TARGET SERVER-ADDRESS SERVER-NETNS CLIENT-NETNS...

Each client opens one flow to TARGET port 7000 and sends one message; then "ready" is printed. A line "I there" or "I back" on standard
input sends one message over flow I in that direction and prints "through" or "lost": whether it arrived. A message that is lost stays
lost for that line: TCP repeats it by itself, so what arrives later is read and forgotten before the next one is sent.
"""
import ctypes
import os
import socket
import struct
import sys
import time

PORT = 7000
PATIENCE = 0.4
libc = ctypes.CDLL(None, use_errno=True)


def enter(netns):
    fd = os.open("/run/netns/" + netns, os.O_RDONLY)
    if libc.setns(fd, 0) < 0:
        raise OSError(ctypes.get_errno(), "setns " + netns)
    os.close(fd)


def forget(node):
    """Deletes every tracked connection of the node: IPCTNL_MSG_CT_DELETE without attributes."""
    libc.setns(node, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:
        s.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, 0, 0, 0))
        if struct.unpack_from("=i", s.recv(4096), 16)[0] != 0:
            raise OSError("cannot forget connections")


def make(netns, kind, family):
    enter(netns)
    s = socket.socket(family, kind)
    s.settimeout(5)
    return s


def arrives(receiver, message, udp):
    """Whether this message comes; older ones are skipped."""
    got, end = b"", time.monotonic() + PATIENCE
    while time.monotonic() < end:
        receiver.settimeout(max(end - time.monotonic(), 0.001))
        try:
            got += receiver.recv(65536) if not udp else receiver.recvfrom(65536)[0]
        except (TimeoutError, socket.timeout):
            break
        if message in got:
            return True
    return False


def main():
    protocol, target, server_address, server_netns, *clients = sys.argv[1:]
    node = os.open("/proc/self/ns/net", os.O_RDONLY)
    udp = protocol == "udp"
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    server = make(server_netns, kind, family)
    server.bind((server_address, PORT))
    if not udp:
        server.listen(8)
    flows = []
    for netns in clients:
        client = make(netns, kind, family)
        client.connect((target, PORT))
        client.send(b"hello")
        if udp:
            peer = server.recvfrom(100)[1]
            flows.append((client, server, peer))
        else:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = server.accept()[0]
            peer.settimeout(5)
            peer.recv(5)
            flows.append((client, peer, None))
    print("ready", flush=True)
    for number, line in enumerate(sys.stdin):
        which, direction = line.split()
        if which == "forget":
            forget(node)
            print("forgotten", flush=True)
            continue
        client, peer, address = flows[int(which)]
        message = b"<%d>" % number
        sender, receiver = (client, peer) if direction == "there" else (peer, client)
        if udp and direction == "back":
            sender.sendto(message, address)
        else:
            sender.send(message)
        print("through" if arrives(receiver, message, udp) else "lost", flush=True)


main()
