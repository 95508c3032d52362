"""pytest's ``--stepwise`` where tests run side by side: what to go on from next time."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_paragate.verdict import Outcome, Verdict

_STEPPED_OVER = (Outcome.PASSED, Outcome.SKIPPED, Outcome.BLOCKED)


def go_on_from(session: pytest.Session, verdicts: Mapping[int, Verdict]) -> None:
    """Have the plugin go on from the first item that has not passed.

    It goes on from the failure it saw last, which supposes that everything before that one has passed.
    """
    plugin = session.config.pluginmanager.getplugin("stepwiseplugin")
    if plugin is None:
        return
    # pytest 8.4 moved it.
    holder, name = (plugin.cached_info, "last_failed") if hasattr(plugin, "cached_info") else (plugin, "lastfailed")
    if getattr(holder, name, None) is None:
        return
    for index, item in enumerate(session.items):
        verdict = verdicts.get(index)
        if verdict is None or not (verdict.outcome in _STEPPED_OVER or verdict.is_ok):
            setattr(holder, name, item.nodeid)
            return
