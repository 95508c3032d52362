from __future__ import annotations

import re
import subprocess
import sys
import timeit
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_paragate.report.text import cells, cut, cut_middle, neutral, seconds

DANGEROUS = st.text(
    st.sampled_from(list("\x1b\x9b\x9d\x90\x07\x00\x08\r\n\t[]0;mK\\#:vso \u202e\u2066\udc80\ud83d\ufffe\x85漢e\u0301"))
)
XML_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("a\x1b]0;title\x07b", "ab"),
        ("\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x1bPpayload\x1b\\b", "ab"),
        ("\x1b(B\x1b7plain", "plain"),
    ],
)
def test_terminal_sequences_are_removed(text: str, shown: str) -> None:
    assert neutral(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bell\x07", "bell\\x07"),
        ("\x1b\x1b[0m[31mx", "\\x1b[31mx"),
        ("nul\x00 del\x7f nel\x85", "nul\\x00 del\\x7f nel\\x85"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("\udce9t\ufffe", "\ufffdt\\ufffe"),
    ],
)
def test_other_controls_become_visible(text: str, shown: str) -> None:
    assert neutral(text) == shown


def test_a_sequence_that_is_never_closed_hides_no_line() -> None:
    assert neutral("\x1b]0;title\nFAILED here\n") == "\\x1b]0;title\nFAILED here\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10%\r50%\r100%\n", "100%\n"),
        ("100%\r50", "500%"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("downloading\r\x1b[Kdone", "done"),
        ("downloading\x1b[2K\rdone", "done"),
        ("first\n10%\r\x1b[32m99%\x1b[0m\nlast", "first\n99%\nlast"),
    ],
)
def test_progress_lines_become_what_a_terminal_would_show(text: str, shown: str) -> None:
    assert neutral(text) == shown


@pytest.mark.parametrize(
    "command",
    [
        "::error file=a.py::x",
        "  ::set-output name=a::b",
        ":\x1b[0m:error::x",
        "progress\r\x1b[K::error::x",
        "ok\n::stop-commands::t",
        "##[error]x",
        "text ##vso[task.complete]",
        "###[group]",
        "##TeamCity[testFailed]",
    ],
)
def test_ci_workflow_commands_are_defused_and_still_readable(command: str) -> None:
    shown = neutral(command)
    assert not re.search(r"^\s*::", shown, re.MULTILINE)
    assert not re.search(r"##(vso|teamcity)?\[", shown, re.IGNORECASE)
    assert any(word in shown for word in ("error", "set-output", "stop-commands", "task", "group", "testFailed"))


def test_ordinary_text_stays_as_it_is() -> None:
    text = "src/a.py:1:2: E501 über 漢字 👍 # 1 ## 2 std::vec [x]\n\tindented"
    assert neutral(text) == text


def test_one_line_joins_lines_and_tabs_with_spaces() -> None:
    assert neutral("  first\n\n\tsecond\tpart \n", keep_newlines=False) == "first second part"


@given(DANGEROUS, st.booleans())
def test_neutral_text_is_xml_legal_without_controls_and_does_not_change_again(text: str, keep_newlines: bool) -> None:
    shown = neutral(text, keep_newlines=keep_newlines)
    assert not XML_ILLEGAL.search(shown)
    assert {character for character in shown if unicodedata.category(character) == "Cc"} <= {"\n", "\t"}
    assert keep_newlines or not {"\n", "\t"} & set(shown)
    assert neutral(shown, keep_newlines=keep_newlines) == shown


def test_a_flood_of_half_sequences_does_not_hang_the_report() -> None:
    script = """
from pytest_paragate.report.text import neutral
for flood in ("\\x1b", "\\x1b]", "\\x9d", "\\x1b[", "\\ra", "\\x1b[2K\\r", " ", "##["):
    neutral(flood * 200_000, keep_newlines=False)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_flood_of_ordinary_lines_costs_less_than_searching_it_with_a_few_patterns() -> None:
    flood = ("über std: 漢字" * 20 + "\n") * 10_000

    def least_s(work: Callable[[], object]) -> float:
        return min(timeit.repeat(work, number=1, repeat=5))

    assert least_s(lambda: neutral(flood)) < 3 * least_s(lambda: re.sub(XML_ILLEGAL, "", flood))


@pytest.mark.parametrize(
    ("value_s", "exact", "estimate"),
    [
        (0.0, "0.0s", "~0.0s"),
        (0.26, "0.3s", "~0.3s"),
        (9.96, "10.0s", "~10s"),
        (66.2, "66.2s", "~66s"),
        (119.96, "2m 00s", "~2m 00s"),
        (125, "2m 05s", "~2m 05s"),
        (3599.6, "1h 00m", "~1h 00m"),
        (3720, "1h 02m", "~1h 02m"),
        (-1, "0.0s", "~0.0s"),
        (float("nan"), "?", "?"),
    ],
)
def test_seconds_for_people(value_s: float, exact: str, estimate: str) -> None:
    assert seconds(value_s) == exact
    assert seconds(value_s, is_estimate=True) == estimate


@pytest.mark.parametrize(
    ("text", "width", "end", "middle"),
    [
        ("short", 5, "short", "short"),
        ("abcdefgh", 5, "abcd…", "ab…gh"),
        ("漢字漢字", 5, "漢字…", "漢…字"),
        ("e\u0301e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301…", "e\u0301…e\u0301"),
        ("abc", 1, "…", "…"),
        ("abc", 0, "", ""),
    ],
)
def test_cutting_respects_wide_and_combining_characters(text: str, width: int, end: str, middle: str) -> None:
    assert cut(text, width) == end
    assert cut_middle(text, width) == middle


@given(st.text(st.sampled_from("ab漢字\u0301\u200d👍")), st.integers(-2, 12), st.sampled_from(["…", "..."]))
def test_cut_text_is_never_wider_than_asked(text: str, width: int, ellipsis: str) -> None:
    assert cells(cut(text, width, ellipsis=ellipsis)) <= max(width, 0)
    assert cells(cut_middle(text, width, ellipsis=ellipsis)) <= max(width, 0)
