"""Floods a UDP echo server with datagrams from senders that don't exist, each from another address, and measures its memory.

unshare --net python3 flood.py PORT COUNT SERVER_COMMAND...

It wants a network of its own, in which there is nothing but what it makes. It prints, as JSON, the bytes of memory that are
the server's own: at rest, after a tenth of the datagrams, and after all of them.
"""

import json
import socket
import struct
import subprocess
import sys
import time

PATIENCE_S = 10
# So many at once, and then a breath: what the server has no time for shows nothing.
BURST = 50


def memory_bytes(process):
    with open(f"/proc/{process.pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


def processor_time(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def wait_until_ready(port):
    deadline = time.monotonic() + PATIENCE_S
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.settimeout(0.1)
    asking.connect(("127.0.0.1", port))
    while time.monotonic() < deadline:
        try:
            asking.send(b"Are you there?")
            asking.recv(64)
            return
        except OSError:
            time.sleep(0.01)
    sys.exit("the server does not answer")


def wait_until_at_rest(process):
    deadline = time.monotonic() + PATIENCE_S
    before = -1
    while (now := processor_time(process)) != before and time.monotonic() < deadline:
        before = now
        time.sleep(0.1)


def received(port):
    """What the server has not read yet, in bytes of its receive buffer."""
    with open("/proc/net/udp") as lines:
        for line in lines:
            fields = line.split()
            if fields[1].endswith(f":{port:04X}"):
                return int(fields[4].split(":")[1], 16)
    return 0


def datagram(number, port):
    """A whole IP packet from the sender of this number, as raw(7) wants it: the kernel fills in the checksum and the length."""
    payload = struct.pack("!Q", number)
    # Scattered over 16.0.0.0 to 79.255.255.255, none twice: multiplied by an odd number modulo a power of two.
    source = 0x10000000 + number * 2654435761 % 0x40000000
    udp = struct.pack("!HHHH", 1024 + number % 60000, port, 8 + len(payload), 0)
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0, source, 0x7F000001)
    return ip + udp + payload


def main():
    port, count, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # So that a reply can be sent: it comes in again, is for nobody here, and that is its end.
    subprocess.run(["ip", "route", "add", "default", "dev", "lo"], check=True)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_until_ready(port)
        wait_until_at_rest(server)
        bytes_used = {"at_rest": memory_bytes(server)}
        for number in range(count):
            raw.sendto(datagram(number, port), ("127.0.0.1", 0))
            if number % BURST == 0:
                while received(port) > 100_000:
                    time.sleep(0.0001)
            if number == count // 10:
                wait_until_at_rest(server)
                bytes_used["after_a_tenth"] = memory_bytes(server)
        wait_until_at_rest(server)
        bytes_used["after_all"] = memory_bytes(server)
        print(json.dumps(bytes_used))
    finally:
        server.kill()
        server.wait()


main()
