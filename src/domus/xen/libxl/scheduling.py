"""Parameters of Xen's schedulers: of domains, of their VCPUs, of whole cpupools."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char_p, c_int, c_uint32
from typing import Final

import msgspec

from domus.xen.libxl import abi
from domus.xen.libxl.abi import CTX, DOMID, STRUCT, TEXT, Prototypes
from domus.xen.libxl.calls import Calls, Document


def _struct(kind: str) -> Prototypes:
    return {
        f"{kind}_init": (None, (STRUCT,)),
        f"{kind}_to_json": (TEXT, (CTX, STRUCT)),
        f"{kind}_from_json": (c_int, (CTX, STRUCT, c_char_p)),
    }


PROTOTYPES: Final[Prototypes] = {
    **_struct("libxl_domain_sched_params"),
    "libxl_domain_sched_params_dispose": (None, (STRUCT,)),
    "libxl_domain_sched_params_get": (c_int, (CTX, DOMID, STRUCT)),
    "libxl_domain_sched_params_set": (c_int, (CTX, DOMID, STRUCT)),
    **_struct("libxl_vcpu_sched_params"),
    "libxl_vcpu_sched_params_dispose": (None, (STRUCT,)),
    "libxl_vcpu_sched_params_get_all": (c_int, (CTX, DOMID, STRUCT)),
    "libxl_vcpu_sched_params_set": (c_int, (CTX, DOMID, STRUCT)),
    **_struct("libxl_sched_credit_params"),
    "libxl_sched_credit_params_get": (c_int, (CTX, c_uint32, STRUCT)),
    "libxl_sched_credit_params_set": (c_int, (CTX, c_uint32, STRUCT)),
    **_struct("libxl_sched_credit2_params"),
    "libxl_sched_credit2_params_get": (c_int, (CTX, c_uint32, STRUCT)),
    "libxl_sched_credit2_params_set": (c_int, (CTX, c_uint32, STRUCT)),
}


class SchedulingCalls(Calls):
    """The schedulers."""

    def domain_scheduling(self, domid: int) -> Document:
        """libxl_domain_sched_params: `sched`, and those of its parameters that this scheduler has."""
        with self._contexts.lease() as context, self._struct("libxl_domain_sched_params") as place:
            context.call("libxl_domain_sched_params_get", domid, place, domid=domid)
            return self._printed(context, "libxl_domain_sched_params", place)

    def set_domain_scheduling(self, domid: int, parameters: Document) -> None:
        """Change those parameters that are given; `sched` must be the domain's scheduler."""
        with self._contexts.lease() as context:  # noqa: SIM117 - the struct needs the context
            with self._filled(context, "libxl_domain_sched_params", parameters) as place:
                context.call("libxl_domain_sched_params_set", domid, place, domid=domid)

    def vcpu_scheduling(self, domid: int) -> list[Document]:
        """libxl_sched_params of each VCPU; rtds is the only scheduler that has them."""
        with self._contexts.lease() as context, self._struct("libxl_vcpu_sched_params") as place:
            context.call("libxl_vcpu_sched_params_get_all", domid, place, domid=domid)
            printed: list[Document] = self._printed(context, "libxl_vcpu_sched_params", place).get(
                "vcpus", []
            )
            return printed

    def set_vcpu_scheduling(self, domid: int, vcpus: list[Document]) -> None:
        """Change parameters of single VCPUs, each with its `vcpuid`; rtds only."""
        document = {"sched": "rtds", "vcpus": vcpus}
        with self._contexts.lease() as context:  # noqa: SIM117
            with self._filled(context, "libxl_vcpu_sched_params", document) as place:
                context.call("libxl_vcpu_sched_params_set", domid, place, domid=domid)

    def pool_scheduling(self, pool: int, scheduler: str) -> Document:
        """The parameters of a cpupool whose scheduler is "credit" or "credit2".

        credit: `tslice_ms`, `ratelimit_us`, `vcpu_migr_delay_us`; credit2: `ratelimit_us`.
        """
        kind = f"libxl_sched_{scheduler}_params"
        # These two structs own nothing, and libxl has no function to dispose of them.
        place = ctypes.create_string_buffer(abi.STRUCT_ROOM)
        getattr(self._library, f"{kind}_init")(place)
        with self._contexts.lease() as context:
            context.call(f"{kind}_get", pool, place)
            return self._printed(context, kind, place)

    def set_pool_scheduling(self, pool: int, scheduler: str, parameters: Document) -> Document:
        """Change parameters of a cpupool, those that are given; returns all of them as Xen took them."""
        kind = f"libxl_sched_{scheduler}_params"
        content = msgspec.json.encode(self.pool_scheduling(pool, scheduler) | parameters)
        place = ctypes.create_string_buffer(abi.STRUCT_ROOM)
        getattr(self._library, f"{kind}_init")(place)
        with self._contexts.lease() as context:
            context.call(f"{kind}_from_json", place, content)
            context.call(f"{kind}_set", pool, byref(place))
            return self._printed(context, kind, place)
