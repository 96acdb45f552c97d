"""Facades of random and uuid."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from domus.config.evaluator.operators import item_of
from domus.config.evaluator.system import functions
from domus.config.evaluator.values import Facade, Uuid, Value, items

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine


def random_module(machine: Machine) -> Facade:
    """`random`: for MAC addresses and the like, not for secrets."""
    generator = random.Random()  # noqa: S311 - files choose MAC addresses with it, no keys

    def seed(machine: Machine, value: Value = None) -> None:
        generator.seed(value if isinstance(value, int | float | str) else None)

    def choice(machine: Machine, values: Value) -> Value:
        return item_of(machine, values, generator.randrange(len(values)))

    def shuffle(machine: Machine, values: list[Value]) -> None:
        machine.budget.items(len(values))
        generator.shuffle(values)

    def sample(machine: Machine, values: Value, count: int) -> list[Value]:
        return generator.sample(items(machine.budget, values), count)

    def getrandbits(machine: Machine, bits: int) -> int:
        machine.budget.bits(bits)
        return generator.getrandbits(bits)

    return Facade(
        "random",
        functions(
            seed=seed,
            random=lambda machine: generator.random(),
            randint=lambda machine, low, high: generator.randint(low, high),
            randrange=lambda machine, *bounds: generator.randrange(*bounds),
            uniform=lambda machine, low, high: generator.uniform(low, high),
            choice=choice,
            shuffle=shuffle,
            sample=sample,
            getrandbits=getrandbits,
        ),
    )


def uuid_module(machine: Machine) -> Facade:
    """`uuid`; a uuid is its text here."""
    import uuid

    def wrapped(value: uuid.UUID) -> Value:
        return Uuid(value)  # files use it as text in any case

    namespaces = {"NAMESPACE_DNS": uuid.NAMESPACE_DNS, "NAMESPACE_URL": uuid.NAMESPACE_URL}

    def named(version: int) -> Value:
        make = uuid.uuid3 if version == 3 else uuid.uuid5

        def body(machine: Machine, namespace: Value, name: str) -> Value:
            machine.budget.step(len(name) >> 6)
            return wrapped(make(uuid.UUID(namespace), name))

        return body

    return Facade(
        "uuid",
        {
            **{name: wrapped(value) for name, value in namespaces.items()},
            **functions(
                uuid1=lambda machine: wrapped(uuid.uuid4()),  # uuid1 would tell the host's MAC address
                uuid4=lambda machine: wrapped(uuid.uuid4()),
                uuid3=named(3),
                uuid5=named(5),
                UUID=lambda machine, value: wrapped(uuid.UUID(value)),
            ),
        },
    )
