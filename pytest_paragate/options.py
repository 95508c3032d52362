"""The command-line options and ini settings. Imported in every run, so this imports nothing but pytest."""

from __future__ import annotations

import pytest

TURN_ON = "--paragate"
OTHERS = {
    "paragate_slots": "--paragate-slots",
    "paragate_workers": "--paragate-workers",
    "paragate_timeout": "--paragate-timeout",
    "paragate_retries": "--paragate-retries",
    "paragate_fail_on_flaky": "--paragate-fail-on-flaky",
    "paragate_cpus": "--paragate-cpus",
    "paragate_json": "--paragate-json",
    "paragate_sarif": "--paragate-sarif",
    "paragate_accept": "--paragate-accept",
}


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and ini setting."""
    group = parser.getgroup("paragate", "all quality checks of a project at once")
    add = group.addoption
    add(
        TURN_ON,
        action="store_true",
        help="Run the checks declared in conftest.py and pyproject.toml together with the tests, side by side",
    )
    add(
        "--paragate-plan",
        action="store_true",
        help="Show what would run, what waits for what and why; run nothing. Implies --paragate.",
    )
    add(
        "--paragate-slots",
        action="append",
        metavar="AGENT=N",
        help="How many checks of an agent type may run at the same time (default: 1). N is a number or 'auto' for the "
        "number of CPUs. Repeat it, or separate with commas.",
    )
    add(
        "--paragate-workers",
        metavar="KIND",
        help="How workers start: 'fork' after collection, 'popen' for a fresh interpreter each, or 'auto' (default): "
        "fork where that is safe",
    )
    add(
        "--paragate-timeout",
        metavar="TIME",
        help="Time limit of each check and test that sets none of its own: seconds, or '500ms', '90s', '2m', '1h30m' "
        "(default: none)",
    )
    add(
        "--paragate-retries",
        metavar="N",
        help="Further tries after a failure, for each check and test that sets none of its own (default: 0). One that "
        "passes on a later try is 'flaky'.",
    )
    add(
        "--paragate-fail-on-flaky",
        action="store_true",
        default=None,
        help="Fail the gate when a check or test was flaky",
    )
    add(
        "--paragate-cpus",
        metavar="N",
        help="CPU budget that running checks share, by their key `cpus`: a number or 'auto' (default: no budget)",
    )
    add("--paragate-json", metavar="PATH", help="Write a JSON report to PATH, also when the run is interrupted")
    add(
        "--paragate-sarif",
        metavar="PATH",
        help="Write what all judges found as one SARIF 2.1.0 file to PATH, also when the run is interrupted",
    )
    add(
        "--paragate-accept",
        action="store_true",
        default=None,
        help="Take the benchmark numbers of checks that pass in this run as the new baseline",
    )
    parser.addini("paragate_slots", "AGENT=N per line; as --paragate-slots", type="linelist", default=[])
    parser.addini("paragate_workers", "auto, fork or popen; as --paragate-workers", default="")
    parser.addini("paragate_timeout", "time limit; as --paragate-timeout", default="")
    parser.addini("paragate_retries", "further tries after a failure; as --paragate-retries", default="")
    parser.addini("paragate_fail_on_flaky", "fail the gate when something was flaky", type="bool", default=False)
    parser.addini("paragate_cpus", "CPU budget; as --paragate-cpus", default="")
    parser.addini(
        "paragate_resources",
        "NAME=N per line: how much there is of a resource that checks name in `uses` (default: 1); NAME=8000-8003 "
        "gives the units numbers of their own",
        type="linelist",
        default=[],
    )
    parser.addini(
        "paragate_baseline",
        "file for accepted benchmark numbers, relative to the root folder (default: in pytest's cache directory)",
        default="",
    )
    parser.addini(
        "paragate_agents", "further agent types that checks may name, one per line", type="linelist", default=[]
    )


def is_on(config: pytest.Config) -> bool:
    """Whether this is a run of the gate."""
    return bool(config.getoption("paragate", False) or config.getoption("paragate_plan", False))


def is_on_early(early_config: pytest.Config) -> bool:
    """The same before conftest files are loaded, which may still fail."""
    given = early_config.known_args_namespace
    return bool(getattr(given, "paragate", False) or getattr(given, "paragate_plan", False))


def forget_old_report(early_config: pytest.Config) -> None:
    """Remove the report of an earlier run, which must not be taken for this one's however early this one fails."""
    given = early_config.known_args_namespace
    paths = [path for name in ("paragate_json", "paragate_sarif") if (path := getattr(given, name, None))]
    if paths and getattr(given, "paragate", False) and not (given.collectonly or given.help or given.version):
        from pytest_paragate.report import old

        for path in paths:
            old.remove(early_config.invocation_params.dir / path)


def refuse_without_gate(config: pytest.Config) -> None:
    """Refuse our other options in a run that is not one of the gate.

    Raises:
        pytest.UsageError: naming the option.
    """
    for name, option in OTHERS.items():
        if config.getoption(name, None) is not None:
            has_setting = name not in ("paragate_json", "paragate_sarif", "paragate_accept")
            setting = f", or use the ini setting {name}" if has_setting else ""
            raise pytest.UsageError(f"{option}: works with --paragate only\n\nhint: add --paragate{setting}")
