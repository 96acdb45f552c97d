"""libxl contexts: each call has one to itself while it lasts.

A context has one lock, which libxl holds for most of a call, such as the second in which it copies a
kernel into a new guest. On one shared context a listing would wait for that. Contexts are cheap (a few
descriptors), and libxl allows any number of them with the SIGCHLD owner that we use (libxl_event.h).
"""

from __future__ import annotations

import ctypes
import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from domus.model.errors import Cancelled, DomainNotFound, HostProblem, Internal, LibxlError
from domus.xen.libxl.abi import (
    ERROR_ABORTED,
    ERROR_DOMAIN_NOTFOUND,
    SIGCHLD_SELECTIVE_REAP,
    AsyncopHow,
    ChildprocHooks,
    Library,
)
from domus.xen.libxl.log import CallLog, Line, publish, summary

#: contexts kept for the next calls
_IDLE_MAX: Final = 4

_ALL_EVENTS: Final = (1 << 64) - 1  # libxl_event.h, LIBXL_EVENTMASK_ALL


class Abort:
    """Stops one long call: asked from any thread, before the call, during it or after it."""

    def __init__(self) -> None:
        self.how = AsyncopHow(None, 1)
        self._lock = threading.Lock()
        self._asked = False
        self._during: Context | None = None

    def ask(self) -> None:
        """Stop it; it ends some time later, unless it had ended."""
        with self._lock:
            self._asked = True
            if self._during is not None:
                library, pointer = self._during.library, self._during.pointer
                library.libxl_ao_abort(pointer, ctypes.byref(self.how))

    @contextmanager
    def during(self, context: Context) -> Iterator[None]:
        """The call lasts as long as the block.

        Raises:
            Cancelled: it was asked to stop before.
        """
        with self._lock:
            if self._asked:
                raise Cancelled("stopped before it began")
            self._during = context
        try:
            yield
        finally:
            with self._lock:
                self._during = None


class Context:
    """One libxl_ctx with its log. For one thread at a time.

    Raises:
        HostProblem: libxl cannot talk to Xen or XenStore.
    """

    def __init__(self, library: Library, hooks: ChildprocHooks) -> None:
        self.library = library
        self.log = CallLog(library)
        self.pointer = ctypes.c_void_p()
        if library.libxl_ctx_alloc(ctypes.byref(self.pointer), 0, 0, self.log.logger):
            reason = summary(self.log.take()) or "no reason given"
            self.log.close()
            raise HostProblem(
                f"libxl cannot talk to Xen: {reason}",
                hint="are you root in domain 0, and does xenstored run?",
            )
        library.libxl_childproc_setmode(self.pointer, ctypes.byref(hooks), None)

    def call(self, function: str, *arguments: Any, domid: int | None = None) -> int:
        """Call a function that answers with an error code, or with a number of zero and above.

        Raises:
            DomainNotFound: there is no domain `domid`.
            LibxlError: any other error code, with what libxl logged.
        """
        return self._checked(function, getattr(self.library, function)(self.pointer, *arguments), domid)

    def call_abortably(self, function: str, *arguments: Any, abort: Abort, domid: int | None = None) -> None:
        """As `call`, for a long one that `abort` may stop; where its ao_how is meant, pass `abort.how`.

        Raises:
            Cancelled: it was stopped, or not begun at all.
        """
        with abort.during(self):
            code = getattr(self.library, function)(self.pointer, *arguments)
            if code == 0:
                code = self._wait_for_end()
        if code == ERROR_ABORTED:
            publish(self.log.take(), at_most=logging.INFO)
            raise Cancelled(f"{function} was stopped")
        self._checked(function, code, domid)

    def _wait_for_end(self) -> int:
        """The result of the operation that was begun; there is one at a time in a context."""
        event = ctypes.c_void_p()
        if code := self.library.libxl_event_wait(self.pointer, ctypes.byref(event), _ALL_EVENTS, None, None):
            return int(code)
        try:
            text = self.library.owned_text(self.library.libxl_event_to_json(self.pointer, event))
        finally:
            self.library.libxl_event_free(self.pointer, event)
        return result_of(json.loads(text or "{}"))

    def _checked(self, function: str, code: int, domid: int | None) -> int:
        lines = self.log.take()
        if code >= 0:
            publish(lines)
            return code
        # Most calls answer ERROR_FAIL for a domain that has gone: an everyday thing, told by asking.
        if domid is not None and (code == ERROR_DOMAIN_NOTFOUND or not self.has_domain(domid)):
            publish(lines, at_most=logging.DEBUG)
            raise DomainNotFound(f"Domain '{domid}' does not exist.")
        publish(lines)
        raise failure(function, self._name_of(code), lines, domid)

    def has_domain(self, domid: int) -> bool:
        """Whether there is such a domain, dying ones included."""
        code = self.library.libxl_domain_info(self.pointer, None, domid)
        publish(self.log.take(), at_most=logging.DEBUG)
        return bool(code != ERROR_DOMAIN_NOTFOUND)

    def get(self, function: str, *arguments: Any) -> int:
        """Call a function that answers with a pointer.

        Raises:
            LibxlError: it is null.
        """
        pointer: int | None = getattr(self.library, function)(self.pointer, *arguments)
        lines = self.log.take()
        publish(lines)
        if not pointer:
            raise failure(function, "no result", lines, None)
        return pointer

    def close(self) -> None:
        """Free it."""
        self.library.libxl_ctx_free(self.pointer)
        publish(self.log.take())
        self.log.close()

    def _name_of(self, code: int) -> str:
        name = self.library.libxl_error_to_string(code)
        return f"ERROR_{name.decode().upper()}" if name else f"error {code}"


class Contexts:
    """The contexts of one process, lent one per call. For any thread."""

    def __init__(self, library: Library) -> None:
        if signal.getsignal(signal.SIGCHLD) not in (signal.SIG_DFL, signal.SIG_IGN, None):
            # libxl would abort the process (tools/libs/light/libxl_fork.c, sigchld_installhandler_core).
            raise Internal("libxl needs SIGCHLD for itself, and somebody handles it already")
        self._library = library
        # libxl keeps the address, not a copy: it must live as long as the contexts.
        self._hooks = ChildprocHooks(SIGCHLD_SELECTIVE_REAP, None, None)
        self._lock = threading.Lock()
        self._idle: list[Context] = []
        self._closed = False
        self._give_back(self._take())

    @contextmanager
    def lease(self) -> Iterator[Context]:
        """A context for one call. After an error it is not used again: its XenStore may be gone."""
        context = self._take()
        try:
            yield context
        except BaseException:
            context.close()
            raise
        self._give_back(context)

    def close(self) -> None:
        """Free the idle ones; those in use are freed when their calls return."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for context in idle:
            context.close()

    def _take(self) -> Context:
        with self._lock:
            if self._closed:
                raise Internal("libxl is used after it was closed")
            if self._idle:
                return self._idle.pop()
        return Context(self._library, self._hooks)

    def _give_back(self, context: Context) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _IDLE_MAX:
                self._idle.append(context)
                return
        context.close()


def result_of(event: dict[str, Any]) -> int:
    """The error code in an operation_complete event; what is 0 may be left out (_libxl_types.h)."""
    members: list[dict[str, Any]] = [value for key, value in event.items() if key.startswith("type.")]
    union = members[0] if members else event.get("u", {})
    return int(union.get("rc", 0))


def failure(function: str, error: str, lines: list[Line], domid: int | None) -> LibxlError:
    """The error for a call that went wrong: which call, which code, and what libxl logged about it."""
    said = summary(lines)
    return LibxlError(
        f"{function} failed with {error}" + (f": {said}" if said else ""),
        where="" if domid is None else f"domain {domid}",
        hint="" if said else "libxl did not say why; its debug log may: `xm log`",
    )
