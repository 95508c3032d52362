"""Plugins that people use, each in a run of the gate: what they promise under plain pytest or pytest-xdist holds."""
