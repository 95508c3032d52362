"""What a fork server that is killed leaves: its workers die with it, and what they had started becomes ours to end.

It does where this process is a subreaper by then.
"""

from __future__ import annotations

import os
from collections.abc import Set

from pytest_paragate.run import linux


def kill(spared: Set[int]) -> None:
    """Kill and reap adopted children: those in another session than ours, which no plugin's ordinary child is."""
    own_session = os.getsid(0)
    linux.kill_children(lambda pid: pid in spared or linux.session_of(pid) == own_session)
