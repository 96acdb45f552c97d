"""What fuzzing found once stays found: every input of the corpus ends as it should."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("path", sorted((HERE / "corpus").iterdir()), ids=lambda path: path.name)
def test_an_input_of_the_corpus_ends_as_a_configuration_or_an_error(path: Path) -> None:
    specification = importlib.util.spec_from_file_location("fuzz_config", HERE / "fuzz_config.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.one_input(path.read_bytes())
