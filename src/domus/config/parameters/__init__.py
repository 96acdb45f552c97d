"""Every parameter of xm and xl, each declared once.

The declarations drive reading, checking, writing, compiling to libxl's JSON, `--help_config`, the
manual page and the JSON schema. `TABLE` maps names to them.
"""

from __future__ import annotations

from typing import Final

from domus.config.parameters.declaration import Parameter
from domus.config.parameters.devices import DEVICES
from domus.config.parameters.display import DISPLAY
from domus.config.parameters.gone import GONE
from domus.config.parameters.hvm import HVM
from domus.config.parameters.machine import MACHINE
from domus.config.parameters.platform import PLATFORM

__all__ = ["TABLE", "Parameter"]

TABLE: Final[dict[str, Parameter]] = {
    parameter.name: parameter for parameter in (*MACHINE, *PLATFORM, *HVM, *DISPLAY, *DEVICES, *GONE)
}
