"""A DomainConfig as the variables of a configuration file: what `domus.config.reading` undoes."""

from __future__ import annotations

from typing import Any, Final

from domus.config.document import Dialect
from domus.config.parameters import TABLE
from domus.config.reading.emulated import VIRIDIAN
from domus.config.writing import devices
from domus.model.config import DomainConfig, GuestType

Value = Any


class Variables:
    """Variables in the order in which they are written, and what could not be said."""

    def __init__(self, config: DomainConfig, dialect: Dialect) -> None:
        self.config = config
        self.dialect = dialect
        self.values: dict[str, Value] = {}
        self.losses: list[str] = []

    def put(self, name: str, value: Value) -> None:
        """Set a variable, if there is a value."""
        if value is not None and value != [] and value != ():
            self.values[name] = value

    def lose(self, what: str) -> None:
        """Note what this language cannot say."""
        self.losses.append(what)


def to_variables(config: DomainConfig, dialect: Dialect) -> Variables:
    """The variables that read back as `config`."""
    made = Variables(config, dialect)
    _identity(made)
    _table(made)
    _cpus(made)
    _resources(made)
    if config.guest_type is GuestType.HVM:
        _hvm(made)
    devices.put_devices(made)
    _xend(made)
    return made


def _identity(made: Variables) -> None:
    config = made.config
    made.put("name", config.name)
    if made.dialect == "xm" and config.guest_type is not GuestType.PVH:
        made.put("builder", {GuestType.HVM: "hvm"}.get(config.guest_type, "linux"))
    else:
        made.put("type", config.guest_type.value)
    made.put("cmdline" if made.dialect == "xl" else "extra", config.cmdline or None)
    if config.bootloader is not None and made.dialect == "xm" and not config.bootloader_args:
        made.values["bootloader_args"] = []  # else it would read back as -q


def _table(made: Variables) -> None:
    """Everything that a parameter of its own holds."""
    for name, parameter in TABLE.items():
        if not parameter.field or name in ("name", "viridian", "smbios"):
            continue
        value: Value = made.config
        for part in parameter.field.split("."):
            value = getattr(value, part)
            if value is None:
                break
        if value is None or value == () or (value == "" and not _may_be_empty(name)):
            continue
        if isinstance(value, bool) and name == "vncconsole" and not value:
            continue
        if (name, value) in _SILENT:
            continue
        if made.dialect == "xm" or parameter.xl:
            made.put(name, parameter.kind.write(value))


#: what nobody writes
_SILENT: Final = (("on_xend_stop", "ignore"), ("start_order", 0), ("start_delay", 0.0))


def _may_be_empty(name: str) -> bool:
    return name in ("vncpasswd", "spicepasswd")


def _cpus(made: Variables) -> None:
    config = made.config
    most = config.maxvcpus or config.vcpus
    is_first = config.avail_vcpus in ((), tuple(range(config.vcpus)))
    if not is_first and made.dialect == "xm":  # xl brings the first VCPUs online, not chosen ones
        made.values.pop("maxvcpus", None)
        made.put("vcpus", most)
        made.put("vcpu_avail", sum(1 << number for number in config.avail_vcpus))
    made.put("cpus", _affinity(config.cpus, config.cpus_expressions))
    made.put("cpus_soft", _affinity(config.cpus_soft, config.cpus_soft_expressions))
    made.put(
        "vnuma",
        [
            [
                f"pnode={node.pnode}",
                f"size={node.memory_mib}",
                f"vcpus={cpu_text(node.vcpus)}",
                f"vdistances={','.join(map(str, node.distances))}",
            ]
            for node in config.vnuma
        ],
    )


def _affinity(sets: tuple[tuple[int, ...] | None, ...], expressions: tuple[str, ...]) -> Value:
    if expressions:
        return expressions[0] if len(expressions) == 1 else list(expressions)
    texts = [cpu_text(numbers) if numbers else "all" for numbers in sets]
    return texts[0] if len(set(texts)) == 1 else texts or None


def cpu_text(numbers: tuple[int, ...]) -> str:
    """Ascending numbers as ranges: `0-3,5`."""
    parts: list[str] = []
    start = before = -1
    for number in (*numbers, -2):
        if number == before + 1 and start >= 0:
            before = number
            continue
        if start >= 0:
            parts.append(str(start) if start == before else f"{start}-{before}")
        start = before = number
    return ",".join(parts)


def _resources(made: Variables) -> None:
    quota = [f"{name}={value}" for name, value in made.config.xenstore_quota]
    made.put("xenstore_quota", quota)
    if made.config.arm is not None and made.config.arm.sci is not None:
        made.put("arm_sci", f"type={made.config.arm.sci}")
    made.put("llc_colors", [str(color) for color in made.config.llc_colors])


def _hvm(made: Variables) -> None:
    hvm = made.config.hvm
    if hvm is None:
        return
    if hvm.viridian is not None or hvm.viridian_enable or hvm.viridian_disable:
        groups = ["defaults"] if hvm.viridian else []
        names = dict(enumerate(VIRIDIAN))
        groups += [names[bit] for bit in hvm.viridian_enable if bit in names]
        groups += [f"!{names[bit]}" for bit in hvm.viridian_disable if bit in names]
        plain = not hvm.viridian_enable and not hvm.viridian_disable
        made.put("viridian", int(bool(hvm.viridian)) if plain else groups)
    made.put("smbios", [f"{key}={value}" for key, value in hvm.smbios])
    if hvm.gfx_passthru is not None:
        made.put("gfx_passthru", hvm.gfx_passthru_kind or int(hvm.gfx_passthru))
    if hvm.rdm_strategy or hvm.rdm_policy:
        pairs = (("strategy", hvm.rdm_strategy), ("policy", hvm.rdm_policy))
        made.put("rdm", ",".join(f"{key}={value}" for key, value in pairs if value))
    if hvm.mca_lmce:
        made.put("mca_caps", ["lmce"])
    if hvm.ms_vm_genid:
        made.put("ms_vm_genid", "generate")
    if made.dialect == "xm":
        _as_libxl_would(made)


def _as_libxl_would(made: Variables) -> None:
    """Where an xm file means something else by saying nothing, say what libxl does."""
    for name, value in (("boot", "cda"), ("hpet", 1), ("vnc", 1)):
        if name not in made.values:
            made.put(name, value)
    if made.values.get("sdl") and "opengl" not in made.values:
        made.put("opengl", 0)


def _xend(made: Variables) -> None:
    config = made.config
    if made.dialect == "xm" and config.autostart:
        made.put("on_xend_start", "start")
