import json
from dataclasses import dataclass

import pytest

from spotlet.errors import ModelFileError
from spotlet.text.schema import read_record, require_keys


@dataclass
class Point:
    x: int
    y: int


def test_a_record_of_a_known_schema_is_read_with_its_schema() -> None:
    content = {"schema": 2, "x": [1]}
    assert read_record(json.dumps(content), 2, "it") == content
    assert read_record(b'{"schema": 1}', 2, "it") == {"schema": 1}


def test_a_record_without_a_schema_is_read_only_where_there_is_a_default() -> None:
    assert read_record('{"x": 1}', 2, "it", default=1) == {"x": 1}
    with pytest.raises(ModelFileError, match="it: schema None must be a whole number from 1"):
        read_record('{"x": 1}', 2, "it")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ('{"a": 1, "a": 2}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        ("[]", "must be a JSON object"),
        ('{"schema": 0}', "schema 0 must be a whole number"),
        ('{"schema": true}', "schema True must be"),
        ('{"schema": "1\\n"}', "must be a whole number"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line_with_its_remedy(
    text: str | bytes, why: str
) -> None:
    with pytest.raises(ModelFileError, match=f"(?s)^it: .*{why}.*; make it again$") as raised:
        read_record(text, 2, "it", remedy="make it again")
    assert "\n" not in str(raised.value)


def test_a_newer_record_asks_for_an_upgrade() -> None:
    with pytest.raises(ModelFileError, match=r"it: schema 3 is newer .* \(2\); run `pip install"):
        read_record('{"schema": 3}', 2, "it", remedy="make it again")


def test_an_object_must_have_the_keys_of_its_dataclass_and_no_other() -> None:
    assert require_keys({"x": 1, "y": 2}, Point) == {"x": 1, "y": 2}
    assert require_keys({"x": 1}, Point, absent=("y",)) == {"x": 1}
    with pytest.raises(ValueError, match="point: unknown key 'a', 'z'"):
        require_keys({"z": 1, "a": 1}, Point, "point: ")
    with pytest.raises(ValueError, match="point: missing key 'x', 'y'"):
        require_keys({}, Point, "point: ")
    with pytest.raises(ValueError, match="unknown key 'y'"):
        require_keys({"x": 1, "y": 2}, Point, absent=("y",))
    with pytest.raises(ValueError, match="must be a JSON object"):
        require_keys([1], Point)
