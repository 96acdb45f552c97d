"""The progress line as it is drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.cli.progress import words
from domus.lab.progress import Shown, picture
from domus.model.operation import Operation, OperationState


def create(**changes: object) -> Operation:
    fields = {"id": "1", "kind": "create", "domain": "g1", "state": OperationState.RUNNING} | changes
    return Operation(**fields)  # type: ignore[arg-type]


def shown(operation: Operation | str) -> Shown:
    if isinstance(operation, str):
        return Shown(operation)
    return Shown(words(operation), operation.progress)


@pytest.mark.parametrize(
    ("operation", "columns", "line"),
    [
        (create(), 80, "create g1  3 s"),
        (create(step="building the domain"), 80, "create g1: building the domain  3 s"),
        (create(step="copying", progress=0.5), 80, "create g1: copying [##########..........]  50%  3 s"),
        (create(state=OperationState.UNDOING, step="vif"), 80, "create g1, undoing: vif  3 s"),
        ("waiting for g1", 80, "waiting for g1  3 s"),
        (create(step="building the domain"), 20, "create g1: bu…  3 s"),
    ],
)
def test_pictures(operation: Operation | str, columns: int, line: str) -> None:
    assert picture(shown(operation), 3.2, columns=columns) == line


@given(st.text(), st.integers(min_value=40, max_value=200), st.floats(0, 1000))
def test_the_line_never_fills_the_last_column(step: str, columns: int, elapsed: float) -> None:
    assert len(picture(shown(create(step=step)), elapsed, columns=columns)) < columns
