# ruff: noqa: E501 - a table of programs reads best with one on a line
"""The evaluator of xm files: what real files do works, what they must not do is refused, and it ends."""

from __future__ import annotations

import time
from typing import Any

import pytest

from domus.config import InvalidConfig, load_text
from domus.config.evaluator import Budget, Host, evaluate, parse
from domus.config.evaluator.interfaces import default_route
from domus.config.problems import Report, Source

HOST = Host(
    uname=("Linux", "dom0.example", "6.12", "#1", "x86_64"),
    environment={"HOME": "/root", "SECRET_TOKEN": "hush", "XEN_NODE": "7"},
    directory="/",
)


def run(text: str, **variables: str) -> dict[str, Any]:
    """The names that a program leaves behind."""
    from domus.config.xm import syntax_tree

    source = Source("t.cfg", text)
    report = Report(source)
    tree, python2 = syntax_tree(source)
    return evaluate(source, tree, report, variables=variables, host=HOST, python2=python2).names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 'a' 'b' + \"c\"", "abc"),
        ("x = 1 + 2 * 3 - 4 // 2 ** 1", 5),
        ("x = -7 // 2, 7 % 3, 1 << 4, 6 & 3, 6 | 1, 6 ^ 2, ~1", (-4, 1, 16, 2, 7, 4, -2)),
        ("x = '%s-%02x' % ('web', 10)", "web-0a"),
        ("x = '%(a)s %%' % {'a': 1}", "1 %"),
        ("x = '%-5s|%5.1f|%+d|%*d' % ('a', 2.25, 3, 4, 5)", "a    |  2.2|+3|   5"),
        ("n = 3\nx = f'web{n:02d}-{n!r}'", "web03-3"),
        ("x = '{0}-{b[k]}-{:>4}'.format(1, b={'k': 2}) if 0 else '{}-{}'.format(1, 2)", "1-2"),
        ("x = '{0}{0}{{{name:>3}}}'.format('a', name='b')", "aa{  b}"),
        ("x = [i * j for i in range(3) for j in [1, 10] if i]", [1, 10, 2, 20]),
        ("x = {k: v for k, v in zip('ab', [1, 2])}", {"a": 1, "b": 2}),
        ("x = sorted({3, 1, 2}, reverse=True)", [3, 2, 1]),
        ("def f(n, m=2, *r, **k):\n  return n + m + len(r) + len(k)\nx = f(1, 2, 3, z=4)", 5),
        ("def f(n):\n  if n < 2: return n\n  return f(n-1) + f(n-2)\nx = f(10)", 55),
        ("y = 5\ndef f():\n  return y\nx = f()", 5),
        (
            "def outer():\n  n = 0\n  def inner():\n    nonlocal n\n    n += 1\n  inner()\n  return n\nx = outer()",
            1,
        ),
        ("x = (lambda a, b=1: a + b)(2)", 3),
        (
            "x = []\nfor i in range(5):\n  if i == 1: continue\n  if i == 3: break\n  x.append(i)\nelse:\n  x = 0",
            [0, 2],
        ),
        ("x = 0\nwhile x < 5:\n  x += 1\nelse:\n  x = 99", 99),
        ("try:\n  x = int('z')\nexcept ValueError as e:\n  x = 'no'\nfinally:\n  y = 1", "no"),
        ("try:\n  x = {}['k']\nexcept (KeyError, IndexError):\n  x = 1", 1),
        ("a, (b, *c) = 1, (2, 3, 4)\nx = [a, b, c]", [1, 2, [3, 4]]),
        ("x = [1, 2, 3, 4][1:3]", [2, 3]),
        ("x = [1]\nx[0:0] = [0]\nx[-1] = 9\ndel x[0]", [9]),
        ("d = {}\nd['a'] = d.get('b', 4)\nx = d.has_key('a'), d.items()", (True, [("a", 4)])),
        ("x = 'a,b'.split(',')[::-1]", ["b", "a"]),
        ("x = ' '.join(map(str, [1, 2]))", "1 2"),
        ("x = 1 if 0 else 2 if 0 else 3", 3),
        ("x = (1 < 2 < 3) and not (1 in [2]) and 'a' in 'cat'", True),
        ("x = 1 < 2 > 5 or None is None", True),
        ("if (n := 10) > 5: x = n", 10),
        ("import os, re\nx = os.uname()[4]", "x86_64"),
        ("import os\nx = os.uname().nodename", "dom0.example"),
        ("import os\nx = os.path.basename('/a/b.cfg'), os.path.exists('/nonexistent-7')", ("b.cfg", False)),
        ("import os\nx = os.environ.get('XEN_NODE')", "7"),
        ("import os\nx = os.environ.get('SECRET_TOKEN', 'none')", "none"),
        ("import re\nx = re.search('(\\d+)', 'web12').group(1)", "12"),
        ("import re\nx = re.sub(r'(?P<a>[a-z]+)-(\\d)', r'\\2\\g<a>', 'web-7x')", "7webx"),
        (
            "import re\nx = re.findall(r'\\w+', 'a b1,c'), re.split(r'[ ,]+', 'a b1,c')",
            (["a", "b1", "c"],) * 2,
        ),
        (
            "import re\nx = bool(re.match('^a.*z$', 'abcz', re.I)), re.compile('x{2,3}?').match('xxx').end()",
            (True, 2),
        ),
        (
            "import string\nx = string.join(['a', 'b'], '-') + string.letters[0] + str(string.atoi('7'))",
            "a-ba7",
        ),
        ("from os.path import join as j\nx = j('/a', 'b')", "/a/b"),
        ("from xen.util.ip import inet_aton\nx = inet_ntoa(inet_aton('10.0.0.1') + 1)", "10.0.0.2"),
        ("x = add_offset_to_ip('192.0.2.250', 7)", "192.0.3.1"),
        ("import math\nx = int(math.ceil(1.2))", 2),
        ("a = 'web'\nx = '%(a)s-%(b)d' % dict(locals(), b=1)", "web-1"),
        ("a = 1\nx = 'a' in globals() and 'a' in dir() and vars()['a'] == 1 and 'b' not in globals()", True),
        ("def f(b):\n  return sorted(locals())\nx = f(1)", ["b"]),
        ("y = [i for i in range(3)]\nx = i", 2),
        ("y = [i for i in 'ab']\ndel i\nx = 1", 1),
        ("x = [3, 1, 2]\nx.sort(lambda a, b: cmp(b, a))", [3, 2, 1]),
        ("x = sorted([(1, 'b'), (2, 'a')], lambda a, b: cmp(a[1], b[1]))", [(2, "a"), (1, "b")]),
        ("import hashlib\nx = hashlib.md5('web').hexdigest()[:6]", "2567a5"),
        ("import md5\nm = md5.new()\nm.update('web')\nx = m.hexdigest()[:6]", "2567a5"),
        (
            "import hashlib\nx = hashlib.new('sha1', 'web').hexdigest()[:6]",
            "ca84d1",
        ),
        (
            "import zlib, binascii\nx = zlib.crc32('web') == binascii.crc32('web'), binascii.hexlify('az')",
            (True, "617a"),
        ),
        ("from sets import Set\nx = len(Set([1, 1, 2]))", 2),
        (
            "import copy\na = {'k': [1]}\nx = copy.deepcopy(a)\nx['k'].append(2)\ny = copy.copy(a)\nx = x, a, y is a",
            ({"k": [1, 2]}, {"k": [1]}, False),
        ),
        ("import string\nx = string.Template('$a-${b}$$ $c').safe_substitute({'a': 1}, b=2)", "1-2$ $c"),
        ("from itertools import chain, izip\nx = list(izip('ab', chain([1], [2])))", [("a", 1), ("b", 2)]),
        ("import uuid\nu = uuid.uuid5(uuid.NAMESPACE_DNS, 'a')\nx = u.hex == str(u).replace('-', '')", True),
        ("import os\nx = os.getuid() == os.geteuid()", True),
        (
            "x = get_current_ipaddr('lo'), get_current_ipmask('lo'), get_current_ipgw('lo')",
            ("127.0.0.1", "255.0.0.0", None),
        ),
        (
            "x = get_current_ipaddr('nosuch'), get_current_ipaddr('n' * 99), len(get_defaultroute())",
            (None, None, 2),
        ),
        ("import socket\nx = socket.gethostname().split('.')[0]", "dom0"),
        ("x = chr(ord('a') + 2) + hex(255) + '%x' % 255", "c0xffff"),
        ("x = 1024 / 2", 512),
        ("x = 7 / 2.0", 3.5),
        ("x = 'a' 'b'.upper().center(5, '*')", "**AB*"),
        ("x = max(1, 5, 3), min([4, 2]), sum([1, 2]), abs(-1), divmod(7, 2)", (5, 2, 3, 1, (3, 1))),
        ("x = isinstance('a', str), isinstance(1, (str, int)), type(1) == int", (True, True, True)),
        ("x = '''a\nb'''", "a\nb"),
        ("global y\ny = 1\nx = y", 1),
        ("assert 1, 'no'\nx: int = 4", 4),
    ],
)
def test_what_files_compute_comes_out_as_in_python(text: str, expected: object) -> None:
    assert run(text)["x"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 0755", 493),
        ("x = 10L", 10),
        ("x = 0xFFL", 255),
        ("y = 3\nx = `y` + 'z'", "3z"),
        ("x = 1 <> 2", True),
        ("print 'hello', 1\nx = 1", 1),
        ("import sys\nprint >>sys.stderr, 'a'\nprint\nx = 1", 1),
        ("print 'a',\nx = 7 / 2", 3),
        ("import sys\nprint >>sys.stderr, 'a'\nx = 1", 1),
        ("print ('a=%s') % 1\nx = 1", 1),
        ("try:\n\tx = int('z')\nexcept ValueError, e:\n        x = 2", 2),
        (
            "def f(v):\n  raise ValueError, 'bad ' + v\ntry:\n  f('x')\nexcept ValueError, e: x = str(e)",
            "bad x",
        ),
        ("print 1\nx = [i for i in range(3)] and i", 2),
        ("print 1\nx = sorted([None, 3, 'a'] , cmp) if 0 else (None < 1 < 'a')", True),
        ("print 'a'; x = ur'\\d'", "\\d"),
        ("if 1: print 'a'\nx = {'a': 1}.has_key('a')", True),
        ("print 1\nx = map(lambda i: i*2, filter(None, [0, 1]))", [2]),
        ("print 1\nx = reduce(lambda a, b: a + b, xrange(4))", 6),
        ("print 1\nx = unicode('a') + unichr(98) + str(long('7L'))", "ab7"),
    ],
)
def test_python_2_habits_are_understood(text: str, expected: object) -> None:
    assert run(text)["x"] == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("open('/etc/passwd')", "open()"),
        ("import subprocess", "import subprocess"),
        ("import os\nos.popen('id').read()", "os.popen"),
        ("import os\nos.system('id')", "os.system"),
        ("import os\nos.remove('/x')", "os.remove"),
        ("eval('1')", "eval()"),
        ("exec('x=1')", "exec()"),
        ("__import__('os')", "__import__()"),
        ("().__class__", "__class__"),
        ("''.__class__.__mro__", "__class__"),
        ("(lambda: 0).__globals__", "__globals__"),
        ("getattr('', '__class__')", "__class__"),
        ("'{0.__class__}'.format(1)", "no attributes"),
        ("f'{().__class__}'", "__class__"),
        ("import os\nos.path.os", "os.path.os"),
        ("import os\nos.__builtins__", "os.__builtins__"),
        ("class A: pass", "classes"),
        ("with 1: pass", "`with`"),
        ("def f():\n  yield 1\nf()", "`yield`"),
        ("async def f(): pass", "`async`"),
        ("import socket\nsocket.gethostbyname('x')", "network"),
        ("globals()['memory'] = 5", "globals()"),
        ("locals().update({'memory': 5})", "update()"),
        ("globals().setdefault('memory', 5)", "setdefault()"),
        ("vars()['__builtins__']", "KeyError"),
        ("import hashlib\nhashlib.md5('a').__class__", "__class__"),
        ("import hashlib\nhashlib.md5('a').digest()", "hexdigest()"),
        ("import string\nstring.Template('$a').substitute()", "KeyError"),
        ("import copy\nx = []\nfor i in range(99): x = [x]\ncopy.deepcopy(x)", "nested too deeply"),
        ("try:\n  open('x')\nexcept:\n  pass", "open()"),
        ("try:\n  1/0\nexcept ZeroDivisionError as e:\n  e.__traceback__", "__traceback__"),
        ("@f\ndef g(): pass", "decorators"),
        ("x = 1\nx.real", "no 'real'"),
    ],
)
def test_what_could_escape_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        run(text)
    (problem,) = caught.value.problems
    assert said in str(problem)
    assert problem.where.startswith("t.cfg:")
    assert problem.caret


BOMBS = [
    "while True: pass",
    "while 1:\n  x = 1",
    "x = 'a' * 10 ** 10",
    "x = 10 ** 10 ** 10",
    "x = 1 << 10 ** 9",
    "x = [0] * 10 ** 9",
    "x = 'a'\nwhile 1: x += x",
    "x = []\nwhile 1: x.append(x)",
    "x = []\nwhile 1: x = [x, x]\n",
    "x = [1]\nfor i in range(60): x = [x, x]\ny = str(x)",
    "x = (1,)\nfor i in range(60): x = (x, x)\ny = {x: 1}",
    "x = [1]\ny = [1]\nfor i in range(60):\n  x = [x, x]\n  y = [y, y]\nz = x == y",
    "x = list(range(10 ** 9))",
    "x = range(10 ** 30)\nfor i in x: pass",
    "def f(): return f()\nf()",
    "f = lambda: f()\nf()",
    "x = '%1000000000d' % 1",
    "x = '%*d' % (10 ** 9, 1)",
    "x = '{:1000000000}'.format(1)",
    "x = f'{1:1000000000}'",
    "x = 'a'.ljust(10 ** 10)",
    "x = 'a\\t' * 1000\ny = x.expandtabs(10 ** 9)",
    "x = ('a' * 100000).replace('a', 'b' * 100000)",
    "x = ('a' * 100000).join(['b'] * 1000)",
    "import re\nx = re.search('(a+)+$', 'a' * 50 + 'b')",
    "import re\nx = re.search('(a|a)*b', 'a' * 60)",
    "import re\nx = re.match('(.*)(.*)(.*)(.*)(.*)x', 'a' * 5000)",
    "import re\nx = re.sub('', 'a' * 100000, 'b' * 100000)",
    "x = 1\nwhile 1: x = x * 3",
    "x = [[[]]]\nwhile 1: x = [x]",
    "x = {}\ni = 0\nwhile 1:\n  i += 1\n  x[i] = i",
    "x = int('9' * 5000)",
    "x = 'x' * 1000000\nwhile 1: y = x.upper()",
    "x = sorted(range(100000))\nwhile 1: x = sorted(x)",
    "x = ['a' * 1000000]\nwhile 1: y = x == ['a' * 1000000]",
    "(" * 500 + ")" * 500,
    "x = " + "-" * 100000 + "1",
    "x = " + "(" * 90 + "1" + ")" * 90 + "\nx = " + "[" * 3000,
    "x = " + "1+" * 100000 + "1",
    "if 1:\n" + "".join(" " * i + "if 1:\n" for i in range(1, 99)) + " " * 99 + "x = 1",
    "x" + ".a" * 20000,
    "x" + "[0]" * 20000,
    "x = not " * 30000 + "1",
    "x = " + "lambda: " * 5000 + "1",
    "import random\nx = random.getrandbits(10 ** 9)",
    "import random\nx = random.sample(range(10 ** 9), 10)",
    "import uuid\nwhile 1: uuid.uuid4()",
    "x = round(5, -10 ** 9)",
    "x = 'a' in 'b' * 1000000\nwhile 1: x = 'a' in 'b' * 1000000",
    "print('a' * 1000000)\nwhile 1: print('a' * 1000)",
    "def f(*a): return f(*a, *a)\nf(1)",
    "x = 2\nfor i in range(10 ** 6): x = x ** 2",
    "import time\nx = time.strftime('%c' * 100000)",
]


@pytest.mark.parametrize("text", BOMBS)
def test_every_evaluation_ends_within_its_budget(text: str) -> None:
    before = time.process_time()
    try:
        run(text)
    except InvalidConfig as error:
        assert error.for_user()
    except Exception as error:  # a text that is no program
        assert type(error).__name__ == "NotPython"
    # Far above what the budget of steps takes: without one, these would go on for hours.
    assert time.process_time() - before < 60


def test_a_small_budget_is_kept() -> None:
    source = Source("t.cfg", "x = 0\nfor i in range(1000): x += i")
    with pytest.raises(InvalidConfig, match="too much"):
        evaluate(source, parse(source), Report(source), variables={}, host=HOST, budget=Budget(steps=500))


def test_a_misspelt_parameter_is_an_error_but_a_helper_is_not() -> None:
    text = "import os\narch = os.uname()[4]\nlib = 'lib' + arch\nkernel = '/usr/' + lib\nname = 'd'\n"
    assert load_text(text, host=HOST).warnings == []
    with pytest.raises(InvalidConfig, match="unknown parameter 'memmory'"):
        load_text(text + "memmory = 5\n", host=HOST)


def test_a_leftover_of_a_program_only_warns() -> None:
    loaded = load_text("import os\nzzzqqq = 5\nkernel = '/k'\nname = 'd'\n", host=HOST)
    assert "nothing reads it" in loaded.warnings[0]


def test_helpers_that_are_read_by_looking_at_all_names_are_fine() -> None:
    text = "host = 'web'\nname = '%(host)s-1' % locals()\nkernel = '/k'\n"
    assert load_text(text, host=HOST).findings == ()
    with pytest.raises(InvalidConfig, match="unknown parameter 'memmory'"):
        load_text(text + "memmory = 5\n", host=HOST)


def test_a_value_that_is_unpacked_beside_others_need_not_be_used() -> None:
    loaded = load_text("name, zzz = 'a', 1\nkernel = '/k'\n", host=HOST)
    assert "nothing reads it" in loaded.warnings[0]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("", None),
        ("Iface\tDestination\tGateway\tFlags\n", None),
        (
            "head\neth0 0002000A 00000000 0001 0 0 0 00FFFFFF\nbr0 00000000 010200C0 0003 0 0 0 0\n",
            ("192.0.2.1", "br0"),
        ),
        ("head\ntun0 00000000 00000000 0001 0 0 0 00000000\n", None),
    ],
)
def test_the_default_route_is_read_from_the_kernel(routes: str, expected: object) -> None:
    assert default_route(routes) == expected


def test_printed_lines_are_kept_for_the_terminal() -> None:
    assert load_text("print 'building', 7\nname = 'd'\nkernel = '/k'\n", host=HOST).output == ("building 7",)


def test_a_file_may_refuse() -> None:
    with pytest.raises(InvalidConfig, match="the file refuses: not today"):
        load_text("import sys\nif 1: sys.exit('not today')\n", host=HOST)


VMID = """
def vmid_check(var, val):
    val = int(val)
    if val <= 0:
        raise ValueError
    return val
xm_vars.var('vmid', use="Virtual machine id. Integer greater than 0.", check=vmid_check)
xm_vars.check()
kernel = "/boot/vmlinuz"
name = "web%d" % vmid
disk = ['phy:vg0/web%d,xvda%d,w' % (vmid, 1)]
"""


def test_parameters_of_the_file_come_from_the_command_line() -> None:
    config = load_text(VMID, variables={"vmid": "3"}, host=HOST).config
    assert (config.name, config.disks[0].target) == ("web3", "/dev/vg0/web3")


def test_a_missing_parameter_of_the_file_is_explained() -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_text(VMID, host=HOST)
    assert "vmid" in str(caught.value.problems[0])
    assert "greater than 0" in caught.value.problems[0].hint


def test_the_command_line_wins_over_the_file() -> None:
    text = "import os\nname = 'a'\nmemory = 64\nkernel = '/k'\nvif = ['']\n"
    config = load_text(text, variables={"memory": "256"}, lists={"vif": ["bridge=b0"]}, host=HOST).config
    assert (config.memory_mib, config.nics[0].bridge) == (256, "b0")


def test_plain_division_that_leaves_a_rest_is_pointed_out() -> None:
    text = "import os\nname = 'a'\nkernel = '/k'\nmemory = 1000 / 3\n"
    loaded = load_text(text, host=HOST)
    assert loaded.config.memory_mib == 333
    assert "Python 2" in loaded.warnings[0]


def test_a_program_may_change_what_the_command_line_gave_it() -> None:
    text = "vmid = int(vmid)\nname = 'web%d' % (vmid + 1)\nkernel = '/k'\n"
    assert load_text(text, variables={"vmid": "3"}, host=HOST).config.name == "web4"


@pytest.mark.parametrize(
    ("name", "value", "said"), [("memory", "abc", "a whole number"), ("memroy", "5", "did you mean memory?")]
)
def test_a_wrong_value_of_the_command_line_is_called_that(name: str, value: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_text("name = 'a'\nkernel = '/k'\n", variables={name: value}, host=HOST)
    (problem,) = caught.value.problems
    assert problem.where == "command line"
    assert said in str(problem)
