"""What the administrator decided for all guests, filled in where a configuration does not say."""

from __future__ import annotations

from msgspec.structs import replace

from domus.model.config import DomainConfig, Nic
from domus.model.machine import Vnc
from domus.model.settings import GuestDefaults


def filled(config: DomainConfig, defaults: GuestDefaults) -> DomainConfig:
    """`config` with the host's bridge, and its ways of VNC displays, where it names none."""
    if defaults == GuestDefaults():
        return config
    nics = tuple(filled_nic(nic, defaults) for nic in config.nics)
    framebuffers = tuple(
        replace(each, vnc=_vnc(each.vnc, defaults), keymap=each.keymap or defaults.keymap or None)
        for each in config.framebuffers
    )
    hvm = config.hvm
    if hvm is not None:
        hvm = replace(hvm, vnc=_vnc(hvm.vnc, defaults), keymap=hvm.keymap or defaults.keymap or None)
    return replace(config, nics=nics, framebuffers=framebuffers, hvm=hvm)


def filled_nic(nic: Nic, defaults: GuestDefaults) -> Nic:
    """A card with the host's bridge, and its way of plugging in, where it names none."""
    if nic.network is not None or nic.script is not None:
        return nic
    return replace(nic, bridge=nic.bridge or defaults.bridge or None, script=defaults.vif_script or None)


def _vnc(vnc: Vnc, defaults: GuestDefaults) -> Vnc:
    return replace(
        vnc,
        listen=vnc.listen or defaults.vnc_listen or None,
        # An empty password of the guest's own means that none shall be asked for.
        password=defaults.vnc_password if vnc.password is None else vnc.password,
    )
