"""Acceptance tests: whole gates in processes of their own, by behaviour."""
