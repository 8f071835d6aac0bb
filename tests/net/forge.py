#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Frames as a pod could make them: forge.py DEVICE MAC4 MAC6-SOURCES... sent as they are from the network namespace it runs in.

forge.py DEVICE mac=… ip=… ip6=… ll=… [his_mac=… his_ip=… his_ip6=… his_ll=…] [to_mac=… to_ip6=…] FRAME...

Own addresses, and those of somebody else; to_* is the receiver (default: everyone). FRAME is a name of the tables below.
"""
import ipaddress
import socket
import struct
import sys

ALL = "ff:ff:ff:ff:ff:ff"
IPV4, ARP, IPV6, VLAN, LLDP = 0x0800, 0x0806, 0x86DD, 0x8100, 0x88CC
UDP, ICMPV6, HOP, DESTINATION, FRAGMENT = 17, 58, 0, 60, 44
ANY4, ANY6 = "0.0.0.0", "::"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ip(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(source, kind, payload, to=ALL):
    return mac(to) + mac(source) + struct.pack("!H", kind) + payload


def ipv4(source, destination, payload, protocol=UDP):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + ip(source) + ip(destination)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(sport, dport, data=b"x" * 8):
    return struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


def ipv6(source, destination, payload, following=UDP, hops=255):
    return struct.pack("!IHBB", 6 << 28, len(payload), following, hops) + ip(source) + ip(destination) + payload


def icmpv6(source, destination, kind, body, code=0):
    message = struct.pack("!BBH", kind, code, 0) + body
    pseudo = ip(source) + ip(destination) + struct.pack("!II", len(message), ICMPV6)
    return message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]


def discovery(source, destination, kind, body, behind=b"", following=ICMPV6):
    """`behind`: extension headers, the first of which is `following`."""
    return ipv6(source, destination, behind + icmpv6(source, destination, kind, body), following)


def option(kind, address):
    return bytes([kind, 1]) + mac(address)


def padded(following):
    """An extension header of 8 bytes that says nothing."""
    return bytes([following, 0, 1, 4, 0, 0, 0, 0])


def fragment(following, offset=0, more=0):
    return struct.pack("!BBHI", following, 0, offset << 3 | more, 7)


def arp(operation, sender_mac, sender_ip, target_mac, target_ip):
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + mac(sender_mac) + ip(sender_ip) + mac(target_mac) + ip(target_ip)


class Frames:
    def __init__(self, who):
        self.__dict__.update(who)
        self.to = who.get("to_mac", ALL)
        self.to6 = who.get("to_ip6", "ff02::1")

    def v4(self, source, payload=None, destination="10.9.0.11", **more):
        return ethernet(self.mac, IPV4, ipv4(source, destination, payload or udp(1000, 2000), **more), self.to)

    def v6(self, packet):
        return ethernet(self.mac, IPV6, packet, self.to)

    def arp(self, *fields):
        return ethernet(self.mac, ARP, arp(*fields), self.to)

    def nd(self, kind, body, source=None, **more):
        return self.v6(discovery(source or self.ll, self.to6, kind, body, **more))

    def advertisement(self, target, address, source=None, **more):
        return self.nd(136, struct.pack("!I", 0x60000000) + ip(target) + option(2, address), source, **more)

    def solicitation(self, target, options=b"", source=None):
        return self.nd(135, bytes(4) + ip(target) + options, source)

    def router(self, **more):
        return self.nd(134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + option(1, self.mac), **more)

    # What a pod may send.
    def own4(self): return self.v4(self.ip)
    def own6(self): return self.v6(ipv6(self.ip6, "fd09::11", udp(1000, 2000)))
    def link_local(self): return self.v6(ipv6(self.ll, "ff02::1", icmpv6(self.ll, "ff02::1", 128, bytes(4)), ICMPV6))
    def arp_request(self): return self.arp(1, self.mac, self.ip, "00:00:00:00:00:00", self.his_ip)
    def arp_reply(self): return self.arp(2, self.mac, self.ip, self.his_mac, self.his_ip)
    def arp_probe(self): return self.arp(1, self.mac, ANY4, "00:00:00:00:00:00", self.ip)
    def own_advertisement(self): return self.advertisement(self.ip6, self.mac)
    def bare_advertisement(self): return self.nd(136, struct.pack("!I", 0x60000000) + ip(self.ip6))
    def asks(self): return self.solicitation(self.his_ip6, option(1, self.mac))
    def detects(self): return self.solicitation(self.ip6, source=ANY6)
    def detects_with_nonce(self): return self.solicitation(self.ip6, bytes([14, 1]) + b"nonce!", ANY6)
    def asks_for_routers(self): return self.nd(133, bytes(4) + option(1, self.mac))
    def asks_for_routers_without_address(self): return self.nd(133, bytes(4), ANY6)
    def reports(self): return self.nd(143, bytes(4), ANY6, behind=bytes([ICMPV6, 0, 5, 2, 0, 0, 1, 0]), following=HOP)
    def discovers(self): return self.v4(ANY4, udp(68, 67), "255.255.255.255")
    def discovers6(self): return self.v6(ipv6(self.ll, "ff02::1:2", udp(546, 547)))
    def fragment_of_ping(self): return self.v6(ipv6(self.ip6, "fd09::11", fragment(ICMPV6, 100) + b"\x86" * 64, FRAGMENT))
    def behind_options(self): return self.v6(ipv6(self.ip6, "fd09::11", padded(UDP) + udp(1000, 2000), DESTINATION))

    # What it may not.
    def wrong_mac(self): return ethernet(self.his_mac, IPV4, ipv4(self.ip, "10.9.0.11", udp(1000, 2000)))
    def wrong_mac6(self): return ethernet(self.his_mac, IPV6, ipv6(self.ip6, "fd09::11", udp(1000, 2000)))
    def wrong_mac_arp(self): return ethernet(self.his_mac, ARP, arp(2, self.mac, self.ip, self.his_mac, self.his_ip))
    def wrong4(self): return self.v4(self.his_ip)
    def wrong4_icmp(self): return self.v4(self.his_ip, b"\x08\0\0\0" + bytes(4), protocol=1)
    def nobody4(self): return self.v4(ANY4)
    def loopback4(self): return self.v4("127.0.0.1")
    def wrong6(self): return self.v6(ipv6(self.his_ip6, "fd09::11", udp(1000, 2000)))
    def wrong_link_local(self): return self.v6(ipv6(self.his_ll, "ff02::1", icmpv6(self.his_ll, "ff02::1", 128, bytes(4)), ICMPV6))
    def nobody6(self): return self.v6(ipv6(ANY6, "fd09::11", udp(1000, 2000)))
    def detects_his(self): return self.solicitation(self.his_ip6, source=ANY6)
    def arp_for_him(self): return self.arp(2, self.mac, self.his_ip, self.mac, self.his_ip)
    def arp_request_as_he(self): return self.arp(1, self.mac, self.his_ip, "00:00:00:00:00:00", "10.244.1.1")
    def arp_with_his_mac(self): return self.arp(2, self.his_mac, self.ip, self.mac, self.his_ip)
    def arp_probe_for_his(self): return self.arp(1, self.mac, ANY4, "00:00:00:00:00:00", self.his_ip)
    def reverse_arp(self): return self.arp(3, self.mac, self.ip, self.mac, self.ip)
    def short_arp(self): return ethernet(self.mac, ARP, arp(2, self.mac, self.ip, self.mac, self.ip)[:12])
    def advertises_him(self): return self.advertisement(self.his_ip6, self.mac)
    def advertises_his_link_local(self): return self.advertisement(self.his_ll, self.mac)
    def advertises_his_mac(self): return self.advertisement(self.ip6, self.his_mac)
    def advertises_behind_options(self): return self.advertisement(self.ip6, self.mac, behind=padded(ICMPV6), following=DESTINATION)
    def advertises_in_a_fragment(self): return self.advertisement(self.ip6, self.mac, behind=fragment(ICMPV6), following=FRAGMENT)

    def advertises_twice(self):
        return self.nd(136, struct.pack("!I", 0x60000000) + ip(self.ip6) + option(2, self.mac) + option(2, self.his_mac))

    def asks_with_his_mac(self): return self.solicitation(self.his_ip6, option(1, self.his_mac))
    def asks_for_routers_with_his_mac(self): return self.nd(133, bytes(4) + option(1, self.his_mac))
    def inverse_discovery(self): return self.nd(142, bytes(4))
    def router_advertisement(self): return self.router()
    def router_behind_hops(self): return self.router(behind=padded(ICMPV6), following=HOP)
    def router_behind_two(self): return self.router(behind=padded(DESTINATION) + padded(ICMPV6), following=HOP)
    def router_in_a_fragment(self): return self.router(behind=fragment(ICMPV6), following=FRAGMENT)
    def redirect(self): return self.nd(137, bytes(4) + ip(self.ll) + ip("fd09::11"))
    def cut_short(self): return self.v6(ipv6(self.ll, "ff02::1", fragment(DESTINATION, 0, 1) + bytes([ICMPV6, 2, 1, 4, 0, 0, 0, 0]), FRAGMENT))
    def cut_before_icmp(self): return self.v6(ipv6(self.ll, "ff02::1", fragment(ICMPV6, 0, 1), FRAGMENT))
    def dhcp_answer(self): return self.v4(self.ip, udp(67, 68), "255.255.255.255")
    def dhcp_answer_from_elsewhere(self): return self.v4(self.ip, udp(1067, 68), "255.255.255.255")
    def dhcp_answer_as_he(self): return self.v4(self.his_ip, udp(67, 68), "255.255.255.255")
    def dhcp6_answer(self): return self.v6(ipv6(self.ll, "ff02::1", udp(547, 546)))
    def vlan(self): return ethernet(self.mac, VLAN, struct.pack("!HH", 5, IPV4) + ipv4(self.ip, "10.9.0.11", udp(1000, 2000)))
    def two_vlans(self): return ethernet(self.mac, 0x88A8, struct.pack("!HHHH", 5, VLAN, 6, IPV4) + ipv4(self.ip, "10.9.0.11", udp(1, 2)))
    def lldp(self): return ethernet(self.mac, LLDP, bytes(46), "01:80:c2:00:00:0e")
    def spanning_tree(self): return ethernet(self.mac, 38, b"\x42\x42\x03" + bytes(43), "01:80:c2:00:00:00")


def main():
    device, *rest = sys.argv[1:]
    frames = Frames(dict(word.split("=", 1) for word in rest if "=" in word))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((device, 0))
        for name in rest:
            if "=" not in name:
                s.send(getattr(frames, name)())


main()
