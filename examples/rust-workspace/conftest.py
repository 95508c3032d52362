"""What must hold before this workspace is released; the README says why the paths are as they are."""

from pathlib import Path

import pytest

import pytest_paragate as gate

CRATES = ["memory-core", "memory-storage-turso", "memory-storage-redb"]
SOURCES = ["Cargo.toml", "Cargo.lock", ".cargo/", "crates/"]
VALGRIND = "valgrind --leak-check=full --error-exitcode=9"
SUMMARY = Path(__file__).parent / "release" / "RELEASE_SUMMARY.txt"

fmt = gate.command("cargo fmt --check", agent="code-reviewer", reads=SOURCES)
clippy = gate.command(
    "cargo clippy --workspace --all-targets --locked --target-dir target/clippy -- -D warnings",
    agent="code-reviewer",
    reads=SOURCES,
    writes=["target/clippy/"],
)


@gate.check(agent="test-runner", reads=SOURCES, writes=["target/debug/"])
@pytest.mark.parametrize("crate", CRATES)
def crate(crate, paragate_run):
    paragate_run(f"cargo test -p {crate}")


release_build = gate.command(
    "cargo build --release --workspace --benches --examples --locked",
    agent="feature-implementer",
    reads=SOURCES,
    writes=["target/release/"],
)
bench = gate.command(
    "cargo bench --workspace --locked",
    agent="feature-implementer",
    needs=["release_build"],
    exclusive=True,
    reads=SOURCES,
    writes=["target/release/"],
)


@gate.check(agent="debugger", needs=["release_build"], reads=["target/release/"], timeout="5m")
def leaks(paragate_run):
    for storage in ("turso", "redb"):
        paragate_run(f"{VALGRIND} target/release/examples/soak_{storage}")


@gate.check(
    agent="code-reviewer",
    needs=["fmt", "clippy", "crate", "release_build", "bench", "leaks"],
    when="always",
    writes=["release/"],
)
def release_summary(paragate_results):
    rows = [f"{'check':<30} {'outcome':<10} {'duration':>8}  result"]
    for name, verdict in paragate_results.items():
        rows.append(f"{name:<30} {verdict.outcome!s:<10} {verdict.duration_s:>7.1f}s  {verdict.summary}".rstrip())
    missed = [name for name, verdict in paragate_results.items() if str(verdict.outcome) != "passed"]
    rows.append(f"not ready: {', '.join(missed)}" if missed else "ready to release")
    text = "\n".join(rows) + "\n"
    SUMMARY.parent.mkdir(exist_ok=True)
    SUMMARY.write_text(text, encoding="utf-8")
    print(text)
