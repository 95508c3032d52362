"""Sets of numbers made of half-open spans, for time ranges, byte ranges and bookings."""

from __future__ import annotations

from spanset._spans import Span, SpanSet

__all__ = ["Span", "SpanSet"]
