#!/usr/bin/env python3
"""A bad line: carries Ethernet frames between two interfaces, late, in disorder, and not all of them.

usage: wan.py NEAR FAR DELAY_MS JITTER_MS LOSS_PER_MILLE REORDER_PER_MILLE

Stands in for `tc netem`, which many kernels are built without. Both interfaces belong to nobody else, and no offload is on at either end of their
pairs: a frame must be whole when it comes by. Always the same disorder: the generator has a fixed seed.
"""
import heapq
import itertools
import random
import selectors
import socket
import sys
import time

ETH_P_ALL = 0x0003
PACKET_OUTGOING = 4
LARGEST_FRAME = 65_535
MOST_UNDER_WAY = 20_000  # frames; beyond that the line is full and drops, as a line does


def interface(name):
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    line.bind((name, 0))
    line.setblocking(False)
    return line


def arrivals(line):
    """What has come to an interface since the last look, without what we sent ourselves."""
    while True:
        try:
            frame, sender = line.recvfrom(LARGEST_FRAME)
        except BlockingIOError:
            return
        if sender[2] != PACKET_OUTGOING:
            yield frame


def main():
    near, far = interface(sys.argv[1]), interface(sys.argv[2])
    delay, jitter, loss, reorder = (int(word) / 1000 for word in sys.argv[3:7])
    chance = random.Random(1)
    under_way, counter = [], itertools.count()
    latest = {near: 0.0, far: 0.0}
    ready = selectors.DefaultSelector()
    for line, other in ((near, far), (far, near)):
        ready.register(line, selectors.EVENT_READ, other)

    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        for key, _ in ready.select(wait):
            for frame in arrivals(key.fileobj):
                if chance.random() < loss or len(under_way) >= MOST_UNDER_WAY:
                    continue
                due = time.monotonic() + delay + chance.uniform(-jitter, jitter)
                if chance.random() >= reorder:
                    # Jitter alone keeps the order, as a queue somewhere on the way does.
                    due = latest[key.fileobj] = max(due, latest[key.fileobj])
                heapq.heappush(under_way, (due, next(counter), key.data, frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, line, frame = heapq.heappop(under_way)
            try:
                line.send(frame)
            except OSError:
                pass  # the far end is down or its queue is full: lost, as on a line


main()
