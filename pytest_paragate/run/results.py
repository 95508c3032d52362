"""The fixture ``paragate_results``: verdicts of earlier checks, for a check that draws them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pytest_paragate.model import GROUP_PREFIX, nearest
from pytest_paragate.run.items import CONTEXT
from pytest_paragate.verdict import Verdict


class Results(Mapping[str, Verdict]):
    """Verdicts by check name: ``results["ruff"]``, ``results["crate[memory-core]"]``.

    Where two files have a check of the same name, the node id (``results["sub/conftest.py::ruff"]``) tells them apart.
    """

    def __init__(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        names = [entry["name"] for entry in entries.values()]
        self._verdicts: dict[str, Verdict] = {}
        self._nodeids: dict[str, Verdict] = {}
        self._families: dict[str, list[str]] = {}
        for nodeid, entry in entries.items():
            verdict = self._nodeids[nodeid] = Verdict.from_dict(entry["verdict"])
            name = entry["name"] if names.count(entry["name"]) == 1 else nodeid
            self._verdicts[name] = verdict
            self._families.setdefault(entry["family"], []).append(name)
            if entry.get("group") is not None:
                self._families.setdefault(f"{GROUP_PREFIX}{entry['group']}", []).append(name)

    def __getitem__(self, name: str) -> Verdict:
        verdict = self._verdicts.get(name) or self._nodeids.get(name)
        if verdict is None:
            raise KeyError(self._explained(name))
        return verdict

    def __iter__(self) -> Iterator[str]:
        return iter(self._verdicts)

    def __len__(self) -> int:
        return len(self._verdicts)

    def members(self, family: str) -> dict[str, Verdict]:
        """The verdicts of all parametrizations of a function check, or of all of ``"group:mirrors"``, by name.

        Members of a group that had no verdict when the group was decided are left out.
        """
        return {name: self._verdicts[name] for name in self._families.get(family, ())}

    def meant(self, word: str) -> dict[str, Verdict]:
        """The verdicts that a word in ``needs`` means, by name: of one check, a family, or a group."""
        verdict = self._verdicts.get(word) or self._nodeids.get(word)
        found = {word: verdict} if verdict is not None else self.members(word)
        if not found:
            raise KeyError(self._explained(word))
        return found

    def _explained(self, name: str) -> str:
        if name in self._families:
            return f"{name} stands for {', '.join(self._families[name])}: name one of them, or use members({name!r})"
        guess = nearest(name, self._verdicts)
        return f"{name} is not in this check's needs or after" + (f"; did you mean {guess}?" if guess else "")


def results_of(item: pytest.Item) -> Results:
    """The verdicts that came with a running item; empty for one that waited for nothing."""
    context = item.stash.get(CONTEXT, None)
    return Results(context.results if context is not None else {})
