"""Runs dnsmasq on a bridge in a network namespace of its own and asks it for addresses, frame by frame.

usage: unshare --net python3 dhcp_probe.py CONFIGURATION HOSTS-DIRECTORY LINE-OF-A-LATER-CONTAINER MAC...
The last argument but the MACs is renamed into the directory when dnsmasq runs already. Prints a JSON object: for each
MAC the offer that it got, or null.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

DEADLINE_SECONDS = 20


def main(configuration, hosts, later, *macs):
    ip("link", "set", "lo", "up")
    ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
    ip("address", "add", "192.168.0.14/24", "dev", "br0")
    ip("link", "add", "port", "type", "veth", "peer", "name", "card")
    for name in ("br0", "port", "card"):
        ip("link", "set", name, "up")
    ip("link", "set", "port", "master", "br0")
    card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    card.bind(("card", 0x0800))
    leases = os.path.join(tempfile.mkdtemp(), "leases")
    dnsmasq = subprocess.Popen([
        "dnsmasq", "--keep-in-foreground", "--conf-file=" + configuration, "--user=root", "--pid-file=",
        "--dhcp-leasefile=" + leases,
    ], stderr=subprocess.DEVNULL)
    try:
        # The first MAC is one that must be answered: its offer shows that the server runs.
        offers = {macs[0]: until_offered(card, macs[0])}
        with open(os.path.join(hosts, ".later"), "w") as file:
            file.write(later)
        os.rename(os.path.join(hosts, ".later"), os.path.join(hosts, "later"))
        offers[macs[1]] = until_offered(card, macs[1])
        for mac in macs[2:]:
            # dnsmasq answers in order, so the known one's offer ends the wait for the unknown one's.
            card.send(discover(mac, 7))
            offers[mac] = None
            card.send(discover(macs[0], 8))
            while True:
                transaction, offer = receive(card, time.monotonic() + DEADLINE_SECONDS)
                if transaction == 8:
                    break
                if transaction == 7:
                    offers[mac] = offer
        print(json.dumps(offers))
    finally:
        dnsmasq.terminate()
        dnsmasq.wait()


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def until_offered(card, mac):
    end = time.monotonic() + DEADLINE_SECONDS
    for transaction in range(1000, 1000 + 10 * DEADLINE_SECONDS):
        card.send(discover(mac, transaction))
        try:
            while True:
                answered, offer = receive(card, time.monotonic() + 0.1)
                if answered == transaction:
                    return offer
        except TimeoutError:
            if time.monotonic() > end:
                return None
    return None


def discover(mac, transaction):
    address = bytes.fromhex(mac.replace(":", ""))
    fixed = struct.pack("!BBBBIHH", 1, 1, 6, 0, transaction, 0, 0x8000) + bytes(16) + address.ljust(16, b"\0")
    # Message type DISCOVER, a host name that somebody else owns, and the options that a client asks for.
    options = b"\x35\x01\x01" + b"\x0c\x06hugo-0" + b"\x37\x05\x01\x03\x06\x0f\x1a" + b"\xff"
    message = fixed + bytes(192) + bytes.fromhex("63825363") + options
    udp = struct.pack("!HHHH", 68, 67, 8 + len(message), 0) + message
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + header[12:]
    return b"\xff" * 6 + address + b"\x08\x00" + header + udp


def receive(card, end):
    while True:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        card.settimeout(left)
        frame = card.recv(2048)
        packet = frame[14:]
        if len(packet) < 28 or packet[9] != 17 or packet[22:24] != b"\x00\x44":
            continue
        message = packet[28:]
        offer, rest = {"address": socket.inet_ntoa(message[16:20])}, message[240:]
        while rest and rest[0] != 255:
            code, length, value = rest[0], rest[1], rest[2:2 + rest[1]]
            rest = rest[2 + length:]
            offer[str(code)] = value.hex()
        return struct.unpack("!I", message[4:8])[0], offer


main(*sys.argv[1:])
