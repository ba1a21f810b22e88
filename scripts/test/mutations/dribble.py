"""Copies stdin to stdout in pieces of odd sizes, from one byte to some hundred."""
import os
import sys

data, at, size = sys.stdin.buffer.read(), 0, 1
while at < len(data):
    os.write(1, data[at : at + size])
    at += size
    size = size * 7 % 997 + 1
