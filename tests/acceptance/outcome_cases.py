"""Test files that do what test files in the wild do, for comparing what becomes of them in different runs.

Each file tidies up behind its last test, since it is not promised which file comes next in the same process.
"""

from __future__ import annotations

# Records what the reporters of the main process are told, and writes it to ``$RECORD_TO``.
RECORDER = """
import json, os, pytest

collect_ignore_glob = ["extra/*"]
pytest_plugins = ["pytester"]
told = {"reports": [], "warnings": []}

def pytest_configure(config):
    config.addinivalue_line("markers", "shade(name): a mark with arguments")

def pytest_runtest_logreport(report):
    longrepr = report.longrepr
    told["reports"].append({
        "nodeid": report.nodeid, "when": report.when, "outcome": report.outcome, "location": list(report.location),
        "context": str(getattr(report, "context", None)),
        "wasxfail": getattr(report, "wasxfail", None), "keywords": sorted(report.keywords),
        "longrepr": [str(each) for each in longrepr] if isinstance(longrepr, tuple) else str(longrepr),
        # Plain pytest's letters for subtests land in the captured output.
        "sections": [list(each) for each in report.sections if set(each[1]) - set("u,-")],
        "properties": [list(each) for each in report.user_properties],
    })

def pytest_warning_recorded(warning_message, when, nodeid, location):
    told["warnings"].append([warning_message.category.__name__, str(warning_message.message), when, nodeid])

def pytest_sessionfinish(session, exitstatus):
    if not hasattr(session.config, "workerinput"):
        told["exitstatus"] = int(exitstatus)
        with open(os.environ["RECORD_TO"], "w") as file:
            json.dump(told, file, default=str)

def pytest_generate_tests(metafunc):
    if "generated" in metafunc.fixturenames:
        metafunc.parametrize("generated", range(3), ids=lambda n: f"g{n}")

def pytest_collect_file(parent, file_path):
    if file_path.suffix == ".cases":
        return CaseFile.from_parent(parent, path=file_path)

class CaseFile(pytest.File):
    def collect(self):
        for line in self.path.read_text().splitlines():
            name, _, wanted = line.partition(" ")
            yield CaseItem.from_parent(self, name=name, wanted=wanted)

class CaseItem(pytest.Item):
    def __init__(self, *, wanted, **kwargs):
        super().__init__(**kwargs)
        self.wanted = wanted
    def runtest(self):
        print("ran", self.name)
        if self.name != self.wanted:
            raise WrongCase(self.name, self.wanted)
    def repr_failure(self, excinfo):
        if isinstance(excinfo.value, WrongCase):
            return f"{excinfo.value.args[0]} is not {excinfo.value.args[1]}"
        return super().repr_failure(excinfo)
    def reportinfo(self):
        return self.path, 0, f"case: {self.name}"

class WrongCase(Exception): pass
"""

INI = """[pytest]
addopts = --doctest-modules --doctest-glob=*.rst -p no:cacheprovider
junit_family = xunit1
filterwarnings =
    # From Python 3.12 on; a worker has a thread of its own.
    ignore:.*multi-threaded, use of fork:DeprecationWarning
"""

FILES = {
    "test_fixtures.py": """
import pytest

@pytest.fixture(scope="module")
def broken_end():
    print("module set up")
    yield 1
    print("module torn down")
    raise RuntimeError("module teardown")

@pytest.fixture(scope="class")
def broken_class_end():
    yield
    assert 0, "class teardown"

@pytest.fixture
def broken_start():
    print("starting")
    raise ValueError("setup")

@pytest.fixture
def broken_function_end():
    yield
    raise ValueError("teardown")

@pytest.fixture(params=["one", "two"], scope="module")
def each(request):
    yield request.param

def test_start(broken_start): pass
def test_end(broken_function_end): assert 0, "call too"
def test_each(each, broken_end): print(each)
def test_each_again(each): assert each == "one"

@pytest.mark.usefixtures("broken_class_end")
class TestClass:
    seen = []
    def test_first(self): self.seen.append(1)
    def test_second(self): assert self.seen == [1]

class TestOther:
    @classmethod
    def setup_class(cls): cls.ready = True
    @classmethod
    def teardown_class(cls): raise KeyError("teardown_class")
    def setup_method(self): print("method")
    def test_it(self): assert self.ready

@pytest.fixture
def asks(request):
    request.addfinalizer(lambda: print("late"))
    return request.getfixturevalue("tmp_path")

def test_asks(asks, tmp_path): assert asks is tmp_path and not list(tmp_path.iterdir())
def test_unknown(no_such_fixture): pass
def test_last_needs_the_module(broken_end): pass
""",
    "pkg/__init__.py": "",
    "pkg/conftest.py": """
import pytest

@pytest.fixture(scope="package", autouse=True)
def package_wide():
    print("package up")
    yield "p"
    print("package down")
    raise RuntimeError("package teardown")

@pytest.fixture
def below(): return "below"
""",
    "pkg/test_package.py": """
def test_first(below, package_wide): assert (below, package_wide) == ("below", "p")
def test_second(): pass
""",
    "test_processes.py": """
import multiprocessing, os, subprocess, sys, threading
import pytest

def square(n): return n * n

def send(connection): connection.send(os.getpid()); connection.close()

def test_fork():
    pid = os.fork()
    if not pid:
        print("in the child")
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3

def test_forked_child_writes():
    pid = os.fork()
    if not pid:
        os.write(1, b"from the child\\n")
        os._exit(0)
    os.waitpid(pid, 0)
    assert 0, "show the output"

@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method):
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=send, args=(theirs,))
    process.start()
    assert ours.recv() == process.pid
    process.join()
    assert process.exitcode == 0

def test_terminated():
    process = multiprocessing.get_context("fork").Process(target=threading.Event().wait)
    process.start(); process.terminate(); process.join()
    assert process.exitcode == -15

def test_pool():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(square, range(4)) == [0, 1, 4, 9]

def test_subprocess(): subprocess.run([sys.executable, "-c", "print('sub'); raise SystemExit(4)"]); assert 0
def test_stdin(): assert sys.stdin is not None and not sys.stdin.isatty()

def test_children():
    with pytest.raises(ChildProcessError): os.waitpid(-1, os.WNOHANG)

def test_thread_left():
    threading.Thread(target=threading.Event().wait, daemon=True, name="left").start()

def test_thread_seen(): assert "left" in [thread.name for thread in threading.enumerate()]

def test_main_thread(): assert threading.current_thread() is threading.main_thread()

@pytest.mark.filterwarnings("default")
def test_thread_fails():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start(); thread.join()
""",
    "test_state.py": """
import locale, logging, os, signal, sys, types, warnings
import pytest

KEPT = sys.stdout, sys.stderr
folder, mask = os.getcwd(), os.umask(0o22)

def test_streams_of_import(): assert (sys.stdout, sys.stderr) == KEPT
def test_write_to_kept(): KEPT[0].write("kept out\\n"); KEPT[1].write("kept err\\n"); assert 0
def test_chdir(tmp_path): os.chdir(tmp_path)
def test_stays_there(): assert os.getcwd() != folder
def test_chdir_fixture(monkeypatch, tmp_path): monkeypatch.chdir(tmp_path); assert 0
def test_come_back(): os.chdir(folder)
def test_umask(): assert os.umask(0o77) == 0o22
def test_umask_stays(tmp_path): assert os.umask(mask) == 0o77
def test_environment(): os.environ["ODD"] = "1"; os.environ.pop("PATH_OF_NOBODY", None)
def test_environment_stays(): assert os.environ.pop("ODD") == "1"
def test_current(): assert os.environ["PYTEST_CURRENT_TEST"] == "test_state.py::test_current (call)"
def test_module(): sys.modules["odd_module"] = types.ModuleType("odd_module")
def test_module_stays(): import odd_module; del sys.modules["odd_module"]
def test_path(monkeypatch, tmp_path):
    (tmp_path / "found_here.py").write_text("x = 1")
    monkeypatch.syspath_prepend(tmp_path)
    import found_here

def test_logging_config(caplog):
    import logging.config
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"level": "INFO"}})
    logging.getLogger("a.b").warning("hello %s", "there")
    print(caplog.messages)
    assert 0

def test_logging_level_stays():
    assert logging.getLogger().level == logging.INFO
    logging.getLogger().setLevel("WARNING")

def test_warnings():
    warnings.simplefilter("ignore")
    warnings.warn("unheard")

def test_warnings_again():
    warnings.warn("heard", UserWarning)
    warnings.warn(Odd("two", 2))

class Odd(UserWarning):
    def __init__(self, a, b): super().__init__(a, b)

def test_locale():
    before = locale.setlocale(locale.LC_ALL)
    assert locale.setlocale(locale.LC_ALL, "C")
    locale.setlocale(locale.LC_ALL, before)

def test_signal():
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *a: seen.append(a))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)
    assert len(seen) == 1

def test_interrupt():
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)

def test_alarm():
    def ring(*args): raise TimeoutError
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    with pytest.raises(TimeoutError): signal.pause(); signal.pause()
    signal.signal(signal.SIGALRM, before)

def test_handlers():
    names = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGCHLD", "SIGQUIT"]
    assert [signal.getsignal(getattr(signal, name)) for name in names[1:]] == [signal.SIG_DFL] * 4

def test_stdout_replaced():
    import io
    sys.stdout = io.StringIO()
    print("nobody sees it")

def test_after_stdout_replaced(): print("back"); assert sys.stdout is KEPT[0]
def test_stdout_closed(): sys.stdout.flush(); os.write(2, b"raw\\n"); assert 0
def test_recursion():
    def down(n): return down(n + 1)
    with pytest.raises(RecursionError): down(0)
    assert sys.getrecursionlimit() == 1000
def test_trace(): assert sys.gettrace() is None
""",
    "test_ids.py": """
import pytest

odd = ["a/b", "[x]", "a::b", "new\\nline", "tab\\t", "\\u00fcml\\u00e4ut", "\\u4e2d\\u6587", "\\U0001f600", "", " ",
       "x" * 300, "\\x00", "a-b", "'q\\"", "\\\\", "\\x1b[31m", "%s", "{}", "</failure>", "\\ud800", b"\\xff\\x00",
       None, 1.5, object, ...]

@pytest.mark.parametrize("value", odd)
def test_odd(value): assert value != "a-b"

@pytest.mark.parametrize("value", odd[:5], ids=lambda value: f"<{value}>")
@pytest.mark.parametrize("other", [1, 2])
def test_twice(value, other): pass

@pytest.mark.parametrize("n", range(3000))
def test_many(n): assert n != 1234

@pytest.mark.parametrize("same", [1, 1, 1], ids=["same"] * 3)
def test_same(same): print(same)

@pytest.mark.parametrize(("a", "b"), [pytest.param(1, 2, id="p/q", marks=pytest.mark.xfail(reason="no")), (3, 3)])
def test_marks(a, b): assert a == b

@pytest.mark.parametrize("empty", [])
def test_empty(empty): pass

def test_generated(generated): assert generated < 2
""",
    "documented.py": '''
"""
>>> 1 + 1
2
>>> print("a\\\\nb")
a
b
"""

def good():
    """
    >>> good()
    'good'
    """
    return "good"

def bad():
    """
    >>> bad()
    'good'
    >>> 1 / 0
    0
    """
    return "bad"

def skipped():
    """
    >>> skipped()  # doctest: +SKIP
    """

class Documented:
    """
    >>> Documented.x
    1
    """
    x = 1
''',
    "guide.rst": """
Guide
=====

>>> import os
>>> getfixture("tmp_path").exists()
True
>>> 2 + 2
5
""",
    "test_unittest.py": """
import sys, unittest, warnings

def setUpModule(): print("module up")
def tearDownModule(): print("module down"); raise OSError("tearDownModule")

class One(unittest.TestCase):
    @classmethod
    def setUpClass(cls): cls.made = ["class"]; cls.addClassCleanup(cls.made.clear)
    @classmethod
    def tearDownClass(cls): assert cls.made == ["class"], cls.made
    def setUp(self): self.addCleanup(setattr, self, "x", 0); self.x = 1
    def tearDown(self): self.x = None
    def test_good(self): self.assertEqual(self.x, 1)
    def test_bad(self): self.assertEqual({"a": 1}, {"a": 2})
    def test_cleanup_fails(self): self.addCleanup(lambda: 1 / 0)
    @unittest.skip("not today")
    def test_skip(self): pass
    def test_skip_inside(self): self.skipTest("inside")
    @unittest.expectedFailure
    def test_expected(self): assert 0
    @unittest.expectedFailure
    def test_unexpected(self): pass
    def test_sub(self):
        for n in range(4):
            with self.subTest("number", n=n):
                if n == 3: self.skipTest("three")
                self.assertNotEqual(n, 1)
    def test_warns(self): warnings.warn("from unittest")

class Two(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise RuntimeError("no class")
    def test_never(self): pass
    def test_never_either(self): pass

class Three(unittest.TestCase):
    @classmethod
    def tearDownClass(cls): raise RuntimeError("end of class")
    def test_it(self): pass

class Async(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self): self.y = 2
    async def test_async(self): self.assertEqual(self.y, 3)

class Skipped(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise unittest.SkipTest("whole class")
    def test_it(self): pass
""",
    "test_native_subtests.py": """
import pytest
pytest.importorskip("pytest", minversion="9.0")

def test_subtests(subtests):
    for n in range(4):
        with subtests.test("n", n=n):
            if n == 2: pytest.skip("two")
            assert n != 1

def test_all_good(subtests):
    with subtests.test(msg="m"): pass

@pytest.mark.xfail
def test_expected(subtests):
    with subtests.test(): assert 0
""",
    "test_skips.py": """
import pytest

def test_import(): pytest.importorskip("no_such_module_anywhere")
def test_inside(): pytest.skip("inside")
@pytest.mark.skip
def test_bare(): pass
@pytest.mark.skip(reason="r")
def test_reason(): pass
@pytest.mark.skipif("sys.platform != 'nowhere'", reason="string")
def test_string(): pass
@pytest.fixture
def skipping(): pytest.skip("fixture")
def test_fixture(skipping): pass
def test_dynamic(request): request.node.add_marker(pytest.mark.xfail(reason="dynamic")); assert 0
def test_dynamic_strict(request): request.node.add_marker(pytest.mark.xfail(strict=True, reason="strict"))
def test_dynamic_keyword(request): request.node.add_marker("quick"); request.node.extra_keyword_matches.add("hm")
@pytest.mark.xfail(raises=ValueError)
def test_wrong_error(): raise KeyError("x")
@pytest.mark.xfail(raises=ValueError, reason="right")
def test_right_error(): raise ValueError("x")
@pytest.mark.xfail(run=False, reason="not run")
def test_not_run(): raise AssertionError
@pytest.mark.xfail
def test_passes(): pass
def test_imperative(): pytest.xfail("imperative")
def test_fail(): pytest.fail("plain words", pytrace=False)
@pytest.mark.shade("dark")
def test_mark(request): assert request.node.get_closest_marker("shade").args == ("dark",); assert 0
async def test_async(): pass
def test_generator(): return 5
def test_group(): raise ExceptionGroup("many", [ValueError(1), KeyError("k")]) if False else RuntimeError("one")
def test_chain():
    try: {}["x"]
    except KeyError as error: raise ValueError("outer") from error
def test_unserialisable():
    class Odd(Exception):
        def __str__(self): return "odd \\ud800 \\x00 \\x1b[31m"
    raise Odd
def test_system_exit(): raise SystemExit(3)
class TestInit:
    def __init__(self): pass
    def test_never(self): pass
""",
    "test_module_skip.py": "import pytest\npytest.skip('whole module', allow_module_level=True)\n",
    "test_module_mark.py": "import pytest\npytestmark = pytest.mark.xfail(reason='all')\ndef test_it(): assert 0\n",
    "test_fixtures_of_pytest.py": """
import logging, os, sys, warnings
import pytest

def test_property(record_property): record_property("a", 1); record_property("b", [1, (2, None), {"c": 2.5}])
def test_odd_property(record_property): record_property("odd", object)
def test_property_before_failure(record_property): record_property("seen", "yes"); assert 0
def test_suite_property(record_testsuite_property): record_testsuite_property("suite", "wide")
def test_attribute(record_xml_attribute): record_xml_attribute("assertions", "7")
def test_caplog(caplog):
    with caplog.at_level(logging.DEBUG, "deep"):
        logging.getLogger("deep").debug("one")
    assert caplog.record_tuples == [("deep", logging.DEBUG, "one")]
    assert 0
@pytest.fixture
def logs():
    logging.getLogger().warning("setup"); yield; logging.getLogger().error("teardown")
def test_log_phases(logs, caplog):
    logging.warning("call")
    assert [record.message for record in caplog.get_records("setup")] == ["setup"]
    assert 0
def test_capfd(capfd):
    os.system("echo from-system"); print("from-print"); os.write(2, b"err\\n")
    assert capfd.readouterr() == ("from-system\\nfrom-print\\n", "err\\n") and not print("rest")
    assert 0
def test_capsys(capsys):
    print("x")
    with capsys.disabled(): pass
    assert capsys.readouterr().out == "x\\n"
def test_captured_all():
    print("out"); print("err", file=sys.stderr); os.system("echo sys"); logging.error("log")
    assert 0
def test_not_flushed(): sys.stdout.write("no newline"); assert 0
def test_bytes(): sys.stdout.buffer.write(b"\\xff\\xfe\\n"); assert 0
def test_much_output(): print("x" * 100_000); assert 0
def test_recwarn(recwarn): warnings.warn("w"); assert len(recwarn) == 1
def test_warns():
    with pytest.warns(DeprecationWarning, match="old"): warnings.warn("old", DeprecationWarning)
@pytest.mark.filterwarnings("error")
def test_warning_is_error(): warnings.warn("now")
def test_tmp(tmp_path, tmp_path_factory, request):
    assert tmp_path.name == "test_tmp0" and tmp_path.parent == tmp_path_factory.getbasetemp()
    assert tmp_path_factory.mktemp("data").name == "data0"
def test_tmpdir_of_failure(tmp_path): (tmp_path / "file").write_text("x"); assert 0
def test_cache(request): assert not hasattr(request.config, "cache")
def test_monkeypatch(monkeypatch):
    monkeypatch.setenv("A_VARIABLE", "1")
    monkeypatch.delattr(os, "getlogin", raising=False)
def test_unpatched(): assert "A_VARIABLE" not in os.environ
def test_config(pytestconfig, request): assert request.session.testscollected > 3000 and pytestconfig.rootpath.is_dir()
def test_session_items(request): assert request.node in request.session.items
def test_doctest_namespace(doctest_namespace): assert doctest_namespace == {}
def test_assertion_rewriting(): assert [1, 2, 3] == [1, 2, 4]
def test_pytester(pytester):
    pytester.makepyfile("def test_a(): pass\\ndef test_b(): assert 0")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-q")
    result.assert_outcomes(passed=1, failed=1)
def test_pytester_after(): assert os.path.basename(os.getcwd()) != "test_pytester0"
""",
    "sub/conftest.py": """
import pytest

@pytest.fixture(autouse=True)
def from_below(): print("sub conftest")

def pytest_runtest_setup(item):
    if item.name == "test_hooked": pytest.skip("by hook")

def pytest_runtest_makereport(item, call):
    if call.when == "call": item.user_properties.append(("hook", item.name))
""",
    "sub/test_below.py": "def test_hooked(): pass\ndef test_other(): assert 0\n",
    "sub/data.cases": "good good\nbad worse\n",
}

# Small trees for options that change how tests are collected or run: name -> kind of worker, arguments, files.
WITH_OPTIONS: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "without logging": ("fork", ["-p", "no:logging"], {"test_it.py": FILES["test_skips.py"]}),
    "importlib": (
        "popen",
        ["--import-mode=importlib"],
        {"a/test_it.py": "def test_a(): assert 0\n", "b/test_it.py": "def test_b(): pass\n"},
    ),
    "capture of sys": ("fork", ["--capture=sys"], {"test_it.py": FILES["test_state.py"]}),
    "no capture": (
        "fork",
        ["-s"],
        {"test_it.py": "import sys\nOUT = sys.stdout\ndef test_it(): assert sys.stdout is OUT\n"},
    ),
    "tee": ("fork", ["--capture=tee-sys"], {"test_it.py": FILES["test_state.py"]}),
    "warnings are errors": (
        "popen",
        ["-W", "error"],
        {
            "test_it.py": "import gc, warnings\n"
            "def test_it(): warnings.warn('x')\n"
            "def test_open(): open(__file__)\n"
            "def test_other(): gc.collect()\n"
        },
    ),
    "short traces without rewriting": (
        "fork",
        ["--tb=short", "-l", "-vv", "--assert=plain"],
        {"test_it.py": "def test_it():\n    x = 5\n    assert x == [2]\n"},
    ),
    "looking through memory": (
        "fork",
        [],
        {
            "test_it.py": "import gc, sys\n"
            "here = ['a module\\'s']\n"
            "def is_found(what): return any(each is what for each in gc.get_objects())\n"
            "was_found = is_found(sys.modules['conftest'].told)\n"
            "def test_at_import(): assert was_found\n"
            "def test_in_a_test(): assert is_found(here)\n"
            "def test_referrers(): assert gc.get_referrers(here)\n"
        },
    ),
    "native traces": ("popen", ["--tb=native"], {"test_it.py": "def test_it():\n    x = 5\n    assert x == [2]\n"}),
    "unicode ids": (
        "popen",
        ["-o", "disable_test_id_escaping_and_forfeit_all_rights_to_community_support=True"],
        {
            "test_it.py": "import pytest\n"
            "@pytest.mark.parametrize('x', ['\\u00fc', 'new\\nline', '\\x1b[31m', '\\U0001f600'])\n"
            "def test_it(x): print(x); assert x == '\\u00fc'\n"
        },
    ),
    "strict, fixtures shown": (
        "fork",
        ["--strict-markers", "-o", "xfail_strict=true", "--setup-show"],
        {"test_it.py": "import pytest\n@pytest.mark.xfail\ndef test_it(tmp_path): pass\n"},
    ),
}
