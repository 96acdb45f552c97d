"""Configuration files of cpupools: xm's and xl's, evaluated as those of domains are, or SXP.

name  = "batch"
sched = "credit"
cpus  = "1-3,^2"      # or ["1", "3"], or a number of free CPUs, or "#2"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from domus.config.loading import read_text
from domus.config.problems import Place, Report, Source
from domus.config.sxp.printer import pretty
from domus.model.cpupool import SCHEDULERS, CpupoolConfig, check_cpupool_name
from domus.model.errors import BadInput

#: what a file or the command line may set; xm's names, then xl's
VARIABLES: Final = {
    "name": "The cpupool's name; by default that of the file.",
    "sched": "Its scheduler: credit, credit2, rtds, null or arinc653; by default the host's.",
    "cpus": 'Its CPUs, such as "0-3,^1", ["2", "3"] or "node:1"; or how many free ones, such as 2 or "#2".',
    "other_config": "KEY=VALUE texts that are kept and shown, nothing more.",
    "nodes": 'NUMA nodes whose CPUs it gets, such as "0-1".',
}

_COUNT: Final = re.compile(r"#\s*(\d{1,5})")
_CPUS: Final = re.compile(r"\s*\^?(?:(?:nodes?:)?\d{1,5}(?:-\d{1,5})?|(?:nodes?:)?all)\s*", re.ASCII)


def load(path: Path, variables: Mapping[str, str]) -> CpupoolConfig:
    """Read a file of assignments.

    Args:
        variables: NAME=VALUE of the command line; they win over the file.

    Raises:
        ConfigError: with every problem, or because the file cannot be read.
    """
    from domus.config.evaluator import evaluate, parse
    from domus.config.xl.parser import parse as parse_xl

    report = Report(Source(str(path), read_text(path)))
    names: dict[str, Any]
    try:
        tree = parse(report.source)
    except SyntaxError as error:
        plain = parse_xl(report)  # what only xl's grammar has, such as text without quotes
        if plain.problems:
            raise report.fail(str(error.msg), Place(error.lineno or 1, error.offset or 1)) from None
        names = {name: variable.value for name, variable in plain.variables.items()}
    else:
        script = {name: value for name, value in variables.items() if name not in VARIABLES}
        found = evaluate(report.source, tree, report, variables=script)
        names = found.names
    wanted = {name: value for name, value in names.items() if name in VARIABLES} | {
        name: value for name, value in variables.items() if name in VARIABLES
    }
    return understood(wanted, report, default_name=path.name)


def from_variables(variables: Mapping[str, str]) -> CpupoolConfig:
    """A cpupool that the command line alone describes.

    Raises:
        ConfigError: with every problem.
    """
    report = Report(Source("command line", ""))
    for name in variables.keys() - VARIABLES:
        report.error(f"unknown parameter '{name}'", hint=f"one of {', '.join(VARIABLES)}")
    return understood(dict(variables), report)


def load_sxp(path: Path) -> CpupoolConfig:
    """Read a `(pool ...)` form, as `xm cpupool-create -n` prints it.

    Raises:
        ConfigError: it is no such form.
    """
    from domus.config.sxp.parser import Atom, Branch, parse

    report = Report(Source(str(path), read_text(path)))
    trees = parse(report)
    report.check()
    tree = next((each for each in trees if isinstance(each, Branch)), None)
    if tree is None or not tree or not isinstance(tree[0], Atom) or tree[0].text != "pool":
        raise report.fail("this is no (pool ...)")
    entries: dict[str, list[str]] = {}
    for entry in tree[1:]:
        if isinstance(entry, Branch) and entry and isinstance(entry[0], Atom):
            entries[entry[0].text] = list(_words(entry[1:]))
    values: dict[str, Any] = {"name": " ".join(entries.get("name_label", []))}
    if "sched_policy" in entries:
        values["sched"] = " ".join(entries["sched_policy"])
    if entries.get("proposed_CPUs"):
        values["cpus"] = entries["proposed_CPUs"]
    elif "ncpu" in entries:
        values["cpus"] = f"#{' '.join(entries['ncpu'])}"
    return understood(values, report)


def _words(items: list[Any]) -> list[str]:
    from domus.config.sxp.parser import Branch

    words: list[str] = []
    for item in items:  # xm wrote a list of CPUs as (proposed_CPUs (2) (3)) by mistake
        words += _words(item) if isinstance(item, Branch) else [item.text]
    return words


def write_sxp(config: CpupoolConfig) -> str:
    """What `xm cpupool-create -n` printed."""
    cpus = [part for part in re.split(r"[,\s]+", config.cpus) if part]
    number = config.cpu_count if config.cpu_count is not None else len(numbers(config.cpus)) or 1
    tree: list[Any] = [
        "pool",
        ["name_label", config.name],
        ["sched_policy", config.scheduler or "credit2"],
        ["ncpu", number],
        ["proposed_CPUs", *(numbers(config.cpus) or cpus)],
        ["other_config", *([name, value] for name, value in config.other.items())],
    ]
    return pretty(tree)


def numbers(cpus: str) -> list[int]:
    """The CPUs of a list, ascending; [] when they depend on the host."""
    found: set[int] = set()
    for item in re.split(r"[,\s]+", cpus):
        match = re.fullmatch(r"(\^?)(\d+)(?:-(\d+))?", item)
        if match is None:
            return []
        chosen = set(range(int(match[2]), int(match[3] or match[2]) + 1))
        found = found - chosen if match[1] else found | chosen
    return sorted(found)


def understood(values: dict[str, Any], report: Report, *, default_name: str = "") -> CpupoolConfig:
    """The cpupool that variables describe.

    Raises:
        InvalidConfig: with every problem.
    """
    name = values.get("name", default_name)
    if not isinstance(name, str):
        report.error("name is a text")
        name = ""
    else:
        try:
            check_cpupool_name(name)
        except BadInput as error:
            report.error(error.what, hint=error.hint)
    scheduler = str(values.get("sched") or "")
    if scheduler and scheduler not in SCHEDULERS:
        report.error(f"unknown scheduler {scheduler[:40]!r}", hint=f"one of {', '.join(SCHEDULERS)}")
    cpus, count = _cpus(values, report)
    other = _pairs(values.get("other_config"), report)
    report.check()
    return CpupoolConfig(name=name, scheduler=scheduler, cpus=cpus, cpu_count=count, other=other)


def _cpus(values: dict[str, Any], report: Report) -> tuple[str, int | None]:
    """CPUs as a list in text, or how many of them."""
    cpus = values.get("cpus", "")
    if values.get("nodes"):
        if cpus:
            report.error("cpus and nodes: one of them")
        nodes = values["nodes"]
        items = nodes if isinstance(nodes, list) else str(nodes).split(",")
        cpus = [re.sub(r"(\d+(?:-\d+)?)", r"node:\1", str(item).strip()) for item in items]
    if isinstance(cpus, int) and not isinstance(cpus, bool):
        cpus = f"#{cpus}"
    if isinstance(cpus, list | tuple):
        cpus = ",".join(str(item) for item in cpus)
    if not isinstance(cpus, str):
        report.error("cpus is a number, a text or a list of texts")
        return "", None
    if match := _COUNT.fullmatch(cpus.strip()):
        if int(match[1]) < 1:
            report.error("a cpupool needs at least one CPU")
        return "", int(match[1])
    if cpus.strip() and not all(_CPUS.fullmatch(item) for item in cpus.split(",")):
        report.error(f"{cpus[:60]!r} is no list of CPUs", hint='such as "0-3,^1" or "node:1"')
    return cpus.replace(" ", ""), None


def _pairs(value: Any, report: Report) -> dict[str, str]:
    if not value:
        return {}
    items = value if isinstance(value, list) else str(value).split(",")
    if not all(isinstance(item, str) and "=" in item for item in items):
        report.error("other_config is a list of KEY=VALUE texts")
        return {}
    return dict(item.split("=", 1) for item in items)


__all__ = ["VARIABLES", "from_variables", "load", "load_sxp", "numbers", "write_sxp"]
