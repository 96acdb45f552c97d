"""What there is to say about one parameter."""

from __future__ import annotations

from typing import Final, NamedTuple

from domus.config.parameters.kind import Kind
from domus.config.parameters.numbers import Flag

XM: Final = "xm"
XL: Final = "xl"


class Parameter(NamedTuple):
    """A parameter of configuration files.

    A parameter with both `field` and `libxl` needs nothing else: the tables carry it from the file to
    the model and on to libxl. One without them is composed with others by a module of its own.
    """

    name: str
    kind: Kind
    help: str
    field: str = ""  #: its place in DomainConfig, such as "hvm.acpi_s3"
    libxl: str = ""  #: its place in libxl_domain_config, such as "b_info/type.hvm/acpi_s3"
    guests: str = ""  #: the guest types it means something for, such as "hvm pvh"; "": all
    xm: str = (
        ""  #: "y" declared by the last xm, "old" by earlier ones, "undeclared" honoured, "sxp" in SXP only
    )
    xl: str = ""  #: the first xl release that reads it
    default: str = ""  #: in words, for the help
    gone: str = ""  #: it means nothing on today's Xen; what replaced it
    instead: str = ""  #: another name that does the same today; using the old one is fine
    newer: str = ""  #: the Xen release whose libxl has it first, if not all supported ones do

    @property
    def dialects(self) -> frozenset[str]:
        """The languages that know it."""
        return frozenset(name for name, known in ((XM, self.xm), (XL, self.xl)) if known)


FLAG: Final = Flag()
