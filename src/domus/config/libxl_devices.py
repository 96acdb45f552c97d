"""Devices of libxl's JSON as structs of the model."""

from __future__ import annotations

from typing import Any, Final

from domus.config import vdev as vdevs
from domus.config.problems import Report
from domus.model.config import (
    P9,
    Channel,
    Connector,
    CpuidLeaf,
    Disk,
    DiskFormat,
    Framebuffer,
    IoMemory,
    IoRange,
    MsrPolicy,
    Nic,
    NicKind,
    PciDevice,
    Sdl,
    SoundParams,
    SoundPcm,
    SoundStream,
    UsbController,
    UsbDevice,
    Vdispl,
    Virtio,
    Vkb,
    Vnc,
    Vsnd,
    Vtpm,
)
from domus.model.errors import BadInput

Json = Any

#: scripts that stand for "xend plugs it", not for one of the user's
_OURS: Final = frozenset({"/bin/true", "/usr/bin/true"})
#: and those that libxl fills in
_USUAL: Final = frozenset({"vif-bridge", "/etc/xen/scripts/vif-bridge", "/etc/xen/scripts/block", "block"})


def read_devices(report: Report, config: Json, fields: dict[str, Any]) -> None:
    """All lists of devices."""
    fields["disks"] = tuple(
        d for index, disk in enumerate(config.get("disks", ())) if (d := _disk(report, disk, index))
    )
    fields["nics"] = tuple(_nic(nic, index) for index, nic in enumerate(config.get("nics", ())))
    vfbs = config.get("vfbs", ())
    fields["framebuffers"] = tuple(_vfb(vfb) for vfb in vfbs)
    fields["vkbs"] = tuple(
        _vkb(vkb) for vkb in config.get("vkbs", ())[len(vfbs) :] if vkb.get("backend_type")
    )
    fields["pci_devices"] = tuple(_pci(device) for device in config.get("pcidevs", ()))
    fields["usb_controllers"] = tuple(
        UsbController(kind=c.get("type", "auto"), version=c.get("version"), ports=c.get("ports"))
        for c in config.get("usbctrls", ())
    )
    fields["usb_devices"] = tuple(
        UsbDevice(
            hostbus=d.get("type.hostdev", {}).get("hostbus"),
            hostaddr=d.get("type.hostdev", {}).get("hostaddr"),
            controller=d.get("ctrl"),
            port=d.get("port"),
        )
        for d in config.get("usbdevs", ())
    )
    fields["vtpms"] = tuple(
        Vtpm(backend_domain=v.get("backend_domname", "0"), uuid=v.get("uuid"))
        for v in config.get("vtpms", ())
    )
    fields["channels"] = tuple(_channel(channel) for channel in config.get("channels", ()))
    fields["p9s"] = tuple(
        P9(
            kind=p.get("type"),
            tag=p.get("tag"),
            path=p.get("path"),
            security_model=p.get("security_model"),
            backend_domain=p.get("backend_domname"),
            max_files=p.get("max_files"),
            max_open_files=p.get("max_open_files"),
            max_space=p.get("max_space"),
            auto_delete=p.get("auto_delete"),
        )
        for p in config.get("p9s", ())
    )
    fields["pvcalls"] = tuple(p.get("backend_domname", "0") for p in config.get("pvcallsifs", ()))
    fields["virtios"] = tuple(
        Virtio(
            kind=v.get("type", ""),
            transport=v.get("transport"),
            backend_domain=v.get("backend_domname"),
            grant_usage=_truth(v.get("grant_usage")),
        )
        for v in config.get("virtios", ())
    )
    fields["vdispls"] = tuple(
        Vdispl(
            backend_domain=v.get("backend_domname"),
            be_alloc=v.get("be_alloc", False),
            connectors=tuple(
                Connector(
                    unique_id=c.get("unique_id", ""), width=c.get("width", 0), height=c.get("height", 0)
                )
                for c in v.get("connectors", ())
            ),
        )
        for v in config.get("vdispls", ())
    )
    fields["vsnds"] = tuple(_vsnd(card) for card in config.get("vsnds", ()))
    fields["dtdevs"] = tuple(d["path"] for d in config.get("dtdevs", ()) if d.get("path"))
    _resources(config.get("b_info", {}), fields)


def _truth(value: Json) -> bool | None:
    return {"True": True, "False": False}.get(value) if isinstance(value, str) else None


def _disk(report: Report, disk: Json, index: int) -> Disk | None:
    script = disk.get("script")
    vdev = disk.get("vdev", "")
    try:
        vdevs.number(vdev)
    except BadInput as problem:
        report.error(f"disks[{index}]: {problem.what}", hint=problem.hint)
        return None
    target = disk.get("pdev_path") or None
    backend = disk.get("backend")
    ours = script in _OURS
    form = disk.get("format", "raw").lower()
    cdrom = bool(disk.get("is_cdrom"))
    plain = form == "raw" and not cdrom and script is None
    return Disk(
        vdev=vdev,
        target=target,
        format=DiskFormat.EMPTY if target is None else DiskFormat("raw" if form == "unknown" else form),
        writable=bool(disk.get("readwrite")),
        cdrom=cdrom,
        # "phy" is what a plain raw disk gets anyway
        backend=None if backend in (None, "unknown") or (backend == "phy" and (ours or plain)) else backend,
        backend_domain=_backend(disk),
        script=None if ours or script in _USUAL else script,
        discard=_truth(disk.get("discard_enable")),
        direct_io_safe=bool(disk.get("direct_io_safe")),
        trusted=_truth(disk.get("trusted")),
        specification=None if disk.get("specification") in (None, "unknown") else disk["specification"],
        grant_usage=_truth(disk.get("grant_usage")),
    )


def _backend(device: Json) -> str | None:
    if device.get("backend_domname"):
        return str(device["backend_domname"])
    return str(device["backend_domid"]) if device.get("backend_domid") else None


def _nic(nic: Json, index: int) -> Nic:
    script = nic.get("script")
    kind = nic.get("nictype", "unknown").lower()
    mac = nic.get("mac", "").lower()
    return Nic(
        devid=None if nic.get("devid", index) == index else nic["devid"],
        mac=None if mac in ("", "00:00:00:00:00:00") else mac,
        bridge=nic.get("bridge"),
        ips=tuple((nic.get("ip") or "").split()),
        vifname=nic.get("ifname"),
        kind=None if kind == "unknown" else NicKind(kind),
        model=nic.get("model"),
        mtu=nic.get("mtu"),
        rate_bytes=nic.get("rate_bytes_per_interval"),
        rate_interval_us=nic.get("rate_interval_usecs"),
        script=None if script in _OURS or script in _USUAL else script,
        gateway_device=nic.get("gatewaydev"),
        vlan=nic.get("vlan"),
        backend_domain=_backend(nic),
        trusted=_truth(nic.get("trusted")),
    )


def _vfb(vfb: Json) -> Framebuffer:
    vnc, sdl = vfb.get("vnc", {}), vfb.get("sdl", {})
    return Framebuffer(
        vnc=Vnc(
            enable=_truth(vnc.get("enable")),
            listen=vnc.get("listen"),
            password=vnc.get("passwd"),
            display=vnc.get("display"),
            find_unused=_truth(vnc.get("findunused")),
        ),
        sdl=Sdl(
            enable=_truth(sdl.get("enable")),
            opengl=_truth(sdl.get("opengl")),
            display=sdl.get("display"),
            xauthority=sdl.get("xauthority"),
        ),
        keymap=vfb.get("keymap"),
    )


def _vkb(vkb: Json) -> Vkb:
    names = {name for name in Vkb.__struct_fields__ if name not in ("backend_type", "backend_domain")}
    values = {name: value for name, value in vkb.items() if name in names}
    return Vkb(backend_type=vkb["backend_type"], backend_domain=vkb.get("backend_domname"), **values)


def _pci(device: Json) -> PciDevice:
    options = {
        name: device[name]
        for name in ("vdevfn", "msitranslate", "power_mgmt", "permissive", "seize")
        if name in device
    }
    policy = device.get("rdm_policy")
    if policy in ("strict", "relaxed"):
        options["rdm_policy"] = policy
    if device.get("name"):
        return PciDevice(name=device["name"], **options)
    return PciDevice(
        domain=device.get("domain", 0),
        bus=device.get("bus", 0),
        device=device.get("dev", 0),
        function=device.get("func", 0),
        all_functions=device.get("vfunc_mask", 1) == (1 << 32) - 1,
        **options,
    )


def _channel(channel: Json) -> Channel:
    socket = channel.get("connection.socket")
    return Channel(
        name=channel.get("name", ""),
        connection="pty" if socket is None else "socket",
        path=None if socket is None else socket.get("path"),
        backend_domain=_backend(channel),
    )


def _sound(params: Json) -> SoundParams:
    return SoundParams(
        sample_rates=tuple(params.get("sample_rates", ())),
        sample_formats=tuple(params.get("sample_formats", ())),
        channels_min=params.get("channels_min"),
        channels_max=params.get("channels_max"),
        buffer_size=params.get("buffer_size"),
    )


def _vsnd(card: Json) -> Vsnd:
    return Vsnd(
        backend_domain=card.get("backend_domname"),
        short_name=card.get("short_name"),
        long_name=card.get("long_name"),
        params=_sound(card.get("params", {})),
        pcms=tuple(
            SoundPcm(
                name=pcm.get("name"),
                params=_sound(pcm.get("params", {})),
                streams=tuple(
                    SoundStream(
                        unique_id=stream.get("unique_id", ""),
                        kind=stream.get("type", "p").lower(),
                        params=_sound(stream.get("params", {})),
                    )
                    for stream in pcm.get("streams", ())
                ),
            )
            for pcm in card.get("pcms", ())
        ),
    )


def _resources(build: Json, fields: dict[str, Any]) -> None:
    policy = build.get("cpuid", [])
    leaves = policy.get("cpuid", []) if isinstance(policy, dict) else policy
    fields["cpuid"] = tuple(
        CpuidLeaf(**{key: leaf[key] for key in CpuidLeaf.__struct_fields__ if leaf.get(key) is not None})
        for leaf in leaves
    )
    if isinstance(policy, dict):
        fields["msr"] = tuple(MsrPolicy(index=m["index"], policy=m["policy"]) for m in policy.get("msr", ()))
    fields["ioports"] = tuple(
        IoRange(first=ports.get("first", 0), number=ports.get("number", 1))
        for ports in build.get("ioports", ())
    )
    fields["irqs"] = tuple(build.get("irqs", ()))
    fields["iomem"] = tuple(
        IoMemory(start=pages.get("start", 0), number=pages.get("number", 1), gfn=pages.get("gfn"))
        for pages in build.get("iomem", ())
    )
    fields["llc_colors"] = tuple(build.get("llc_colors", ()))
    quotas = build.get("xenstore_quota", {}).get("quota", ())
    fields["xenstore_quota"] = tuple((quota["name"], quota["val"]) for quota in quotas)
    sci = build.get("arch_arm", {}).get("arm_sci", {}).get("type")
    if sci is not None:
        fields["arm.sci"] = sci
