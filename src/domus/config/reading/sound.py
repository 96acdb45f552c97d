"""Paravirtualized sound: a list of cards, each a list of `CARD,...`, `PCM,...` and `STREAM,...` texts."""

from __future__ import annotations

from typing import Any, Final

from domus.config.document import Spec
from domus.config.parameters.kind import shown
from domus.config.reading.others import number_of
from domus.config.reading.pairs import pairs
from domus.config.reading.reading import Reading
from domus.model.config import SoundParams, SoundPcm, SoundStream, Vsnd

_PARAMS: Final = ("sample-rates", "sample-formats", "channels-min", "channels-max", "buffer-size")
_KEYS: Final = {
    "CARD": ("backend", "short-name", "long-name", *_PARAMS),
    "PCM": ("name", *_PARAMS),
    "STREAM": ("unique-id", "type", *_PARAMS),
}
#: libxl spells floating point formats otherwise than the manual page
_FORMATS: Final = {
    "float_le": "f32_le",
    "float_be": "f32_be",
    "float64_le": "f64_le",
    "float64_be": "f64_be",
}


def sound(reading: Reading) -> None:
    """Read `vsnd`."""
    value = reading.value("vsnd")
    if not value:
        return
    if not isinstance(value, list | tuple):
        reading.error("vsnd", f"expected a list of lists, not {shown(value)}")
        return
    cards = []
    for index, parts in enumerate(value):
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            reading.error("vsnd", f"card {index} must be a list of texts")
            return
        cards.append(read_card(reading, index, list(parts)))
    reading.fields["vsnds"] = tuple(card for card in cards if card is not None)


def read_card(reading: Reading, index: int, parts: list[str]) -> Vsnd | None:
    """The card of this number; None: it is wrong, and reported."""
    card: dict[str, Any] = {}
    pcms: list[dict[str, Any]] = []
    for part in parts:
        spec = Spec(reading.report, f"vsnd[{index}]", part, reading.place("vsnd"))
        word, _, rest = part.partition(",")
        word = word.strip().upper()
        given = pairs(spec, _KEYS.get(word, ()), text=rest)
        if given is None:
            return None
        values = {"params": _params(spec, given)}
        if word == "CARD":
            names = {"backend": "backend_domain", "short-name": "short_name", "long-name": "long_name"}
            card = {**values, **{names[key]: text for key, text in given.items() if key in names}}
        elif word == "PCM":
            pcms.append({**values, "name": given.get("name"), "streams": []})
        elif word == "STREAM" and pcms and given.get("type") in ("p", "c", "P", "C"):
            stream = SoundStream(unique_id=given.get("unique-id", ""), kind=given["type"].lower(), **values)
            pcms[-1]["streams"].append(stream)
        else:
            spec.error("expected CARD, then PCM, then its STREAM with unique-id= and type=p or type=c")
            return None
    return Vsnd(**card, pcms=tuple(SoundPcm(**{**pcm, "streams": tuple(pcm["streams"])}) for pcm in pcms))


def _params(spec: Spec, given: dict[str, str]) -> SoundParams:
    numbers: dict[str, Any] = {}
    for key in ("channels-min", "channels-max", "buffer-size"):
        if given.get(key):
            numbers[key.replace("-", "_")] = number_of(spec, key, given[key])
    rates = [
        number_of(spec, "sample-rates", text.strip())
        for text in given.get("sample-rates", "").split(";")
        if text
    ]
    formats = [text.strip().lower() for text in given.get("sample-formats", "").split(";") if text.strip()]
    return SoundParams(
        sample_rates=tuple(rate for rate in rates if rate is not None),
        sample_formats=tuple(_FORMATS.get(name, name) for name in formats),
        **numbers,
    )
