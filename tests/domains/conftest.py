"""What tests of domains share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import check_traces, traces
from tests.domains.guests import Shell

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost


@pytest.fixture(scope="module")
def hosts(new_host: Callable[..., LabHost]) -> tuple[LabHost, LabHost]:
    """Two fresh hosts, for domains that go from one to the other."""
    return new_host(), new_host()


# For modules that have the fixtures `client` and `booted`, after which the domain "guest" is up:


@pytest.fixture
def shell(client: Client, booted: None) -> Iterator[Shell]:
    """The guest's shell."""
    with client.console("guest", scrollback=False) as console:
        yield Shell(console)


@pytest.fixture
def unchanged(lab_host: LabHost, client: Client, booted: None) -> Iterator[None]:
    """The test ends with the host and the kept configuration as it found them."""
    before, config = traces(lab_host), client.config("guest")
    yield
    # The rest of these a running guest writes by itself.
    check_traces(lab_host, before, but=("/data/", "/control/"))
    assert client.config("guest") == config
