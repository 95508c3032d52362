"""One file per tool: ``judge(output)`` reads what it printed. The module's name is the judge's, ``-`` as ``_``."""
