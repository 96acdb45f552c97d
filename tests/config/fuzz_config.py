"""Fuzzes the readers, by hand: `python tests/config/fuzz_config.py [-runs=N | --plain SECONDS [SEED]]`.

With atheris installed it is guided by coverage; `--plain` mutates the corpus without it. Either way the
only outcomes allowed are a configuration that libxl's schema takes, and an error with its place.
Finds are kept small in `corpus/` and are read by `test_fuzz_corpus.py`.
"""

from __future__ import annotations

import importlib
import random
import sys
import time
from pathlib import Path

from domus.config.compile import to_libxl
from domus.config.loading import decode, load_text
from domus.model.errors import BadInput, ConfigError

CORPUS = Path(__file__).parent / "corpus"
SLOWEST_S = 10.0


def one_input(data: bytes) -> None:
    """One input: every language in turn by its first byte."""
    if not data:
        return
    format = (None, None, None, "xm", "xl", "sxp", "xml", "json")[data[0] % 8]
    before = time.monotonic()
    try:
        loaded = load_text(decode(data[1:], "fuzz"), source_name="fuzz", format=format)
        to_libxl(loaded.config, on_this_host=False)
    except ConfigError as error:
        assert error.for_user()
    except BadInput as error:
        assert error.what
    assert time.monotonic() - before < SLOWEST_S


def plain(seconds: float, seed: int) -> int:
    """Mutate the corpus for some seconds; returns how many inputs were tried."""
    generator = random.Random(seed)
    seeds = [path.read_bytes() for path in sorted(CORPUS.iterdir())] or [b"\0name = 'a'\n"]
    words = sorted({word for data in seeds for word in data.split()}) or [b"x"]
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        data = bytearray(generator.choice(seeds))
        for _ in range(generator.randint(1, 6)):
            place = generator.randint(0, len(data))
            kind = generator.randint(0, 5)
            if kind == 0 and data:
                data[place - 1] = generator.randint(0, 255)
            elif kind == 1:
                data[place:place] = b" " + generator.choice(words) + b" "
            elif kind == 2:
                del data[place : place + generator.randint(1, 12)]
            elif kind == 3:
                data[place:place] = data[: generator.randint(0, 40)]
            elif kind == 4:
                data[place : place + 1] = generator.choice(
                    [b"(", b")", b"'", b'"', b"[", b"]", b"\n", b",", b"=", b"<"]
                )
            else:
                other = generator.choice(seeds)
                data[place:] = other[generator.randint(0, len(other)) :]
        count += 1
        try:
            one_input(bytes(data))
        except BaseException:
            Path(f"/tmp/find-{seed}-{count}").write_bytes(bytes(data))
            print(f"find: /tmp/find-{seed}-{count}", flush=True)
            if len(list(Path("/tmp").glob(f"find-{seed}-*"))) > 20:
                raise
    return count


if __name__ == "__main__":
    if "--plain" in sys.argv:
        arguments = sys.argv[sys.argv.index("--plain") + 1 :]
        print(plain(float(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 1), "inputs")
    else:
        atheris = importlib.import_module("atheris")  # not a dependency: pip install atheris
        atheris.instrument_all()
        scratch = Path(__file__).parents[2] / "build/fuzz"  # what it learns; the corpus stays small
        scratch.mkdir(parents=True, exist_ok=True)
        atheris.Setup([*sys.argv, str(scratch), str(CORPUS)], one_input)
        atheris.Fuzz()
