"""cloud-init's data as a disk (NoCloud): an ISO file system with the label cidata."""

from __future__ import annotations

import shutil
import uuid
from typing import Final

from domus.model.errors import BadInput, HostProblem
from domus.model.images import ImageFormat
from domus.programs import Argument, run
from domus.storage.images.base import Entry, Store
from domus.storage.images.build import template

#: programs that make such file systems with the same options; the first that is installed
_MAKERS: Final = (("genisoimage", ()), ("mkisofs", ()), ("xorriso", ("-as", "mkisofs")))


def make(store: Store, name: str, user_data: str, network_config: str = "", hostname: str = "") -> Entry:
    """An image that an image of a cloud finds its configuration on, as a second disk.

    Args:
        user_data: a file, as `network_config` (empty: none).

    Raises:
        NotFound, BadInput: a file is not there, or is none of cloud-init's.
        HostProblem: no program to make it with.
        AlreadyExists.
    """
    store.check_free(name)
    data = template.read_user_data(user_data)
    network = template.read_text(network_config, "cloud-init's network-config") if network_config else ""
    if hostname:
        template.check_hostname(hostname)
    maker = next(((program, words) for program, words in _MAKERS if shutil.which(program)), None)
    if maker is None:
        raise HostProblem("genisoimage is not installed here", hint="sudo apt install genisoimage")
    with store.working() as work:
        folder = work / "seed"
        folder.mkdir()
        # Another seed is another instance: cloud-init begins anew with it.
        meta = f"instance-id: {name}-{uuid.uuid4().hex[:8]}\n"
        (folder / "meta-data").write_text(meta + (f"local-hostname: {hostname}\n" if hostname else ""))
        (folder / "user-data").write_text(data)
        if network:
            (folder / "network-config").write_text(network)
        fresh = work / "image"
        argv: list[Argument] = [maker[0], *maker[1], "-quiet", "-output", fresh, "-volid", "cidata"]
        run([*argv, "-joliet", "-rational-rock", folder])
        if fresh.stat().st_size == 0:
            raise BadInput("an empty seed was made")
        return store.take_in(fresh, name, ImageFormat.RAW)
