"""What the garbage collector is kept away from: in a large collection it takes as long as running the tests.

Nearly all that the main process makes stays, so there each object is looked at once from the first conftest file on;
workers look as usual. Objects are set aside where nothing of a test's can be among them, before the first fork, and
those of the main process again when all has been said. They come back when the session ends, so that whoever called
:func:`pytest.main` keeps no garbage; and before that where somebody asks for them: what is set aside, ``gc`` does not
list.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import io
import os
import stat
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if sys.platform != "win32":
    import fcntl
if TYPE_CHECKING:
    import pytest

# So many new objects, not 700 or 2,000, before it looks at these: few enough to be in the processor's cache still.
# pytest leaves some twenty in cycles for each test that it collects.
_YOUNG = 5_000
# So many times, not 10, before it looks again at those that were not garbage then.
_AGAIN = 100
_collect = gc.collect
# What lists objects, and what is expected to find the garbage among them.
LISTING = ("get_objects", "get_referrers")
COLLECTING = ("collect",)


def set_aside() -> None:
    """Keep the collector off everything that is there now."""
    gc.freeze()


def take_back() -> None:
    """Let the collector look at everything again."""
    gc.unfreeze()


def take_back_when_asked(*asking_for: str) -> Callable[[], None]:
    """Let the collector look at everything again as soon as somebody calls one of these functions of ``gc``; returns
    what ends that.
    """
    there = {name: getattr(gc, name) for name in asking_for}

    def asking(name: str) -> Callable[..., Any]:
        @functools.wraps(there[name])
        def ask(*args: Any, **kwargs: Any) -> Any:
            take_back()
            end()
            return there[name](*args, **kwargs)

        return ask

    def end() -> None:
        for name, function in there.items():
            if getattr(gc, name) is asked[name]:
                setattr(gc, name, function)

    asked = {name: asking(name) for name in there}
    for name, ask in asked.items():
        setattr(gc, name, ask)
    return end


_undo: Callable[[], None] | None = None


def look_once() -> Callable[[], None]:
    """Let the collector look around less; returns what undoes that, unless somebody has set it otherwise since."""
    global _undo
    before = gc.get_threshold()
    if before[0]:  # zero switches it off
        gc.set_threshold(max(before[0], _YOUNG), max(before[1], _AGAIN), before[2])
    ours = gc.get_threshold()

    def undo() -> None:
        if gc.get_threshold() == ours:
            gc.set_threshold(*before)

    _undo = undo
    return undo


def look_as_usual() -> None:
    """What runs from here on may leave garbage that holds on to something."""
    if _undo is not None:
        _undo()


def search_at_end(config: pytest.Config) -> None:
    """Search a worker's garbage as pytest does at the end of its session, for what goes wrong when it is finalised.

    Warnings are recorded as those of tests are.

    Raises:
        Exception: what pytest raises there where a filter makes errors of warnings.
    """
    from _pytest import threadexception, unraisableexception
    from _pytest.warnings import catch_warnings_for_item

    # Before pytest 8.4, that belonged to single tests.
    lookers: Sequence[tuple[Any, str, str]] = (
        (unraisableexception, "collect_unraisable", "unraisable_exceptions"),
        (threadexception, "collect_thread_exception", "thread_exceptions"),
    )
    found = [
        getattr(module, name)
        for module, name, key in lookers
        if hasattr(module, name) and getattr(module, key) in config.stash
    ]
    if not found:
        return
    with catch_warnings_for_item(config, config.hook, when="runtest", item=None):
        _collect()  # without what was there before the tests
        for look in found:
            look(config)


@functools.cache
def leave_at_exit() -> None:
    """Do not search for garbage when this process exits: the system takes it back at once.

    Python does not promise that what is part of a cycle is finalised at exit. Files that are open there are flushed.
    """
    atexit.register(_leave)


def _leave() -> None:
    if _may_have_unwritten():
        _flush_files()
    gc.freeze()


def _may_have_unwritten() -> bool:
    """Whether a regular file is open for writing, besides the standard streams; asking costs less than looking."""
    if sys.platform == "win32":
        return True
    try:
        for fd in map(int, os.listdir("/proc/self/fd")):
            with contextlib.suppress(OSError):  # that of the listing itself
                is_open = fd > 2 and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
                if is_open and stat.S_ISREG(os.fstat(fd).st_mode):
                    return True
    except OSError:  # there is no such folder on this system
        return True
    return False


def _flush_files() -> None:
    gc.unfreeze()
    file: Any = io.IOBase.__base__  # of all of the standard library's
    for each in gc.get_objects():
        if issubclass(type(each), file):  # isinstance() would wake what pretends to be something else
            with contextlib.suppress(Exception):
                # Nothing else: writing to a pipe that nobody reads would wait.
                if stat.S_ISREG(os.fstat(each.fileno()).st_mode):
                    each.flush()
