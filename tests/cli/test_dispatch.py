"""What `xm` answers before any host is asked: one line per invocation."""

from __future__ import annotations

import msgspec
import pytest

from domus.cli.command import Command
from domus.cli.declared import ALIASES, everything, find, present
from domus.cli.help import usage
from domus.cli.main import main
from domus.cli.options import parse

OLD_NAMES = [command.name for command in everything() if command.origin == "xm"]
NEW_NAMES = {command.name for command in everything()} - set(OLD_NAMES)


RUNNABLE = [each for command in present() for each in (command, *command.verbs)]


@pytest.mark.parametrize("command", RUNNABLE, ids=lambda command: command.name)
def test_what_is_declared_to_run_is_there(command: Command) -> None:
    assert callable(command.load())


def run(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    status = main(line.split())
    out, err = capsys.readouterr()
    return status, out, err


def usage_of(name: str) -> str:
    command = find(name)
    assert command is not None
    return usage(command)


@pytest.mark.parametrize(
    ("line", "message", "shows_usage_of"),
    [
        ("destroy", "'xm destroy' requires 1 arguments.\n", "destroy"),
        ("destroy a b", "'xm destroy' requires 1 arguments.\n", "destroy"),
        ("shutdown", "'xm shutdown' requires between 1 and 4 arguments.\n", "shutdown"),
        ("reboot -a -w x y", "'xm reboot' requires between 1 and 3 arguments.\n", "reboot"),
        ("log x", "'xm log' requires 0 arguments.\n", "log"),
        ("list -y", "option -y not recognized", "list"),
        ("list --foo", "option --foo not recognized", "list"),
        ("list --state", "option --state requires argument", "list"),
        ("list --json=1", "option --json must not have an argument", "list"),
        ("list --l", "option --l not a unique prefix", "list"),
        (
            "list --state=running g1",
            "You may specify either a state or a particular VM, but not both",
            "list",
        ),
        ("list --pool=P g1", "You may specify either a pool or a particular VM, but not both", "list"),
        ("create -f", "option -f requires argument", "create"),
        ("create nosuch.cfg", "Unable to open config file: nosuch.cfg", "create"),
        ("create a.cfg b.cfg", "one configuration file, not 2: a.cfg, b.cfg", "create"),
        ("console -q", "No domain given", "console"),
        ("console -n x g1", "Invalid argument.", "console"),
        ("destroy 0", "Cannot destroy privileged domain 0", "destroy"),
        ("pause Domain-0", "Cannot pause privileged domain Domain-0", "pause"),
        ("unpause Domain-0", "Cannot unpause privileged domain Domain-0", "unpause"),
        ("shutdown Domain-0", "Domain 0 cannot be shutdown", "shutdown"),
        ("dmesg x", "No parameter required", "dmesg"),
        ("info a b", "'xm info' shows everything, or the value of one KEY", "info"),
        ("block-attach", "'xm block-attach' requires between 4 and 5 arguments.\n", "block-attach"),
        ("block-attach web", "'xm block-attach' requires between 4 and 5 arguments.\n", "block-attach"),
        (
            "block-attach web phy:/dev/x xvdb",
            "'xm block-attach' requires between 4 and 5 arguments.\n",
            "block-attach",
        ),
        ("block-detach web", "'xm block-detach' requires between 2 and 3 arguments.\n", "block-detach"),
        ("network-detach web", "'xm network-detach' requires between 2 and 3 arguments.\n", "network-detach"),
        ("network-attach web bridge", "Invalid argument: bridge", "network-attach"),
        ("network-attach web bridge=", "Invalid argument: bridge=", "network-attach"),
        ("network-attach web a=b", "Invalid argument: a=b", "network-attach"),
        ("network-attach web ip=a=b", "Invalid argument: ip=a=b", "network-attach"),
        ("host", "'xm host' does one of: add, list, rm", "host"),
        ("check", "which files?", "check"),
        (
            "check --format=perl f",
            "option --format has no value 'perl' (one of xm, xl, sxp, json, xml)",
            "check",
        ),
        ("convert --to=xl", "which file?", "convert"),
        ("convert g.cfg", "into which language? (--to=xl)", "convert"),
        ("convert g.cfg --to", "option --to requires argument", "convert"),
        (
            "convert g.cfg --to=perl",
            "option --to has no value 'perl' (one of xm, xl, sxp, json, xml)",
            "convert",
        ),
        ("convert a b --to=xl", "one configuration file, not 2: a, b", "convert"),
        ("convert nosuch --to=xl", "Unable to open config file: nosuch", "convert"),
        ("start", "Expects 1 argument", "start"),
        ("start a b", "Expects 1 argument", "start"),
        ("delete", "'xm delete' requires 1 arguments.\n", "delete"),
        ("delete 0", "Cannot delete privileged domain 0", "delete"),
        ("rename a", "'xm rename' requires 2 arguments.\n", "rename"),
        ("new nosuch.cfg", "Unable to open config file: nosuch.cfg", "new"),
        ("new --json g.cfg", "--json is for the output of -n", "new"),
        ("config", "'xm config' does one of: show, set, history, revert, diff, migrate", "config"),
        ("config show", "'xm config show' takes a domain", "config"),
        ("config show a b", "'xm config show' takes one domain", "config"),
        ("config set a", "set what? (xm config set a memory=512, or a configuration file)", "config"),
        (
            "config revert a",
            "'xm config revert' takes a domain and a revision (xm config history a)",
            "config",
        ),
        ("autostart --disable", "--disable is for one domain (xm autostart DOM ...)", "autostart"),
        ("autostart a --order=x", "Invalid argument.", "autostart"),
        ("autostart a --stop-all", "--stop-all is for all domains, and goes alone", "autostart"),
        ("import", "'xm import' requires between 1 and 2 arguments.\n", "import"),
        ("schema x", "'xm schema' requires 0 arguments.\n", "schema"),
        ("create --json g.cfg", "--json is for the output of -n", "create"),
        ("create -nx --json g.cfg", "-x prints XML and --json prints JSON; one of them", "create"),
        (
            "create -F g.sxp --format=xl",
            "-F is for a file in SXP, not xl (-f FILE --format=xl)",
            "create",
        ),
        ("create g.cfg extra=\udcff", "this is not UTF-8: 'extra=\\udcff'", "create"),
        ("list --long --json", "--long prints SXP and --json prints JSON; one of them", "list"),
        ("mem-set g 1x2", "Invalid argument. ('1x2' is no number)", "mem-set"),
        ("sysrq g ab", "ab is not convertible to a character", "sysrq"),
        (
            "trigger g nosuch",
            "Invalid trigger: nosuch (one of nmi, reset, init, s3resume, power, sleep)",
            "trigger",
        ),
        ("vcpu-pin g 0 ^x", "Invalid argument. ('^x' is no list of CPUs such as 0-3,^1)", "vcpu-pin"),
        ("vcpu-set g two", "Invalid argument. ('two' is no number)", "vcpu-set"),
        ("sched-credit -w 3", "No domain given.", "sched-credit"),
        ("sched-credit2 -w x -d g", "Invalid argument. ('x' is no number)", "sched-credit2"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_the_usage(
    capsys: pytest.CaptureFixture[str], line: str, message: str, shows_usage_of: str
) -> None:
    assert run(capsys, line) == (1, usage_of(shows_usage_of), f"Error: {message}\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("console -n 1 g", "'xm console -n' is not part of this version yet"),
        ("shutdown -H -R g", "Can't specify halt and reboot"),
        ("shutdown -w", "No domain parameter given"),
        (
            "block-attach g phy xvdb w",
            "Block device must have physical details specified (such as phy:/dev/vg0/web)",
        ),
        ("block-attach g odd:/x xvdb w", 'Block device type "odd" is invalid. (phy, file or tap)'),
        (
            "block-attach g phy:/dev/x xvd w",
            "Unable to find number for device (xvd) (xvda and on, hda-hdd, sda-sdp, with an optional"
            " partition number, or d0p0 and on)",
        ),
        (
            "block-attach g phy:/dev/x xvdb x",
            "Invalid mode (r, w, or w! for a disk that others write to as well)",
        ),
        (
            "network-attach g mac=0",
            "Cannot create a new virtual network interface - MAC address is not valid!",
        ),
        ("shutdown a b", "No multiple domain parameters allowed"),
        ("shutdown -a b", "-a means every domain; for 'b' alone leave it out"),
        ("--host", "option --host requires argument"),
        (
            "tmem-list",
            "'xm tmem-list' is not available: transcendent memory was removed from Xen in 4.13;"
            " there is no replacement.",
        ),
        (
            "labels",
            "'xm labels' is not available: ACM was removed in Xen 4.2; use Flask (seclabel= in the guest's"
            " configuration, 'xm loadpolicy', 'xm getenforce').",
        ),
    ],
)
def test_a_failure_is_one_line(capsys: pytest.CaptureFixture[str], line: str, message: str) -> None:
    assert run(capsys, line) == (1, "", f"Error: {message}\n")


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_an_alias_says_so_and_stands_for_its_command(capsys: pytest.CaptureFixture[str], alias: str) -> None:
    status, out, err = run(capsys, alias)
    first, *rest = err.splitlines()
    assert status == 1
    assert first == f"Command {alias} is deprecated.  Please use xm {ALIASES[alias]} instead."
    usage = usage_of(ALIASES[alias])
    # xm says this one on its standard output.
    assert out == f"No domain parameter given\n{usage}" or rest[0].startswith("Error: ")
    assert out == "" or out.endswith(usage)


@pytest.mark.parametrize("name", ["block-list", "network-list"])
@pytest.mark.parametrize(
    ("words", "message"),
    [("", "No domain parameter given"), (" a b", "No multiple domain parameters allowed")],
)
def test_a_list_of_devices_is_of_one_domain(
    capsys: pytest.CaptureFixture[str], name: str, words: str, message: str
) -> None:
    assert run(capsys, name + words) == (1, f"{message}\n{usage_of(name)}", "")


def test_the_deprecated_list_v_says_so_and_lists_vcpus(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "list -v")
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        "xm list -v is deprecated.  Please use xm vcpu-list.",
        "Error: Unable to connect to xend: No such file or directory. Is xend running?",
    ]


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("lis", "list"),
        ("li", "list"),
        ("cre", "create"),
        ("co", "console"),
        ("sh", None),
        ("l", None),
        ("he", None),
        ("hel", None),
        ("ball", None),
        ("dest", "destroy"),
        ("up", "uptime"),
        ("x", None),
        ("", None),
    ],
)
def test_a_prefix_of_two_letters_stands_for_the_only_command_that_has_it(
    prefix: str, name: str | None
) -> None:
    found = find(prefix)
    assert (found.name if found else None) == name


def test_what_is_new_makes_no_old_prefix_ambiguous() -> None:
    for name in OLD_NAMES:
        for length in range(2, len(name)):
            fits = [other for other in OLD_NAMES if other.startswith(name[:length]) and other != "help"]
            if len(fits) == 1 and name[:length] not in NEW_NAMES:
                found = find(name[:length])
                assert found is not None
                assert found.name == fits[0]


@pytest.mark.parametrize(
    "command", [command for command in present() if not command.raw], ids=lambda c: c.name
)
def test_an_option_takes_a_value_if_its_row_says_so(command: Command) -> None:
    free = msgspec.structs.replace(command, counts=None)
    for option in command.options:
        if option.later:
            continue
        for spelling in ((f"-{option.letter}",) if option.letter else ()) + (f"--{option.word}",):
            value = option.choices[0] if option.choices else "next"
            values, words = parse(free, [spelling, value])
            assert (values, words) == (
                ({option.word: [value]}, []) if option.value else ({option.word: [""]}, [value])
            )


def test_every_command_of_xm_is_known() -> None:
    # 102 were in the last xm's table, with seven that only older lines had, and help.
    assert len(OLD_NAMES) == len(set(OLD_NAMES)) == 102 + 7 + 1
