"""What a guest's core file must have in it: its sections and Xen's notes."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domus.lab.host import LabHost

#: names of an ELF file's sections, and of the notes in .note.Xen, with what the header note says
_READ_CORE = """
import json, struct, sys
core = open(sys.argv[1], "rb").read()
assert core[:4] == b"\\x7fELF"
offset, size, number, names = (struct.unpack_from(f, core, at)[0] for f, at in
    (("<Q", 40), ("<H", 58), ("<H", 60), ("<H", 62)))
rows = [struct.unpack_from("<IIQQQQIIQQ", core, offset + size * n) for n in range(number)]
text = core[rows[names][4]:]
sections = {text[row[0]:text.index(b"\\0", row[0])].decode(): row for row in rows}
notes, at = {}, sections[".note.Xen"][4]
end = at + sections[".note.Xen"][5]
while at < end:
    namesz, descsz, kind = struct.unpack_from("<III", core, at)
    desc = at + 12 + (namesz + 3) // 4 * 4
    notes[kind] = core[desc:desc + descsz].hex()
    at = desc + (descsz + 3) // 4 * 4
print(json.dumps({"notes": notes, "sections": {name: [row[5], row[9]] for name, row in sections.items()}}))
"""
# xen/include/public/elfnote.h: XEN_ELFNOTE_DUMPCORE_HEADER and _XEN_VERSION; xg_core.h, XC_CORE_MAGIC(_HVM)
_HEADER, _VERSION = "33554433", "33554434"
_MAGIC, _MAGIC_HVM = 0xF00FEBED, 0xF00FEBEE


def _read_core(host: LabHost, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.run(["python3", "-c", _READ_CORE, path]).stdout)
    return found


def check_core(host: LabHost, path: str, *, vcpus: tuple[int, ...] = (1,), hvm: bool = False) -> None:
    """A core file's sections (size, size of an entry) and notes fit each other, and only root can read it."""
    core = _read_core(host, path)
    sections = core["sections"]
    assert {_HEADER, _VERSION} <= set(core["notes"])
    magic, contexts, pages, page = struct.unpack("<4Q", bytes.fromhex(core["notes"][_HEADER]))
    assert (magic, page) == (_MAGIC_HVM if hvm else _MAGIC, 4096)
    assert contexts in vcpus
    assert pages > 80 << 8
    assert len(bytes.fromhex(core["notes"][_VERSION])) == 1280
    assert sections[".xen_pages"] == [pages * page, page]
    table, entry = (".xen_pfn", 8) if hvm else (".xen_p2m", 16)
    assert sections[table] == [pages * entry, entry]
    assert sections[".xen_prstatus"] == [contexts * 5168, 5168]
    assert host.run(["stat", "-c", "%a %U", path]).stdout.strip() == "600 root"
