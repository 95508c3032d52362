"""Records what real tools print, for the tests of their judges: ``python tests/judge/record.py [TOOL…]``.

Each sample is a text file: command, version, exit status, then what went to stdout and stderr, exactly but for the
project's folder, which becomes ``/project``. What a tool reads is written here, so that a sample can be made again with
a newer version. Tools are looked up in PATH; what is not there is left as it was recorded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

SAMPLES = Path(__file__).parent / "samples"


class Case(NamedTuple):
    """``tool/name``: ``command`` run in a folder with ``files``; ``report`` is a file that the command writes."""

    name: str
    command: str
    files: Mapping[str, str] = MappingProxyType({})
    report: str = ""
    setup: str = ""


TESTS = {
    "test_it.py": (
        "import pytest\n\ndef test_a():\n    assert 1 + 1 == 2\n\ndef test_b():\n    print('noise')\n\n"
        "@pytest.mark.skip(reason='later')\ndef test_c():\n    pass\n\n"
        "@pytest.mark.xfail\ndef test_d():\n    assert 0\n"
    )
}
BAD_TESTS = {**TESTS, "test_bad.py": "def test_e():\n    assert 1 == 2\n\ndef test_f(no_such_fixture):\n    pass\n"}
WARNING_TESTS = {"test_w.py": "import warnings\n\ndef test_w():\n    warnings.warn('old')\n"}
UNITTESTS = (
    "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(1 + 1, 2)\n\n"
    "    def test_b(self):\n        self.assertTrue(True)\n"
)
BAD_UNITTESTS = (
    UNITTESTS
    + "\n    def test_c(self):\n        self.assertEqual(1, 2)\n\n    def test_d(self):\n        raise OSError(1)\n"
    "\n    @unittest.skip('later')\n    def test_e(self):\n        pass\n"
)
UNTIDY = "import os\nimport sys\n\nx = 1\nif x == None:\n    print( 'y' )\n"
TIDY = '"""Tidy."""\n\nx = 1\n'
TYPED = "def double(x: int) -> int:\n    return 2 * x\n\n\ndouble(3)\n"
MISTYPED = 'def double(x: int) -> int:\n    return 2 * x\n\n\ndouble("3")\nx: int = "a"\n'
BENCHMARKS = (
    "def test_sum(benchmark):\n    benchmark(sum, range(1000))\n\n\n"
    "def test_sort(benchmark):\n    benchmark(sorted, list(range(1000, 0, -1)))\n"
)
CARGO_TOML = '[package]\nname = "demo"\nversion = "0.1.0"\nedition = "2021"\n'
RUST_GOOD = (
    "//! Demo.\n\n/// Adds.\n///\n/// ```\n/// assert_eq!(demo::add(1, 2), 3);\n/// ```\n"
    "pub fn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn adds() {\n"
    "        assert_eq!(super::add(2, 2), 4);\n    }\n\n    #[test]\n    #[ignore]\n    fn slow() {}\n}\n"
)
RUST_BAD = RUST_GOOD.replace(
    "fn slow() {}", "fn slow() {}\n\n    #[test]\n    fn wrong() {\n        assert_eq!(1, 2);\n    }"
)
RUST_WARNS = RUST_GOOD.replace("//! Demo.", "//! Demo.\n\nfn unused() {}") + (
    "\npub fn long(v: &Vec<i32>) -> bool {\n    return v.len() == 0;\n}\n"
)
RUST_SHAKY = RUST_GOOD.replace(
    "fn slow() {}",
    'fn slow() {}\n\n    #[test]\n    fn shaky() {\n        let seen = std::path::Path::new("seen");\n'
    '        let was_seen = seen.exists();\n        std::fs::write(seen, "").unwrap();\n        assert!(was_seen);\n    }',
)
RUST_ABORTS = RUST_BAD.replace(
    "fn slow() {}", "fn slow() {}\n\n    #[test]\n    fn aborts() {\n        std::process::abort();\n    }"
)
RUST_BROKEN = RUST_GOOD.replace("a + b", 'a + "b"')
RUST_UNTIDY = RUST_GOOD.replace("    a + b", "  a+b")
C_LEAK = "#include <stdlib.h>\nint main(void) {\n    int *p = malloc(48);\n    p[0] = 1;\n    p = 0;\n    return p != 0;\n}\n"
C_OVERRUN = (
    "#include <stdlib.h>\nint main(void) {\n    int *p = malloc(8);\n    p[2] = 1;\n    free(p);\n    return 0;\n}\n"
)
C_GOOD = "#include <stdlib.h>\nint main(void) {\n    free(malloc(8));\n    return 0;\n}\n"
GO_MOD = "module demo\n\ngo 1.19\n"
GO_GOOD = (
    'package demo\n\nimport "testing"\n\nfunc TestA(t *testing.T) {}\n\nfunc TestB(t *testing.T) {\n'
    '\tt.Run("sub", func(t *testing.T) {})\n}\n\nfunc TestC(t *testing.T) { t.Skip("later") }\n'
)
GO_BAD = GO_GOOD + '\nfunc TestD(t *testing.T) { t.Errorf("got %d", 1) }\n'
GO_BENCH = (
    GO_GOOD + "\nfunc BenchmarkA(b *testing.B) {\n\tfor i := 0; i < b.N; i++ {\n\t\t_ = make([]int, 100)\n\t}\n}\n"
)
GO_VET = 'package demo\n\nimport "fmt"\n\nfunc F() { fmt.Printf("%d", "x") }\n'
ESLINT = {
    "eslint.config.mjs": 'export default [{rules: {"no-unused-vars": "warn", "no-undef": "error", "eqeqeq": "warn"}}];\n',
}
JS_WARNS = "const a = 1;\nif (1 == 2) { }\n"
JS_BAD = "const a = 1;\nfoo();\n"
JS_GOOD = "export const a = 1;\n"
TSCONFIG = (
    '{"compilerOptions": {"strict": true, "noEmit": true, "skipLibCheck": true, "types": []}, "include": ["*.ts"]}\n'
)
JEST_GOOD = "test('adds', () => { expect(1 + 1).toBe(2); });\ntest.skip('later', () => {});\n"
JEST_BAD = JEST_GOOD + "test('wrong', () => { expect(1).toBe(2); });\n"
VITEST_GOOD = "import { test, expect } from 'vitest';\n" + JEST_GOOD
VITEST_BAD = "import { test, expect } from 'vitest';\n" + JEST_BAD
PACKAGE = {"package.json": '{"name": "demo", "version": "1.0.0", "type": "commonjs"}\n'}
TAP_GOOD = '#!/usr/bin/perl\nprint "1..3\\nok 1 - a\\nok 2 - b # SKIP later\\nok 3 - c\\n";\n'
TAP_BAD = '#!/usr/bin/perl\nprint "1..3\\nok 1 - a\\nnot ok 2 - b\\nnot ok 3 - c # TODO later\\n";\nexit 1;\n'
TAP_SHORT = '#!/usr/bin/perl\nprint "1..3\\nok 1 - a\\n";\n'
TAP_NO_PLAN = '#!/usr/bin/perl\nprint "ok 1 - a\\nok 2 - b\\n";\n'
TAP_LONG = '#!/usr/bin/perl\nprint "1..1\\nok 1 - a\\nok 2 - b\\n";\n'
INSECURE = (
    "import subprocess\nimport pickle\n\n\ndef f(x):\n    subprocess.call(x, shell=True)\n    return pickle.loads(x)\n"
)
CASES: dict[str, list[Case]] = {
    "pytest": [
        Case("pass", "pytest -p no:cacheprovider", TESTS),
        Case("quiet", "pytest -q -p no:cacheprovider", TESTS),
        Case("very-quiet", "pytest -qq -p no:cacheprovider", TESTS),
        Case("fail", "pytest -p no:cacheprovider", BAD_TESTS),
        Case("warn", "pytest -p no:cacheprovider", WARNING_TESTS),
        Case("colour", "pytest -p no:cacheprovider --color=yes", TESTS),
        Case("no-tests", "pytest -p no:cacheprovider", {"readme.txt": ""}),
        Case("deselected", "pytest -p no:cacheprovider -k nothing_like_it", TESTS),
        Case("all-skipped", "pytest -p no:cacheprovider -k test_c", TESTS),
        Case("collection-error", "pytest -p no:cacheprovider", {"test_x.py": "import no_such_module\n"}),
        Case("xdist", "pytest -p no:cacheprovider -n 2", TESTS),
        Case("coverage", "pytest -p no:cacheprovider --cov=.", TESTS),
        Case("collect-only", "pytest -p no:cacheprovider --collect-only -q", TESTS),
        Case("usage-error", "pytest --no-such-option", TESTS),
    ],
    "unittest": [
        Case("pass", "python -m unittest", {"test_it.py": UNITTESTS}),
        Case("fail", "python -m unittest", {"test_it.py": BAD_UNITTESTS}),
        Case("warn", "python -m unittest -k test_e -k test_a", {"test_it.py": BAD_UNITTESTS}),
        Case("no-tests", "python -m unittest", {"readme.txt": ""}),
        Case("all-skipped", "python -m unittest -k test_e", {"test_it.py": BAD_UNITTESTS}),
    ],
    "ruff": [
        Case("pass", "ruff check --no-cache .", {"a.py": TIDY}),
        Case("fail", "ruff check --no-cache .", {"a.py": UNTIDY}),
        Case("concise", "ruff check --no-cache --output-format concise .", {"a.py": UNTIDY}),
        Case("json", "ruff check --no-cache --output-format json .", {"a.py": UNTIDY}),
        Case("warn", "ruff check --no-cache --exit-zero .", {"a.py": UNTIDY}),
        Case("fixed", "ruff check --no-cache --fix .", {"a.py": "import os\n"}),
        Case("github", "ruff check --no-cache --output-format github .", {"a.py": UNTIDY}),
        Case("syntax", "ruff check --no-cache .", {"a.py": "def (:\n"}),
        Case("no-files", "ruff check --no-cache .", {"readme.txt": ""}),
    ],
    "ruff-format": [
        Case("pass", "ruff format --no-cache --check .", {"a.py": TIDY}),
        Case("fail", "ruff format --no-cache --check .", {"a.py": UNTIDY, "b.py": TIDY}),
        Case("diff", "ruff format --no-cache --diff .", {"a.py": UNTIDY}),
        Case("warn", "ruff format --no-cache .", {"a.py": UNTIDY}),
        Case("no-files", "ruff format --no-cache --check .", {"readme.txt": ""}),
    ],
    "mypy": [
        Case("pass", "mypy --cache-dir=/dev/null a.py", {"a.py": TYPED}),
        Case("fail", "mypy --cache-dir=/dev/null a.py", {"a.py": MISTYPED}),
        Case("columns", "mypy --cache-dir=/dev/null --show-column-numbers --no-error-summary a.py", {"a.py": MISTYPED}),
        Case("warn", "mypy --cache-dir=/dev/null a.py", {"a.py": "def f():\n    x: int = 'a'\n"}),
        Case("json", "mypy --cache-dir=/dev/null --output json a.py", {"a.py": MISTYPED}),
        Case("pretty", "mypy --cache-dir=/dev/null --pretty a.py", {"a.py": MISTYPED}),
        Case("no-file", "mypy --cache-dir=/dev/null nowhere.py", {"a.py": TYPED}),
    ],
    "pyright": [
        Case("pass", "pyright a.py", {"a.py": TYPED}),
        Case("fail", "pyright a.py", {"a.py": MISTYPED}),
        Case("warn", "pyright", {"a.py": "x = 1\nx\n", "pyrightconfig.json": '{"reportUnusedExpression": "warning"}'}),
        Case("json", "pyright --outputjson a.py", {"a.py": MISTYPED}),
        Case("no-folder", "pyright", {"a.py": TYPED, "pyrightconfig.json": '{"include": ["src"]}'}),
        Case("no-files-json", "pyright --outputjson", {"readme.txt": ""}),
    ],
    "flake8": [
        Case("pass", "flake8 a.py", {"a.py": TIDY}),
        Case("fail", "flake8 .", {"a.py": UNTIDY}),
        Case("warn", "flake8 --exit-zero --count .", {"a.py": UNTIDY}),
    ],
    "black": [
        Case("pass", "black --check .", {"a.py": TIDY}),
        Case("fail", "black --check .", {"a.py": UNTIDY, "b.py": TIDY}),
        Case("warn", "black .", {"a.py": UNTIDY}),
        Case("error", "black --check .", {"a.py": "def (:\n"}),
        Case("no-files", "black --check .", {"readme.txt": ""}),
    ],
    "coverage": [
        Case("pass", "coverage report", {"a.py": "def f():\n    return 1\n\n\nf()\n"}, setup="coverage run a.py"),
        Case(
            "fail", "coverage report --fail-under=90", {"a.py": "def f():\n    return 1\n"}, setup="coverage run a.py"
        ),
        Case(
            "warn", "coverage report --precision=2 -m", {"a.py": "def f():\n    return 1\n"}, setup="coverage run a.py"
        ),
        Case(
            "branch",
            "coverage report",
            {"a.py": "import sys\nif sys.argv:\n    x = 1\n"},
            setup="coverage run --branch a.py",
        ),
        Case(
            "total", "coverage report --format=total", {"a.py": "def f():\n    return 1\n"}, setup="coverage run a.py"
        ),
        Case("no-data", "coverage report", {"a.py": ""}),
        Case("json", "coverage json -o -", {"a.py": "def f():\n    return 1\n"}, setup="coverage run a.py"),
        Case("xml", "coverage xml", {"a.py": "def f():\n    return 1\n"}, setup="coverage run a.py"),
    ],
    "pytest-benchmark": [
        Case("pass", "pytest -p no:cacheprovider -q --benchmark-max-time=0.05", {"test_b.py": BENCHMARKS}),
        Case(
            "fail",
            "pytest -p no:cacheprovider -q --benchmark-max-time=0.05",
            {"test_b.py": BENCHMARKS + "\n\ndef test_c():\n    assert 0\n"},
        ),
        Case("warn", "pytest -p no:cacheprovider -q --benchmark-skip", {"test_b.py": BENCHMARKS}),
    ],
    "cargo-test": [
        Case("pass", "cargo test --offline", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_GOOD}),
        Case("fail", "cargo test --offline", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_BAD}),
        Case("warn", "cargo test --offline", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_WARNS}),
        Case("no-match", "cargo test --offline nothing_like_it", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_GOOD}),
        Case("no-run", "cargo test --offline --no-run", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_GOOD}),
        Case("broken", "cargo test --offline", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_BROKEN}),
        Case("quiet", "cargo test --offline -q", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_GOOD}),
    ],
    "cargo-nextest": [
        Case("pass", "cargo nextest run --offline", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_GOOD}),
        Case(
            "fail",
            "cargo nextest run --offline --no-fail-fast",
            {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_ABORTS},
        ),
        Case("warn", "cargo nextest run --offline --retries 2", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_SHAKY}),
        Case(
            "cancelled",
            "cargo nextest run --offline --test-threads 1",
            {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_ABORTS},
        ),
        Case(
            "no-tests",
            "cargo nextest run --offline --no-tests=pass nothing_like_it",
            {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_GOOD},
        ),
        Case("broken", "cargo nextest run --offline", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_BROKEN}),
    ],
    "rustc": [
        Case("pass", "cargo clippy --offline", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_GOOD}),
        Case("warn", "cargo clippy --offline", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_WARNS}),
        Case("fail", "cargo clippy --offline -- -D warnings", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_WARNS}),
        Case(
            "json", "cargo clippy --offline --message-format=json", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_WARNS}
        ),
        Case(
            "short",
            "cargo clippy --offline --message-format=short",
            {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_WARNS},
        ),
        Case("broken", "cargo build --offline", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_BROKEN}),
        Case(
            "cached",
            "cargo clippy --offline",
            {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_WARNS},
            setup="cargo clippy --offline",
        ),
    ],
    "cargo-fmt": [
        Case("pass", "cargo fmt --check", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_GOOD}),
        Case("fail", "cargo fmt --check", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_UNTIDY}),
        Case("warn", "cargo fmt", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_UNTIDY}),
        Case("list", "cargo fmt --check -- -l", {"Cargo.toml": CARGO_TOML, "src/lib.rs": RUST_UNTIDY}),
    ],
    "hyperfine": [
        Case("pass", "hyperfine -N --runs 5 true", {}),
        Case("fail", "hyperfine -N --runs 2 false", {}),
        Case("ignored", "hyperfine -N -i --runs 2 false", {}),
        Case("warn", "hyperfine --runs 3 true 'sleep 0.01'", {}),
    ],
    "valgrind": [
        Case("pass", "valgrind --leak-check=full --error-exitcode=9 ./a", {"a.c": C_GOOD}, setup="gcc -g a.c -o a"),
        Case("fail", "valgrind --leak-check=full --error-exitcode=9 ./a", {"a.c": C_LEAK}, setup="gcc -g a.c -o a"),
        Case("warn", "valgrind ./a", {"a.c": C_LEAK}, setup="gcc -g a.c -o a"),
        Case("invalid-write", "valgrind --error-exitcode=9 ./a", {"a.c": C_OVERRUN}, setup="gcc -g a.c -o a"),
    ],
    "sanitizer": [
        Case("pass", "./a", {"a.c": C_GOOD}, setup="gcc -g -fsanitize=address a.c -o a"),
        Case("fail", "./a", {"a.c": C_LEAK}, setup="gcc -g -fsanitize=address a.c -o a"),
        Case("overflow", "./a", {"a.c": C_OVERRUN}, setup="gcc -g -fsanitize=address a.c -o a"),
        Case("warn", "env ASAN_OPTIONS=exitcode=0 ./a", {"a.c": C_LEAK}, setup="gcc -g -fsanitize=address a.c -o a"),
    ],
    "memray": [
        Case(
            "pass",
            "memray stats out.bin",
            {"a.py": "x = [bytes(1000) for _ in range(1000)]\n"},
            setup="memray run -o out.bin a.py",
        ),
        Case("warn", "memray run -f -o out.bin a.py", {"a.py": "x = [bytes(1000) for _ in range(1000)]\n"}),
        Case("fail", "memray stats nowhere.bin", {}),
    ],
    "tracemalloc": [
        Case("warn", "python a.py", {"a.py": "print('nothing was measured')\n"}),
        Case("fail", "python a.py", {"a.py": "print('growth: 12.5 KiB')\nraise SystemExit(1)\n"}),
        Case(
            "pass",
            "python a.py",
            {
                "a.py": "import tracemalloc\ntracemalloc.start()\nx = [bytes(1000) for _ in range(1000)]\n"
                "for stat in tracemalloc.take_snapshot().statistics('lineno')[:3]:\n    print(stat)\n"
                "current, peak = tracemalloc.get_traced_memory()\nprint(f'current {current} B, peak {peak} B')\n"
            },
        ),
    ],
    "go-test": [
        Case("pass", "go test ./...", {"go.mod": GO_MOD, "a_test.go": GO_GOOD}),
        Case("cached", "go test ./...", {"go.mod": GO_MOD, "a_test.go": GO_GOOD}, setup="go test ./..."),
        Case("verbose", "go test -v ./...", {"go.mod": GO_MOD, "a_test.go": GO_GOOD}),
        Case("fail", "go test ./...", {"go.mod": GO_MOD, "a_test.go": GO_BAD}),
        Case("warn", "go test ./...", {"go.mod": GO_MOD, "a.go": "package demo\n"}),
        Case("no-match", "go test -run Nothing ./...", {"go.mod": GO_MOD, "a_test.go": GO_GOOD}),
        Case("json", "go test -json ./...", {"go.mod": GO_MOD, "a_test.go": GO_BAD}),
        Case("bench", "go test -bench=. -benchtime=100x -benchmem ./...", {"go.mod": GO_MOD, "a_test.go": GO_BENCH}),
        Case("broken", "go test ./...", {"go.mod": GO_MOD, "a_test.go": "package demo\n\nfunc x() { y }\n"}),
        Case(
            "cover",
            "go test -cover ./...",
            {"go.mod": GO_MOD, "a_test.go": GO_GOOD, "a.go": "package demo\n\nfunc G() int { return 1 }\n"},
        ),
    ],
    "go-vet": [
        Case("pass", "go vet ./...", {"go.mod": GO_MOD, "a.go": "package demo\n"}),
        Case("fail", "go vet ./...", {"go.mod": GO_MOD, "a.go": GO_VET}),
        Case("json", "go vet -json ./...", {"go.mod": GO_MOD, "a.go": GO_VET}),
    ],
    "eslint": [
        Case("pass", "eslint .", {**ESLINT, "a.js": JS_GOOD}),
        Case("fail", "eslint .", {**ESLINT, "a.js": JS_BAD}),
        Case("warn", "eslint .", {**ESLINT, "a.js": JS_WARNS}),
        Case("json", "eslint -f json .", {**ESLINT, "a.js": JS_BAD}),
        Case("max-warnings", "eslint --max-warnings 0 .", {**ESLINT, "a.js": JS_WARNS}),
    ],
    "tsc": [
        Case("pass", "tsc -p .", {"tsconfig.json": TSCONFIG, "a.ts": "export const a: number = 1;\n"}),
        Case("fail", "tsc -p .", {"tsconfig.json": TSCONFIG, "a.ts": "export const a: number = 'x';\nb();\n"}),
        Case("pretty", "tsc -p . --pretty", {"tsconfig.json": TSCONFIG, "a.ts": "export const a: number = 'x';\n"}),
    ],
    "jest": [
        Case("pass", "jest", {**PACKAGE, "a.test.js": JEST_GOOD}),
        Case("fail", "jest", {**PACKAGE, "a.test.js": JEST_BAD}),
        Case("warn", "jest --passWithNoTests", PACKAGE),
        Case("json", "jest --json", {**PACKAGE, "a.test.js": JEST_BAD}),
        Case("vitest-pass", "vitest run", {**PACKAGE, "a.test.mjs": VITEST_GOOD}),
        Case("vitest-fail", "vitest run", {**PACKAGE, "a.test.mjs": VITEST_BAD}),
        Case("vitest-none", "vitest run --passWithNoTests", PACKAGE),
    ],
    "tap": [
        Case("pass", "perl a.t", {"a.t": TAP_GOOD}),
        Case("fail", "perl a.t", {"a.t": TAP_BAD}),
        Case("warn", "perl a.t", {"a.t": TAP_SHORT}),
        Case("no-plan", "perl a.t", {"a.t": TAP_NO_PLAN}),
        Case("too-many", "perl a.t", {"a.t": TAP_LONG}),
        Case("prove-pass", "prove -v a.t", {"a.t": TAP_GOOD}),
        Case("prove-fail", "prove a.t b.t", {"a.t": TAP_GOOD, "b.t": TAP_BAD}),
        Case(
            "node",
            "node --test --test-reporter=tap .",
            {
                "a.test.js": "const test = require('node:test');\ntest('a', () => {});\ntest('b', () => { throw new Error('x'); });\n"
            },
        ),
    ],
    "bandit": [
        Case("pass", "bandit -r .", {"a.py": TIDY}),
        Case("fail", "bandit -r .", {"a.py": INSECURE}),
        Case("warn", "bandit --exit-zero -r .", {"a.py": INSECURE}),
        Case("json", "bandit -f json -q -r .", {"a.py": INSECURE}),
        Case("level", "bandit -lll -r .", {"a.py": INSECURE}),
        Case("no-folder", "bandit -r nowhere", {"a.py": TIDY}),
        Case("no-code", "bandit -r .", {"readme.txt": ""}),
        Case("no-code-json", "bandit -f json -q -r .", {"readme.txt": ""}),
        Case("skipped", "bandit -r .", {"a.py": "def (:\n", "b.py": TIDY}),
    ],
    "shellcheck": [
        Case("pass", "shellcheck a.sh", {"a.sh": "#!/bin/sh\necho hello\n"}),
        Case("fail", "shellcheck a.sh", {"a.sh": "#!/bin/sh\necho $1\ncd /x\n"}),
        Case("gcc", "shellcheck -f gcc a.sh", {"a.sh": "#!/bin/sh\necho $1\ncd /x\n"}),
        Case("json", "shellcheck -f json1 a.sh", {"a.sh": "#!/bin/sh\necho $1\ncd /x\n"}),
        Case("warn", "shellcheck -S error a.sh", {"a.sh": "#!/bin/sh\necho $1\n"}),
    ],
    "hadolint": [
        Case("pass", "hadolint Dockerfile", {"Dockerfile": 'FROM debian:12\nCMD ["true"]\n'}),
        Case(
            "fail",
            "hadolint Dockerfile",
            {"Dockerfile": "FROM debian\nRUN cd /x && apt-get install curl\nMAINTAINER x\n"},
        ),
        Case("warn", "hadolint --no-fail Dockerfile", {"Dockerfile": "FROM debian\n"}),
        Case("json", "hadolint -f json Dockerfile", {"Dockerfile": "FROM debian\n"}),
    ],
    "pip-audit": [
        # It found nothing that it could audit, and yet says that there are no known vulnerabilities. What it says where
        # its service can be reached is built from its documentation, in the other samples.
        Case(
            "warn", "pip-audit -r requirements.txt --no-deps --disable-pip", {"requirements.txt": "iniconfig==2.0.0\n"}
        ),
    ],
    "timings": [
        Case("warn", "python a.py", {"a.py": "print('parse   3611 ns/op')\nprint('parse is slow')\n"}),
        Case("fail", "python a.py", {"a.py": "print('parse   3611 ns/op')\nraise SystemExit(3)\n"}),
        Case(
            "pass",
            "python a.py",
            {"a.py": "print('parse   3611 ns/op')\nprint('sort: 1.25 ms')\nprint('load took 3.2 s')\n"},
        ),
    ],
    "junit": [
        Case("pass", "pytest -p no:cacheprovider -q --junitxml=out.xml", TESTS, "out.xml"),
        Case("fail", "pytest -p no:cacheprovider -q --junitxml=out.xml", BAD_TESTS, "out.xml"),
        Case("warn", "pytest -p no:cacheprovider -q --junitxml=out.xml -k nothing", TESTS, "out.xml"),
    ],
    "sarif": [
        Case("pass", "ruff check --no-cache --output-format sarif -o out.sarif .", {"a.py": TIDY}, "out.sarif"),
        Case("fail", "ruff check --no-cache --output-format sarif -o out.sarif .", {"a.py": UNTIDY}, "out.sarif"),
        Case(
            "warn",
            "ruff check --no-cache --exit-zero --output-format sarif -o out.sarif .",
            {"a.py": UNTIDY},
            "out.sarif",
        ),
    ],
}
VERSIONS = {
    "unittest": "python --version", "ruff-format": "ruff --version", "pytest-benchmark": "pytest --version",
    "cargo-test": "cargo --version", "cargo-nextest": "cargo nextest --version", "rustc": "cargo clippy --version", "cargo-fmt": "cargo fmt --version",
    "sanitizer": "gcc --version", "tracemalloc": "python --version", "timings": "python --version", "go-test": "go version", "go-vet": "go version",
    "shellcheck": "shellcheck --version | sed -n 2p", "tap": "perl -e 'print qq(perl $^V\\n)'", "junit": "pytest --version", "sarif": "ruff --version",
}  # fmt: skip


# Where tools live is nobody's business.
_PLACES = {sys.prefix: "/venv", sys.base_prefix: "/usr", str(Path.home()): "/home/user"}
if _node := shutil.which("eslint"):
    _PLACES[str(Path(_node).resolve().parents[3])] = "/usr/lib"
_PLACES[f'hostname="{os.uname().nodename}"'] = 'hostname="host"'


class Ran(NamedTuple):
    """What a case printed when it was run just now."""

    exit_status: int
    stdout: bytes
    stderr: bytes
    report: bytes | None


def is_there(case: Case) -> bool:
    """Whether the programs of a case can be run on this machine."""
    words = [case.command.split()[0], *(case.setup.split()[:1])]
    if case.command.startswith("cargo nextest "):
        words.append("cargo-nextest")
    return all(word.startswith(".") or shutil.which(word) for word in words)


def run_case(case: Case, folder: Path) -> Ran:
    """Run a case in ``folder``, which is empty."""
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    if case.setup:
        subprocess.run(case.setup, shell=True, cwd=folder, check=True, capture_output=True, env=environment())
    done = subprocess.run(case.command, shell=True, cwd=folder, capture_output=True, env=environment())
    report = (folder / case.report).read_bytes() if case.report else None
    return Ran(done.returncode, done.stdout, done.stderr, report)


def record(tool: str, case: Case) -> Path | None:
    """Run one case and write its sample; None when the tool is not there."""
    if not is_there(case):
        return None
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve() / "project"
        folder.mkdir()
        ran = run_case(case, folder)
        version = VERSIONS.get(tool, f"{case.command.split()[0]} --version")
        if "vitest" in case.name:
            version = "vitest --version"
        told = subprocess.run(version, shell=True, cwd=folder, capture_output=True, text=True, env=environment())
        lines = (told.stdout + told.stderr).strip().splitlines()
        first = next((line for line in lines if not line.startswith("npm warn")), "?")
    text = f"command: {case.command}\nversion: {first.strip()}\nexit status: {ran.exit_status}\n"
    text += f"report file: {case.report}\n" if case.report else ""
    for name, data in (("stdout", ran.stdout), ("stderr", ran.stderr), ("report", ran.report)):
        if data is not None:
            text += f"@@@@ {name}\n{data.decode('utf-8', 'surrogateescape')}"
            text += "" if text.endswith("\n") else "\n@@@@ (no newline)\n"
    for real, shown in {**_PLACES, str(folder): "/project"}.items():
        text = text.replace(real, shown)
    path = SAMPLES / tool / f"{case.name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "CARGO_", "RUST"))}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "100", "LC_ALL": "C.UTF-8", "CARGO_TERM_COLOR": "never"}


def main() -> None:
    """Record all samples, or those of the tools named."""
    for tool, cases in CASES.items():
        if sys.argv[1:] and tool not in sys.argv[1:]:
            continue
        for case in cases:
            path = record(tool, case)
            print(f"{tool}/{case.name}: {path.stat().st_size if path else 'left out, the tool is missing'}", flush=True)


if __name__ == "__main__":
    main()
