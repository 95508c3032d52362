"""What the garbage collector is kept away from: in a large collection it takes as long as running the tests.

Objects are set aside where nothing of a test's can be among them: before collection, before the first fork, after the
run. They come back when the session ends, so that whoever called :func:`pytest.main` keeps no garbage.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import io
import os
import stat
from typing import Any


def set_aside() -> None:
    """Keep the collector off everything that is there now."""
    gc.freeze()


def take_back() -> None:
    """Let the collector look at everything again."""
    gc.unfreeze()


@functools.cache
def leave_at_exit() -> None:
    """Do not search for garbage when this process exits: the system takes it back at once.

    Python does not promise that what is part of a cycle is finalised at exit. Files that are open there are flushed.
    """
    atexit.register(_leave)


def _leave() -> None:
    gc.unfreeze()
    file: Any = io.IOBase.__base__  # of all of the standard library's
    for each in gc.get_objects():
        if issubclass(type(each), file):  # isinstance() would wake what pretends to be something else
            with contextlib.suppress(Exception):
                # Nothing else: writing to a pipe that nobody reads would wait.
                if stat.S_ISREG(os.fstat(each.fileno()).st_mode):
                    each.flush()
    gc.freeze()
