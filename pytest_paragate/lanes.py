"""Where ready items wait while something that runs keeps them from starting.

Items of one agent type with the same claims are interchangeable, so they share a lane, and a lane is moved as a whole:
however many items wait for one path, a step costs no more than there are different claims.

- A lane is open, or parked at the port that was found closed when one of its items was tried.
- An item is either known to the caller as ready, or waits in its lane.
- When a port opens, one lane per agent type is woken: its first item is handed to the caller. Once that one has been
  tried, the lane offers its next item and the port its next lane.
- An item that PATIENCE items of lower priority have overtaken gets a reservation, one at a time: its claims are held
  for it, and so closed to the others, until it starts.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from pytest_paragate.independence import NO_CLAIMS, Holdings, Port
from pytest_paragate.model import Claims
from pytest_paragate.plan import Plan

PATIENCE = 3
"""How often an item lets items of lower priority overtake it."""

Key: TypeAlias = tuple[float, int]
"""Minus the priority, and the item: the lowest goes first."""


class _Lane:
    __slots__ = ("agent", "claims", "number", "port", "waiting", "woken_from")

    def __init__(self, number: int, agent: str, claims: Claims) -> None:
        self.number, self.agent, self.claims = number, agent, claims
        self.waiting: list[Key] = []  # heap
        self.port: Port | None = None  # where it is parked
        self.woken_from: Port | None = None


class Lanes:
    """What is held now, and who waits for it."""

    def __init__(self, plan: Plan) -> None:
        self._holdings = Holdings(plan.overlaps, plan.resources)
        self._claims = plan.claims
        self._lane_of: dict[int, _Lane] = {}
        self._lines: dict[Port, dict[str, list[tuple[Key, int]]]] = {}  # heaps by agent type, with stale entries
        self._lanes: list[_Lane] = []
        self._overtaken: Counter[int] = Counter()
        self.reserved: int | None = None
        lanes: dict[tuple[str, Claims], _Lane] = {}
        for i, claims in enumerate(plan.claims):
            if claims is not NO_CLAIMS and not plan.is_pooled[i]:
                agent = plan.checks[i].agent
                lane = lanes.get((agent, claims))
                if lane is None:
                    lane = lanes[agent, claims] = _Lane(len(self._lanes), agent, claims)
                    self._lanes.append(lane)
                self._lane_of[i] = lane

    def is_free(self, claims: Claims) -> bool:
        return claims is NO_CLAIMS or self._holdings.closed_port(claims) is None

    def conflict(self, one: Claims, other: Claims) -> bool:
        return self._holdings.conflict(one, other)

    def must_wait(self, key: Key) -> bool:
        """Whether the item cannot start now; if so, it waits in its lane from now on."""
        lane = self._lane_of.get(key[1])
        if lane is None:
            return False
        if lane.port is None:
            lane.port = self._holdings.closed_port(lane.claims)
        if lane.port is None:
            return False
        heapq.heappush(lane.waiting, key)
        if lane.waiting[0] == key:
            self._line_up(lane)
        return True

    def tried(self, key: Key) -> Iterator[Key]:
        """After an item was tried: the items to be tried next in its place."""
        lane = self._lane_of.get(key[1])
        if lane is None:
            return
        if lane.port is None and lane.waiting:
            yield heapq.heappop(lane.waiting)
        woken_from, lane.woken_from = lane.woken_from, None
        if woken_from is not None and woken_from != lane.port:
            yield from self._wake(woken_from, lane.agent)

    def take(self, claims: Claims, key: Key) -> None:
        """An item starts and holds these claims."""
        if claims is NO_CLAIMS:
            return
        self._holdings.take(claims)
        for port in self._holdings.closed_by(claims) if self._lines else ():
            for agent in list(self._lines.get(port, ())):
                first = self._first(port, agent)
                if first is not None and first.waiting[0] < key:
                    self.count_overtaken(first.waiting[0])

    def give_back(self, claims: Claims) -> Iterator[Key]:
        """The claims are held no more; the items that are to be tried again."""
        if claims is NO_CLAIMS:
            return
        self._holdings.give_back(claims)
        for port in self._holdings.closed_by(claims):
            for agent in list(self._lines.get(port, ())):
                yield from self._wake(port, agent)

    def count_overtaken(self, key: Key) -> None:
        """An item of lower priority holds what this waiting one wants."""
        check = key[1]
        self._overtaken[check] += 1
        lane = self._lane_of[check]
        if self.reserved is None and self._overtaken[check] >= PATIENCE and lane.waiting and lane.waiting[0] == key:
            heapq.heappop(lane.waiting)
            if lane.waiting:
                self._line_up(lane)
            else:
                lane.port = None
            self.reserved = check
            self._holdings.take(lane.claims)

    def can_reserved_start(self) -> bool:
        """Whether nothing but its own reservation keeps the reserved item from starting."""
        if self.reserved is None:
            return False
        claims = self._claims[self.reserved]
        self._holdings.give_back(claims)
        is_free = self.is_free(claims)
        self._holdings.take(claims)
        return is_free

    def end_reservation(self) -> None:
        """The reserved item starts and takes its claims itself."""
        assert self.reserved is not None
        self._holdings.give_back(self._claims[self.reserved])
        self.reserved = None

    def withdraw(self, key: Key) -> list[Key]:
        """This waiting item will not start; the items that are to be tried again for it."""
        check = key[1]
        if self.reserved == check:
            claims, self.reserved = self._claims[check], None
            return list(self.give_back(claims))
        lane = self._lane_of[check]
        was_first = lane.waiting[0] == key
        lane.waiting.remove(key)
        heapq.heapify(lane.waiting)
        if not lane.waiting:
            lane.port = None
        elif was_first and lane.port is not None:
            self._line_up(lane)  # in an open lane, the one that is being tried offers the next
        return []

    def forget(self, agent: str) -> list[Key]:
        """Nothing of this agent type will start any more; the items that are to be tried again for it."""
        for lane in self._lanes:
            if lane.agent == agent:
                lane.waiting, lane.port, lane.woken_from = [], None, None
        for lines in self._lines.values():
            lines.pop(agent, None)
        if self.reserved is None or self._lane_of[self.reserved].agent != agent:
            return []
        claims, self.reserved = self._claims[self.reserved], None
        return list(self.give_back(claims))

    def _line_up(self, lane: _Lane) -> None:
        assert lane.port is not None
        line = self._lines.setdefault(lane.port, {}).setdefault(lane.agent, [])
        heapq.heappush(line, (lane.waiting[0], lane.number))

    def _first(self, port: Port, agent: str) -> _Lane | None:
        """The first lane in line; entries of lanes that have moved on or have a new first item are passed over."""
        lines = self._lines.get(port, {})
        line = lines.get(agent, [])
        while line:
            key, number = line[0]
            lane = self._lanes[number]
            if lane.port == port and lane.waiting and lane.waiting[0] == key:
                return lane
            heapq.heappop(line)
        lines.pop(agent, None)
        if not lines:
            self._lines.pop(port, None)
        return None

    def _wake(self, port: Port, agent: str) -> Sequence[Key]:
        if not self._holdings.is_open(port):
            return ()
        lane = self._first(port, agent)
        if lane is None:
            return ()
        lane.port, lane.woken_from = None, port
        return (heapq.heappop(lane.waiting),)
