"""pytest-asyncio and anyio: coroutines run, with fixtures and loops of every scope."""

from __future__ import annotations

import re

import pytest

from ..gates import Project

ASYNCIO = """
import asyncio
import pytest, pytest_asyncio

@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def resource():
    queue = asyncio.Queue()
    await queue.put("value")
    yield queue
    await asyncio.sleep(0)
    open(f"down-{__name__}", "a").write(".")

@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("number", range(4))
async def test_shared_loop(resource, number):
    value = await asyncio.wait_for(resource.get(), 5)
    resource.put_nowait(value)
    loops.add(asyncio.get_running_loop())
    assert len(loops) == 1

loops = set()

@pytest.mark.asyncio
async def test_own_loop():
    assert asyncio.get_running_loop() not in loops
    await asyncio.sleep(0)

@pytest.mark.asyncio
async def test_fails():
    await asyncio.sleep(0)
    raise ValueError("awaited")
"""
ANYIO = """
import anyio
import pytest

@pytest.fixture(scope="module", params=["asyncio", "trio"] if HAS_TRIO else ["asyncio"])
def anyio_backend(request):
    return request.param

@pytest.fixture(scope="module")
async def resource(anyio_backend):
    await anyio.sleep(0)
    yield anyio_backend
    await anyio.sleep(0)
    open(f"down-{__name__}", "a").write(".")

@pytest.mark.anyio
@pytest.mark.parametrize("number", range(4))
async def test_each(resource, number):
    await anyio.sleep(0)
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)

@pytest.mark.anyio
async def test_fails(resource):
    raise ValueError("awaited")
"""


@pytest.mark.parametrize("slots", [("-n2",), ()], ids=["n2", "one"])
def test_asyncio(project: Project, workers: str, slots: tuple[str, ...]) -> None:
    pytest.importorskip("pytest_asyncio")
    project.write({"test_a.py": ASYNCIO, "test_b.py": ASYNCIO, "test_c.py": "def test_plain(): pass\n"})
    args = ("-p", "pytest_asyncio.plugin", "-W", "error::pytest.PytestUnraisableExceptionWarning")
    run = project.run(*args, "-o", "asyncio_default_fixture_loop_scope=function", *slots, workers)
    assert re.search(r"2 failed, 11 passed in", run.lines[-1]), run.text
    assert len([line for line in run.lines if line.startswith("FAILED") and "ValueError: awaited" in line]) == 4
    assert run.report["problems"] == []
    for module in ("test_a", "test_b"):
        assert (project.folder / f"down-{module}").read_text().strip(".") == ""
    if not slots:
        assert (project.folder / "down-test_a").read_text() == "."


@pytest.mark.parametrize("slots", [("-n2",), ()], ids=["n2", "one"])
def test_anyio(project: Project, workers: str, slots: tuple[str, ...]) -> None:
    pytest.importorskip("anyio")
    try:
        import trio  # noqa: F401

        backends = 2
    except ImportError:
        backends = 1
    tests = f"HAS_TRIO = {backends == 2}\n{ANYIO}"
    project.write({"test_a.py": tests, "test_b.py": tests, "test_c.py": "def test_plain(): pass\n"})
    run = project.run("-p", "anyio.pytest_plugin", *slots, workers)
    assert re.search(rf"{2 * backends} failed, {8 * backends + 1} passed in", run.lines[-1]), run.text
    assert run.report["problems"] == []
    if not slots:
        assert (project.folder / "down-test_a").read_text() == "." * backends
