"""Buttons and keys, uptimes, the host's topology, as xend's API has them. `ref`: a name, an id or a uuid."""

from __future__ import annotations

from domus.client.calls import Calls, decode, domain_path
from domus.model.debugging import (
    DebugKeysRequest,
    MonitorAnswer,
    MonitorRequest,
    OverlayRequest,
    OverlayVerb,
    ParametersRequest,
    SysrqRequest,
    TriggerRequest,
    Uptime,
)
from domus.model.topology import HostTopology


class Debugging:
    """What helps to find out what a domain, or Xen, is doing."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def trigger(self, ref: str, trigger: str, vcpu: int = 0) -> None:
        """Press a button of a domain."""
        self._calls.ask("POST", f"{domain_path(ref)}/trigger", TriggerRequest(trigger=trigger, vcpu=vcpu))

    def sysrq(self, ref: str, key: str) -> None:
        """Press a magic SysRq key of a Linux guest."""
        self._calls.ask("POST", f"{domain_path(ref)}/sysrq", SysrqRequest(key=key))

    def monitor(self, ref: str, command: str) -> str:
        """What the monitor of a domain's QEMU prints for a command."""
        answer = self._calls.ask("POST", f"{domain_path(ref)}/monitor", MonitorRequest(command=command))
        return decode(answer, MonitorAnswer).text

    def debug_keys(self, keys: str) -> None:
        """Press keys on Xen's console; the answer is in its messages."""
        self._calls.ask("POST", "/v1/host/debug-keys", DebugKeysRequest(keys=keys))

    def set_parameters(self, parameters: str) -> None:
        """Change parameters of Xen's command line while it runs."""
        self._calls.ask("POST", "/v1/host/parameters", ParametersRequest(parameters=parameters))

    def dt_overlay(self, overlay: bytes, do: OverlayVerb, ref: str | None = None) -> None:
        """Change the host's device tree by a compiled overlay, or give a domain what one brought (Arm)."""
        self._calls.ask("POST", "/v1/host/dt-overlay", OverlayRequest(overlay=overlay, do=do, domain=ref))

    def uptimes(self) -> list[Uptime]:
        """How long all domains have been running, sorted by name."""
        return self._calls.get("/v1/uptimes", list[Uptime])

    def uptime(self, ref: str) -> Uptime:
        """How long one has been running."""
        return self._calls.get(f"{domain_path(ref)}/uptime", Uptime)

    def settings(self) -> dict[str, str]:
        """What xend was told, by the names of its options."""
        return self._calls.get("/v1/host/settings", dict[str, str])

    def topology(self) -> HostTopology:
        """Where the host's CPUs, nodes and devices are."""
        return self._calls.get("/v1/host/topology", HostTopology)
