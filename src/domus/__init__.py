"""Domus: a toolstack for the Xen hypervisor.

Packages are floors of a house: each imports from those below it only (`pyproject.toml` holds the
contract). From the ground up: `model`; `programs`, `config`, `xen`; `storage`, `network`; `devices`;
`domains`; `daemon` and `client`; `lab`; `cli`.
"""

__version__ = "0.1.0"
