"""What tests of domains share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from domus.lab.host import LabHost


@pytest.fixture(scope="module")
def hosts(new_host: Callable[..., LabHost]) -> tuple[LabHost, LabHost]:
    """Two fresh hosts, for domains that go from one to the other."""
    return new_host(), new_host()
