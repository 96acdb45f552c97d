"""xend's settings: the old file means what it meant, ours says the same, mistakes have their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from domus.config.problems import InvalidConfig
from domus.config.settings import SETTINGS, read, read_sxp, read_toml, written
from domus.config.settings.old import PARAMETERS
from domus.daemon.settings import parse
from domus.domains.defaults import filled
from domus.model.config import DomainConfig, GuestType, Nic
from domus.model.devices import Framebuffer
from domus.model.machine import Hvm, Vnc
from domus.model.settings import GuestDefaults

# what the last xend read (XendOptions.py), and what older ones did
NAMES = """
logfile loglevel xsm_module_name xen-api-server xend-http-server xend-unix-server xend-unix-path
xend-tcp-xmlrpc-server xend-tcp-xmlrpc-server-address xend-tcp-xmlrpc-server-port
xend-tcp-xmlrpc-server-ssl-key-file xend-tcp-xmlrpc-server-ssl-cert-file xend-unix-xmlrpc-server xend-port
xend-address xend-relocation-server xend-relocation-port xend-relocation-address xend-relocation-hosts-allow
xend-relocation-ssl-server xend-relocation-ssl-port xend-relocation-server-ssl-key-file
xend-relocation-server-ssl-cert-file xend-relocation-ssl xend-udev-event-server xend-domains-path
xend-state-path xend-storage-path xend-security-path console-limit network-script vif-script dom0-min-mem
enable-dom0-ballooning total_available_memory dom0-cpus enable-dump external-migration-tool vnc-listen
vncpasswd vnc-tls vnc-x509-cert-dir vnc-x509-verify keymap resource-label-change-script
qemu-dm-logrotate-count device-create-timeout device-destroy-timeout pci-passthrough-strict-check
pscsi-device-mask
xend-event-port console-address console-port-base vif-bridge vif-antispoof dbroot
"""

OLD = """# a comment
(logfile /var/log/xen/xend.log)
(loglevel DEBUG)
(xen-api-server ((9363 pam '^localhost$') (unix none)))
(xend-unix-server yes)
(vif-script 'vif-bridge bridge=br7')
(dom0-min-mem 196)
(enable-dom0-ballooning yes)
(vnc-listen '0.0.0.0')
(vncpasswd 'secret')
(keymap 'de')
(xend-relocation-server no)
(xend-relocation-hosts-allow '^rack[0-9]+$ ^10\\\\.0\\\\.')
(xend-mystery 1)
"""


def test_every_parameter_of_the_old_xend_is_known() -> None:
    assert sorted(PARAMETERS) == sorted(NAMES.split())
    for old in PARAMETERS.values():
        assert bool(old.means) != bool(old.instead), old.name


def test_an_old_file_means_what_it_meant_and_the_rest_is_answered_with_what_replaced_it() -> None:
    found = read_sxp(OLD, "x.sxp")
    assert found.values == {
        "log.directory": "/var/log/xen",
        "log.level": "debug",
        "guests.bridge": "br7",
        "dom0.min_memory_mib": 196,
        "dom0.ballooning": True,
        "guests.vnc_listen": "0.0.0.0",  # noqa: S104
        "guests.vnc_password": "secret",
        "guests.keymap": "de",
        "migration.accept": False,
        "migration.allow": r"^rack[0-9]+$ ^10\.0\.",
    }
    assert found.origins["guests.bridge"] == "x.sxp:6"
    assert [str(warning).partition(" (")[0] for warning in found.warnings] == [
        "x.sxp:4:1: xen-api-server means nothing today",
        "x.sxp:5:1: xend-unix-server means nothing today",
        "x.sxp:14:1: xend-mystery is no parameter of xend",
    ]
    assert "xend has one API" in str(found.warnings[0])


def test_the_toml_that_is_written_says_the_same() -> None:
    found = read_sxp(OLD, "x.sxp")
    assert read_toml(written(found.values), "x.toml").values == found.values
    assert read_toml(written(found.values, explained=True), "x.toml").values == found.values
    assert read_toml(written({}, explained=True), "x.toml").values == {}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_without_a_value_and_with_two_is_no_crash(name: str) -> None:
    for text in (f"({name})", f"({name} a b)", f"({name} (a (b)))", f"({name} ())"):
        try:
            read_sxp(text, "x.sxp")
        except InvalidConfig as error:
            assert error.where.startswith("x.sxp:1:")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(xend-port eight)", "x.sxp:1:12: invalid xend config xend-port: expected int: eight"),
        ("\n(enable-dump maybe)", "x.sxp:2:14: invalid xend config enable-dump: expected bool: maybe"),
        ("(vnc-listen nowhere)", "x.sxp:1:13: vnc-listen is an IP address, or empty"),
        ("(loglevel DEBUG", "x.sxp:1:1: "),
        ("stray", "x.sxp:1:1: 'stray' stands outside of parentheses"),
    ],
)
def test_mistakes_of_an_old_file_have_their_lines(text: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read_sxp(text, "x.sxp")
    assert caught.value.for_user().startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[listen]\ntls_port = 70000", "x.toml:2:1: listen.tls_port is a whole number from 0 to 65535"),
        ('[log]\n\n level = "loud"', "x.toml:3:2: log.level is one of debug, info, warning, error"),
        (
            "[guests]\nbrigde = 'x'",
            "x.toml:2:1: unknown setting 'guests.brigde' (did you mean guests.bridge?)",
        ),
        ("level = 'info'", "x.toml:1:1: 'level' is in no table (it belongs into [log])"),
        ("[dom0]\nballooning = 1", "x.toml:2:1: dom0.ballooning is true or false"),
        ("dom0.ballooning = 'no'", "x.toml:1:1: dom0.ballooning is true or false"),
        ("[log\n", "x.toml:1:5: "),
        ("[log]\nlevel = ", "x.toml:2:"),
    ],
)
def test_mistakes_of_a_toml_file_have_their_lines(text: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read_toml(text, "x.toml")
    assert caught.value.for_user().startswith(said)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InvalidConfig) as caught:
        read_toml("[log]\nlevel = 1\n[listen]\ntls_port = 'x'\n", "x.toml")
    assert len(caught.value.problems) == 2


def test_the_command_line_wins_over_toml_and_that_over_sxp(tmp_path: Path) -> None:
    (tmp_path / "x.sxp").write_text("(loglevel DEBUG) (keymap de) (vncpasswd x) (logfile /srv/log/xend.log)")
    (tmp_path / "x.toml").write_text(
        "[log]\nlevel = 'warning'\n[guests]\nkeymap = 'fr'\n[listen]\ntls_port = 1\n"
    )
    files = ["--config", str(tmp_path / "x.toml"), "--old-config", str(tmp_path / "x.sxp")]
    settings = parse([*files, "--tls-port", "2"])
    assert (settings.log_level, settings.tls_port, settings.log_dir) == ("warning", 2, Path("/srv/log"))
    assert settings.guests == GuestDefaults(keymap="fr", vnc_password="x")  # noqa: S106
    assert parse([*files, "--no-log-file"]).log_dir is None


def test_without_files_all_is_as_usual(tmp_path: Path) -> None:
    files = ["--config", str(tmp_path / "none"), "--old-config", str(tmp_path / "none")]
    settings = parse(files)
    assert read(tmp_path / "none", tmp_path / "none").values == {}
    assert str(settings.socket) == SETTINGS["listen.socket"].default
    assert (settings.tls_port, settings.log_level, settings.guests) == (8443, "info", GuestDefaults())


def test_guests_get_what_they_do_not_say() -> None:
    word = "tell-nobody"
    defaults = GuestDefaults(bridge="br7", vnc_listen="10.0.0.1", vnc_password=word, keymap="de")
    config = DomainConfig(
        name="x",
        guest_type=GuestType.HVM,
        nics=(Nic(), Nic(bridge="own"), Nic(script="/own")),
        framebuffers=(Framebuffer(),),
        hvm=Hvm(vnc=Vnc(listen="127.0.0.2", password=""), keymap="fr"),
    )
    done = filled(config, defaults)
    assert [nic.bridge for nic in done.nics] == ["br7", "own", None]
    assert done.framebuffers == (Framebuffer(vnc=Vnc(listen="10.0.0.1", password=word), keymap="de"),)
    assert done.hvm == config.hvm
    assert filled(config, GuestDefaults()) is config


@pytest.mark.parametrize(
    ("value", "means"),
    [
        ("vif-bridge", {}),
        ("vif-route", {"guests.vif_script": "vif-route"}),
        ("'vif-nat netdev=eth1'", {"guests.vif_script": "vif-nat"}),
        ("'vif-mine bridge=br3'", {"guests.bridge": "br3", "guests.vif_script": "vif-mine"}),
    ],
)
def test_the_old_vif_script_says_how_cards_are_plugged_in(value: str, means: dict[str, str]) -> None:
    assert read_sxp(f"(vif-script {value})", "x.sxp").values == means
