"""libxl, the library that builds and manages domains: ctypes, with JSON as the only interface."""

from domus.xen.libxl.context import Abort
from domus.xen.libxl.libxl import Libxl

__all__ = ["Abort", "Libxl"]
