"""Figures of the configuration languages: one typical file in this process, a thousand through `xm check`."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from bench.figures import XM, Figure, median
from domus.config import load_text
from domus.config.compile import to_libxl

#: what people have: a test of the machine, formatted names, a list of cards
TYPICAL = """import os, re
arch = os.uname()[4]
if re.search('64', arch):
    arch_libdir = 'lib64'
else:
    arch_libdir = 'lib'
kernel = '/usr/' + arch_libdir + '/xen/boot/vmlinuz'
builder = 'linux'
memory = {memory}
name = 'web%d' % {number}
vif = ['mac=00:16:3e:00:{number_hex}:%02x, bridge=xenbr0' % i for i in range(2)]
disk = ['phy:vg0/web{number},xvda1,w', 'file:/srv/data{number}.img,xvdb,r']
root = '/dev/xvda1 ro'
on_reboot = 'restart'
"""

#: the same, as xl has it
TYPICAL_XL = """name = "web{number}"
type = "pvh"
kernel = "/boot/vmlinuz"
ramdisk = "/boot/initrd"
memory = {memory}
vcpus = 2
vif = [ "mac=00:16:3e:00:{number_hex}:01,bridge=xenbr0,rate=10Mb/s" ]
disk = [ "/srv/web{number}.img,raw,xvda,rw", "format=qcow2,vdev=xvdb,access=ro,target=/srv/b.qcow2" ]
"""

FILES = 1000


def languages(runs: int) -> list[Figure]:
    """Parsing and compiling one file; checking a folder of different ones."""
    text = _text(TYPICAL, 3)
    seconds = [_timed_load(text) for _ in range(20 * runs)]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            source = _text(TYPICAL_XL if number % 2 else TYPICAL, number)
            (Path(folder) / f"web{number}.cfg").write_text(source)
        begun = time.perf_counter()
        subprocess.run([XM, "check", folder], check=True, stdout=subprocess.DEVNULL)
        checked = time.perf_counter() - begun
    return [
        Figure(
            "a typical file, parsed and compiled", median(seconds) * 1000, 5, "ms", f"{len(seconds)} runs"
        ),
        Figure(f"xm check of {FILES} different files", checked, 5, "s", "one run"),
    ]


def _text(template: str, number: int) -> str:
    return template.format(number=number, number_hex=f"{number % 256:02x}", memory=64 + number % 512)


def _timed_load(text: str) -> float:
    begun = time.perf_counter()
    to_libxl(load_text(text).config)
    return time.perf_counter() - begun
