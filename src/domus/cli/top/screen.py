"""The screen of `xm top`, made with textual.

A thread asks the host; everything else happens in textual's loop. Actions have a client of their own,
since a client is for one thread at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Input, Static

from domus.cli.top.columns import COLUMNS, Histories, Order
from domus.cli.top.rates import Row, rows
from domus.client import Client
from domus.model.errors import DomusError
from domus.model.names import DOM0
from domus.model.statistics import Statistics

_MEBIBYTE_KIB: Final = 1024


class Top(App[None]):
    """The domains of one host.

    Args:
        ask: asks for one picture; called in a thread.
        client: for what the keys do; its own connection.
        delay: seconds between two pictures.
    """

    TITLE = "xm top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #host { height: 2; padding: 0 1; background: $panel; }
    #filter { height: 1; border: none; padding: 0 1; }
    #said { height: 1; padding: 0 1; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("p", "pause", "Pause/unpause"),
        Binding("s", "shut_down", "Shut down"),
        Binding("c", "console", "Console"),
        Binding("less_than_sign,left_square_bracket", "sort(-1)", "Sort", key_display="< >"),
        Binding("greater_than_sign,right_square_bracket", "sort(1)", show=False),
        Binding("r", "reverse", "Reverse"),
        # With priority: what is typed right behind it is for the filter already.
        Binding("slash", "filter", "Filter", key_display="/", priority=True),
        Binding("escape", "leave", show=False),
        Binding("space", "look", show=False),
        Binding("y", "confirm", show=False),
    ]

    def __init__(self, ask: Callable[[], Statistics], client: Client, *, delay: float) -> None:
        super().__init__()
        self.failure: DomusError | None = None  #: why there was no picture at all
        self.order = Order()
        self.pictures = 0  #: shown so far
        self._ask = ask
        self._client = client
        self._delay = delay
        self._histories = Histories()
        self._rows: list[Row] = []
        self._before: Statistics | None = None
        self._look_now = threading.Event()
        self._ended = threading.Event()
        self._asked_to_end: str | None = None  #: the domain whose shutdown waits for a "y"

    def compose(self) -> ComposeResult:
        """The host above, the table, the filter, a line for messages, the keys."""
        yield Static(id="host")
        table: DataTable[Text] = DataTable(cursor_type="row", zebra_stripes=True)
        yield table
        yield Input(placeholder="/ and a part of a name shows only these", id="filter")
        yield Static(id="said")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to ask."""
        self._head()
        self.screen.set_focus(self.query_one(DataTable))
        self._sample()

    def on_unmount(self) -> None:
        """Let the thread end."""
        self._ended.set()
        self._look_now.set()

    @work(thread=True)
    def _sample(self) -> None:
        while not self._ended.is_set():
            try:
                picture: Statistics | DomusError = self._ask()
            except DomusError as error:
                picture = error
            if self._ended.is_set():
                return
            self.call_from_thread(self._show, picture)
            self._look_now.wait(self._delay)
            self._look_now.clear()

    def _show(self, picture: Statistics | DomusError) -> None:
        if isinstance(picture, DomusError):
            if self._before is None:
                self.failure = picture
                self.exit()
            self._say(f"{picture.for_user()}; trying again", wrong=True)
            return
        self._rows = rows(picture, self._before)
        self._histories.note(self._rows)
        self._before = picture
        self.pictures += 1
        self.query_one("#host", Static).update(Text(_summary(picture, self._rows)))
        self._draw()

    def _head(self, cells: Sequence[Sequence[Text]] = ()) -> None:
        table = self.query_one(DataTable)
        for number, column in enumerate(COLUMNS):
            mark = ("▲" if column.largest_first == self.order.reversed else "▼") if self._is(number) else ""
            label = f"{column.title}{mark}"
            # Left to itself, the table finds the width only after it has been drawn.
            width = max(len(label), *(row[number].cell_len for row in cells), 0)
            table.add_column(Text(label, style="bold" if mark else ""), width=width)

    def _is(self, number: int) -> bool:
        return number == self.order.column

    def _draw(self) -> None:
        table = self.query_one(DataTable)
        chosen = self.chosen
        shown = self.order.applied(self._rows)
        cells = [self._cells(row) for row in shown]
        table.clear(columns=True)
        self._head(cells)
        for row, texts in zip(shown, cells, strict=True):
            table.add_row(*texts, key=row.key)
        keys = [row.key for row in shown]
        if chosen is not None and chosen.key in keys:
            table.move_cursor(row=keys.index(chosen.key))

    def _cells(self, row: Row) -> list[Text]:
        history = self._histories.cpu(row)
        return [_cell(column.text(row, history), column.left) for column in COLUMNS]

    @property
    def chosen(self) -> Row | None:
        """The domain under the cursor."""
        table = self.query_one(DataTable)
        if not table.row_count:
            return None
        key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        return next((row for row in self._rows if row.key == key), None)

    # Keys

    def action_sort(self, by: int) -> None:
        """Sort by the next column, or the one before."""
        self.order = self.order.moved(by)
        self._draw()

    def action_reverse(self) -> None:
        """Turn the order around."""
        self.order = self.order._replace(reversed=not self.order.reversed)
        self._draw()

    def action_look(self) -> None:
        """Ask now."""
        self._look_now.set()

    def action_filter(self) -> None:
        """Ask for a part of the names."""
        line = self.query_one("#filter", Input)
        self.screen.set_focus(line)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what fits while it is typed."""
        self.order = self.order._replace(filter=event.value)
        self._draw()

    def on_input_submitted(self) -> None:
        """Keep the filter, and go back to the table."""
        self.screen.set_focus(self.query_one(DataTable))

    def action_leave(self) -> None:
        """Forget a question or the filter."""
        self._asked_to_end = None
        self._say("")
        line = self.query_one("#filter", Input)
        line.value = ""
        self.screen.set_focus(self.query_one(DataTable))

    def action_pause(self) -> None:
        """Pause the domain under the cursor, or let it run again."""
        row = self._guest("pause")
        if row is None:
            return
        if row.domain.paused:
            self._do(self._client.unpause, row, "runs again")
        else:
            self._do(self._client.pause, row, "is paused")

    def action_shut_down(self) -> None:
        """Ask whether the domain under the cursor shall be asked to end."""
        row = self._guest("shut down")
        if row is not None:
            self._asked_to_end = row.key
            self._say(f"Shut down {row.domain.name}? y: yes, Escape: no")

    def action_confirm(self) -> None:
        """Yes, shut it down."""
        row = next((row for row in self._rows if row.key == self._asked_to_end), None)
        self._asked_to_end = None
        if row is not None:
            self._do(self._client.shutdown, row, "was asked to shut down")

    def action_console(self) -> None:
        """Lend the terminal to the console of the domain under the cursor, until Ctrl-]."""
        from domus.cli.console import attach, open_console

        row = self._guest("attach to")
        if row is None:
            return
        try:
            with open_console(self._client, _ref(row)) as stream, self.suspend():
                attach(stream)
        except DomusError as error:
            self._say(error.for_user(), wrong=True)
        except SuspendNotSupported:
            self._say("this terminal cannot be lent to a console", wrong=True)

    def _guest(self, verb: str) -> Row | None:
        row = self.chosen
        if row is not None and row.domain.domid == DOM0:
            self._say(f"Cannot {verb} privileged domain {row.domain.name}", wrong=True)
            return None
        return row

    def _do(self, action: Callable[[str], None], row: Row, done: str) -> None:
        try:
            action(_ref(row))
        except DomusError as error:
            self._say(error.for_user(), wrong=True)
            return
        self._say(f"{row.domain.name} {done}")
        self._look_now.set()

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.query_one("#said", Static).update(Text(text, style="bold red" if wrong else ""))


def _ref(row: Row) -> str:
    # The name may have passed to another domain since the picture; the uuid has not.
    return row.domain.uuid


def _cell(text: str, left: bool) -> Text:
    # Text, not str: a name with brackets in it is no markup.
    return Text(text, justify="left" if left else "right", no_wrap=True)


def _summary(picture: Statistics, shown: list[Row]) -> str:
    used = sum(row.cpu_percent for row in shown)
    states: dict[str, int] = {}
    for row in shown:
        states[str(row.domain.state)] = states.get(str(row.domain.state), 0) + 1
    counted = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    clock = time.strftime("%H:%M:%S", time.localtime(picture.time))
    total, free = picture.total_kib // _MEBIBYTE_KIB, picture.free_kib // _MEBIBYTE_KIB
    return (
        f"{picture.host}  Xen {picture.xen_version}  {clock}  {len(shown)} domains: {counted}\n"
        f"CPU {used:.0f}% of {100 * picture.cpus}%  {picture.cpus} CPUs at {picture.cpu_mhz:.0f} MHz   "
        f"Memory {total} MiB, {free} MiB free"
    )
