"""xend's own settings: /etc/xen/xend.toml, and the old xend's /etc/xen/xend-config.sxp.

The command line wins over the TOML file, that over the SXP file, that over the defaults. Each file is read as
a whole: every mistake is told with its line.
"""

from domus.config.settings.files import SXP_FILE, TOML_FILE, Read, read, read_sxp, read_toml
from domus.config.settings.table import SETTINGS, Setting, Value
from domus.config.settings.toml import written

__all__ = [
    "SETTINGS",
    "SXP_FILE",
    "TOML_FILE",
    "Read",
    "Setting",
    "Value",
    "read",
    "read_sxp",
    "read_toml",
    "written",
]
