"""Tab completion, in the real shells."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domus.cli import completion
from domus.cli.declared import present
from domus.cli.main import main


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a configuration, and an `xm` on the PATH that knows two domains and a host."""
    (tmp_path / "web.cfg").touch()
    (tmp_path / "bin").mkdir()
    # It answers what the scripts ask for; which names xend would tell is not the matter here.
    program = tmp_path / "bin/xm"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/asked\n'
        'case "$*" in\n'
        "*completion=domains) echo Domain-0; echo web-server ;;\n"
        "*completion=cpupools) echo Pool-0; echo batch ;;\n"
        "*completion=images) echo root ;;\n"
        "*completion=hosts) echo local; echo rack1; echo one ;;\n"
        f'*) PYTHONPATH={":".join(sys.path)} exec {sys.executable} -m domus.cli "$@" ;;\n'
        "esac\n"
    )
    program.chmod(0o755)
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    path = f"{home}/bin:{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "HOME": str(home),
        "TERM": "dumb",
        "XDG_CONFIG_HOME": str(home / ".c"),
    }


def bash(home: Path, line: str) -> list[str]:
    """What bash offers for the last word of a line."""
    (home / "xm.bash").write_text(completion.answer("bash", host=None))
    words = re.findall(r"[:=]|[^\s:=]+", line) + ([""] if line.endswith((" ", "=", ":")) else [])
    script = (
        'source xm.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _xm;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def fish(home: Path, line: str) -> list[str]:
    """What fish offers for the last word of a line."""
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    (home / "xm.fish").write_text(completion.answer("fish", host=None))
    done = subprocess.run(
        ["fish", "--no-config", "-c", "source xm.fish; complete -C $argv[1]", "--", line],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [offered.partition("\t")[0] for offered in done.stdout.splitlines()]


class Zsh:
    """An interactive zsh on a terminal of its own, with the completion loaded."""

    def __init__(self, home: Path) -> None:
        (home / "xm.zsh").write_text(completion.answer("zsh", host=None))
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.chdir(home)
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment(home))  # noqa: S606
        # The echo of what is typed must not look like the prompt.
        self.type(
            "autoload -Uz compinit; compinit -u -D; source ./xm.zsh; PS1=$'\\x3e>\\x3e '; LISTMAX=999\n"
        )
        self.until(">>> ")

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, text: str, within: float = 30) -> str:
        """What is printed up to and including a text."""
        seen = ""
        deadline = time.monotonic() + within
        while text not in seen:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.terminal], [], [], left)[0], seen
            seen += os.read(self.terminal, 65536).decode(errors="replace")
        return seen

    def until_quiet(self) -> str:
        """What is printed until nothing has come for a second."""
        seen = ""
        while select.select([self.terminal], [], [], 1.0)[0]:
            seen += os.read(self.terminal, 65536).decode(errors="replace")
        return re.sub(r"\x07|\x1b\[[0-9;?]*[A-Za-z]", "", seen)

    def offers(self, line: str) -> str:
        """What Tab shows for a line; the line is thrown away afterwards."""
        self.type(f"{line}\t")
        seen = self.until_quiet()
        self.type("\x15\n")
        self.until(">>> ")
        return seen

    def close(self) -> None:
        os.close(self.terminal)
        os.waitpid(self.child, 0)


@pytest.fixture
def zsh(home: Path) -> Iterator[Zsh]:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    shell = Zsh(home)
    yield shell
    shell.close()


CASES = [
    ("xm unp", "unpause"),
    ("xm list --js", "--json"),
    ("xm destroy ", "web-server"),
    ("xm --host rack1 destroy w", "web-server"),
    ("xm --host ", "rack1"),
    ("xm convert --to ", "sxp"),
    ("xm help unp", "unpause"),
    ("xm lab ", "shell"),
    ("xm lab disk ", "add"),
    ("xm lab up --mem", "--memory"),
    ("xm --host rack1 image cl", "clone"),
    ("xm image build --fs ", "btrfs"),
    ("xm image snapshot ", "root"),
    ("xm lab down r", "rack1"),
    ("xm host ", "add"),
    ("xm cpupool-destroy ba", "batch"),
    ("xm cpupool-migrate we", "web-server"),
]


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_bash_offers(home: Path, line: str, offered: str) -> None:
    assert offered in bash(home, line)


def test_bash_offers_values_behind_an_equals_sign(home: Path) -> None:
    assert bash(home, "xm convert --to=s") == ["sxp"]
    assert bash(home, "xm --host=r") == ["rack1"]


def test_bash_leaves_files_to_itself(home: Path) -> None:
    assert bash(home, "xm create we") == []
    assert "-o default" in completion.answer("bash", host=None)


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_fish_offers(home: Path, line: str, offered: str) -> None:
    assert offered in fish(home, line)


def test_fish_offers_files_where_one_is_wanted_and_nothing_else_where_not(home: Path) -> None:
    assert "web.cfg" in fish(home, "xm create we")
    assert fish(home, "xm pause we") == ["web-server"]
    assert fish(home, "xm convert --to=s") == ["--to=sxp"]


def test_zsh_completes(zsh: Zsh, home: Path) -> None:
    assert "unpause" in zsh.offers("xm unp")
    assert "xm destroy web-server" in zsh.offers("xm destroy we")
    assert "web.cfg" in zsh.offers("xm create we")
    assert "--json" in zsh.offers("xm list --js")
    assert "rack1" in zsh.offers("xm --host ra")
    assert "convert --to=sxp" in zsh.offers("xm convert --to=s")
    assert "Control" not in zsh.offers("xm unp")
    zsh.offers("xm --host rack1 destroy we")
    assert "--host rack1 help --completion=domains" in (home / "asked").read_text()


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_every_subcommand_is_in_every_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", f"--completion={shell}"]) == 0
    script = capsys.readouterr().out
    assert [command.name for command in present() if command.name not in script] == []
    assert "@" not in script.replace("${COMP_WORDS[@]}", "").replace('"${host[@]}"', "").replace(
        '"${COMPREPLY[@]#"${word%:*}:"}"', ""
    )


def test_images_are_told_one_per_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XM_IMAGES", str(tmp_path))
    for name in ("web.raw", "web@before.raw", "other.qcow2", ".base-0.raw", "notes.txt"):
        (tmp_path / name).touch()
    assert main(["help", "--completion=images"]) == 0
    assert capsys.readouterr().out == "other\nweb\nweb@before\n"


def test_hosts_are_told_one_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "--completion=hosts"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "local"


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "--completion=csh"]) == 1
    assert capsys.readouterr().err == ("Error: no completion for 'csh' (there is one for bash, zsh, fish)\n")
