"""No test here may start a lab host by the way: who has no host of its own finds a xend that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("lab"):
        return
    monkeypatch.setenv("XM_HOST", "local")
    monkeypatch.setenv("XEND_SOCKET", str(tmp_path / "no-xend.sock"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
