"""What a guest's card carries: one of ours, with its guard and its firewall, against one of xl's."""

from __future__ import annotations

import time

from bench.figures import Figure, against_xl
from bench.hosts import NAME, in_guest, running, start_small_guest
from domus.client import Client
from domus.lab.host import LabHost
from domus.model.config import Nic
from domus.model.firewall import Firewall

#: both ends, on a bridge of their own
DOM0, GUEST, BRIDGE = "10.88.0.1", "10.88.0.2", "bench0"
MIB = 8

#: takes what comes on one port, and gives as much to whoever asks on another
SERVER = f"""
import socket, threading
def serve(port, each):
    door = socket.create_server(("{DOM0}", port))
    while True:
        line = door.accept()[0]
        each(line)
        line.close()
def take(line):
    while line.recv(1 << 16):
        pass
def give(line):
    line.sendall(bytes({MIB} << 20))
threading.Thread(target=serve, args=(5001, take)).start()
serve(5002, give)
"""
WAYS = {
    "sends": f"dd if=/dev/zero bs=64k count={MIB * 16} | nc {DOM0} 5001",
    "gets": f"nc {DOM0} 5002 > /dev/null < /dev/null",
}
#: until the guest's card is there, and up
READY = (
    "until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done;"
    f" ip addr add {GUEST}/24 dev eth0 2>/dev/null; ip link set eth0 up; ping -c 1 -W 9 {DOM0} >/dev/null"
)
RULES = ("allow in icmp", "allow out tcp 5001-5002", "deny in", "deny out")


def carrying(runs: int) -> list[Figure]:
    """How long a guest sends and gets 8 MiB, ours and xl's in turns."""
    with running(NAME) as (host,), host.client() as client:
        start_small_guest(host, client, "bench")
        host.run(["sh", "-c", f"ip link add {BRIDGE} type bridge; ip addr add {DOM0}/24 dev {BRIDGE}"])
        host.run(["ip", "link", "set", BRIDGE, "up"])
        host.put(SERVER.encode(), "/root/serve.py")
        host.run(["sh", "-c", "python3 /root/serve.py > /dev/null 2>&1 & sleep 1"])
        return [
            each
            for kind, rules in (("a guard", ()), ("a guard and a firewall", RULES))
            for each in _carried(host, client, runs, kind, rules)
        ]


def _carried(host: LabHost, client: Client, runs: int, kind: str, rules: tuple[str, ...]) -> list[Figure]:
    card = Nic(bridge=BRIDGE, ips=(GUEST,), devid=0)
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(runs + 1):
        client.firewall.put("bench", Firewall(rules=rules))
        client.finish(client.devices.attach_nic("bench", card))
        ours = {way: in_guest(client, "bench", READY, words) for way, words in WAYS.items()}
        client.finish(client.devices.detach_nic("bench", "0"))
        client.firewall.put("bench", Firewall())
        host.run(["xl", "network-attach", "bench", f"bridge={BRIDGE}"])
        theirs = {way: in_guest(client, "bench", READY, words) for way, words in WAYS.items()}
        host.run(["xl", "network-detach", "bench", "0"])
        time.sleep(1)
        for way, pairs in taken.items():
            pairs.append((ours[way], theirs[way]))
    return [
        against_xl(f"a guest {way} {MIB} MiB by {kind}, against xl's", pairs, 1.0)
        for way, pairs in taken.items()
    ]
