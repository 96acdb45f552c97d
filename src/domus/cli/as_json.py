"""JSON for programs: the fields of a model are there whether they have their default values or not."""

from __future__ import annotations

import msgspec


def document(value: object, *, without: tuple[object, ...] = ()) -> str:
    """`value` as indented JSON with a line end; structs keep the order of their fields.

    Args:
        without: values whose fields are left out.
    """
    return msgspec.json.format(msgspec.json.encode(_whole(value, without)), indent=2).decode() + "\n"


def _whole(value: object, without: tuple[object, ...]) -> object:
    if isinstance(value, msgspec.Struct):
        fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return {name: _whole(field, without) for name, field in fields if field not in without}
    if isinstance(value, (list, tuple)):
        return [_whole(item, without) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item, without) for name, item in value.items()}
    return value
