import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotlet.errors import ModelFileError
from spotlet.manifest import MOST_CHARACTERS, MOST_CLASSES, InputRule, Manifest
from spotlet.text.plain import is_plain, parse_json, plain_line

HOSTILE = ["\x1b[2J", "a\nb", "\x9b31m", "\ud800", "evil\u202egnp.exe", "\x00", "\u2028"]


@pytest.mark.parametrize("text", ["person", "Möwe", "人", "نص", "🐦\u200d⬛", "a-b_c (d)"])
def test_names_in_any_script_are_plain(text: str) -> None:
    assert is_plain(text)
    assert plain_line(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_what_steers_a_terminal_or_hides_text_is_not(text: str) -> None:
    assert not is_plain(text)
    shown = plain_line(text)
    assert is_plain(shown)
    assert len(shown) == len(text)
    shown.encode()


@given(st.text(st.characters(), max_size=400))
def test_a_line_is_plain_and_short_whatever_it_was(text: str) -> None:
    assert is_plain(plain_line(text))
    assert len(plain_line(text)) <= 300


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text("aß\n", max_size=3),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner),
    )
)
def test_honest_json_is_read_as_json_reads_it(content: Any) -> None:
    assert parse_json(json.dumps(content)) == content


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", '{"a": 1, "a": 2}', "[NaN]", "[-Infinity]", "[1e999]", "[" + "9" * 21 + "]"),
        *("[" + "9" * 5000 + "]", "[" * 100_000, '{"a":' * 100_000, '["\\ud800"]', '["\\u001b"]'),
        *('{"\\u009b": 1}', '["\\u202e"]', b"\xff\xfe", b'["\xc3"]'),
    ],
)
def test_json_that_readers_understand_differently_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def _manifest(**changes: Any) -> str:
    made = Manifest(name="m", classes=("a",), input=InputRule(size_hw=(32, 32)))
    return json.dumps({**json.loads(made.to_json()), **changes})


@pytest.mark.parametrize("text", HOSTILE)
def test_a_manifest_with_such_a_class_name_is_refused_in_one_plain_line(text: str) -> None:
    for changes in ({"classes": ["a", text]}, {"name": text}, {"training": {"note": text}}):
        if changes.get("training") and text == "a\nb":
            continue  # a note may have lines
        with pytest.raises(ModelFileError) as raised:
            Manifest.from_json(_manifest(**changes))
        assert is_plain(str(raised.value))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_manifest_with_such_a_name_can_be_made(text: str) -> None:
    with pytest.raises(ModelFileError):
        Manifest(name="m", classes=("a", text), input=InputRule(size_hw=(32, 32)))


def test_a_manifest_has_its_limits() -> None:
    rule = InputRule(size_hw=(32, 32))
    names = tuple(map(str, range(MOST_CLASSES)))
    assert len(Manifest(name="m", classes=names, input=rule).classes) == MOST_CLASSES
    with pytest.raises(ModelFileError, match="list of 1 to 65536 names"):
        Manifest(name="m", classes=(*names, "one more"), input=rule)
    with pytest.raises(ModelFileError, match="at most 200 characters"):
        Manifest(name="m", classes=("x" * 201,), input=rule)
    with pytest.raises(ModelFileError, match="must be at most 4000000"):
        Manifest.from_json(" " * (MOST_CHARACTERS + 1))
    InputRule(size_hw=(8192, 2048))
    for size in ((8192, 8192), (4097, 4096), (8193, 1)):
        with pytest.raises(ModelFileError, match="at most 16777216 pixels"):
            InputRule(size_hw=size)
