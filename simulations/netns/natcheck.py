#!/usr/bin/env python3
"""What a NAT does, seen from both its sides: which port it maps a socket to, and whom it lets in.

usage: natcheck.py INSIDE ONE ONE_IP OTHER OTHER_IP OUTSIDE_IP

INSIDE, ONE and OTHER are namespaces: a machine behind the NAT and two public ones. Prints one line of words: `same` or `other` (the port for a
second destination), then who got in: `answer`, `port` (another port of an address that was written to), `stranger`, `tcp` (a connection of a stranger).
"""
import ctypes
import os
import socket
import sys

NODE_PORT = 4201
WAIT = 0.4  # seconds; links of the laboratory take microseconds
LIBC = ctypes.CDLL(None, use_errno=True)


def inside_of(namespace, make):
    """Makes a socket that belongs to a namespace. It stays there wherever this process goes."""
    home, there = os.open("/proc/self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if LIBC.setns(there, 0):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        return make()
    finally:
        LIBC.setns(home, 0)
        os.close(home)
        os.close(there)


def udp(namespace, port):
    def make():
        line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        line.bind(("0.0.0.0", port))
        line.settimeout(WAIT)
        return line

    return inside_of(namespace, make)


def came(line, text):
    try:
        return line.recvfrom(100)[0] == text
    except TimeoutError:
        return False


def mapped(line, server, address):
    """Writes to a server, which sees where that comes from."""
    line.sendto(b"hello", address)
    return server.recvfrom(100)[1]


def main():
    inside, one, one_ip, other, other_ip, outside_ip = sys.argv[1:7]
    node = udp(inside, NODE_PORT)
    known, known_port, unwritten = udp(one, 5001), udp(one, 5002), udp(other, 5003)
    words = []

    seen = mapped(node, known, (one_ip, 5001))
    if seen[0] != outside_ip:
        sys.exit(f"seen at {seen[0]} instead of {outside_ip}")
    for word, line in (("answer", known), ("port", known_port), ("stranger", unwritten)):
        line.sendto(word.encode(), seen)
        if came(node, word.encode()):
            words.append(word)

    # Only now is the second machine written to, since that may open the door for it.
    second = mapped(node, unwritten, (other_ip, 5003))
    words.insert(0, "same" if second[1] == seen[1] else "other")

    def listen():
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        line.bind(("0.0.0.0", NODE_PORT))
        return line

    # A connection out by the node's own port, as nodes make them; then a stranger tries to come in where that one went out.
    server = inside_of(one, listen)
    server.listen()
    out, door = inside_of(inside, listen), inside_of(inside, listen)
    door.listen()
    out.connect((one_ip, NODE_PORT))
    at = server.accept()[1]
    stranger = inside_of(other, socket.socket)
    stranger.settimeout(WAIT)
    try:
        stranger.connect(at)
        words.append("tcp")
    except (TimeoutError, ConnectionError):
        pass
    print(" ".join(words))


main()
