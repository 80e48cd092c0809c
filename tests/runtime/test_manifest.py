import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlet.errors import ModelFileError
from spotlet.manifest import SCHEMA, SINCE_2, DetectionRule, InputRule, Manifest, OutputRule
from spotlet.tiles import TileSettings

MANIFEST = Manifest(
    name="parts",
    classes=("bolt", "Mutter ß", "ナット"),
    input=InputRule(name="frame", size_hw=(192, 320), interpolation="area", pad_value=0),
    output=OutputRule(boxes="b", scores="s", score_activation="softmax"),
    detection=DetectionRule(score_threshold=0.25, iou_threshold=0.5, max_detections=7),
    training={"epochs": 3, "ap50": 0.5, "curve": [0.1, 0.5]},
    parity={"worst": 1e-6},
    producer="spotlet 0.1.0",
)
"""Of schema 1."""

SUPPRESSED = replace(
    MANIFEST, output=OutputRule(form="detections", boxes="b", class_ids="ids", count="found")
)
"""Of schema 2."""

EXACT = replace(MANIFEST, input=replace(MANIFEST.input, interpolation="linear_exact"))
"""Of schema 3."""

TILED = replace(EXACT, tiles=TileSettings(layout="2x2"))
"""Of schema 4."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def content(manifest: Manifest = MANIFEST) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(manifest.to_json())
    return loaded


def read(changed: object) -> Manifest:
    return Manifest.from_json(json.dumps(changed))


def test_a_manifest_survives_the_round_trip() -> None:
    for manifest in (MANIFEST, SUPPRESSED, EXACT):
        assert Manifest.from_json(manifest.to_json()) == manifest


def test_what_an_older_runtime_can_read_is_written_for_it() -> None:
    stretched = replace(MANIFEST, input=replace(MANIFEST.input, resize="stretch"))
    assert content()["schema"] == 1
    assert not set(SINCE_2) & set(content()["output"])
    assert content(SUPPRESSED)["schema"] == content(stretched)["schema"] == 2
    assert content(EXACT)["schema"] == 3
    assert content(TILED)["schema"] == SCHEMA == 4


def test_tiles_survive_the_round_trip_and_older_runtimes_do_not_see_them_unawares() -> None:
    assert read(content(TILED)) == TILED
    assert "tiles" not in content(EXACT)
    with pytest.raises(ModelFileError, match="unknown key 'tiles'"):
        read({**content(TILED), "schema": 3})
    for tiles in ({"layout": "2by2", "overlap": 0.25}, {"layout": "2x2"}, None, "2x2"):
        with pytest.raises(ModelFileError, match="tiles"):
            read({**content(TILED), "tiles": tiles})


def test_schema_1_has_no_keys_of_schema_2() -> None:
    changed = {**content(SUPPRESSED), "schema": 1}
    with pytest.raises(ModelFileError, match="output: unknown key 'class_ids', 'count', 'form'"):
        read(changed)


def test_linear_exact_belongs_to_schema_3() -> None:
    for schema in (1, 2):
        with pytest.raises(ModelFileError, match=f"schema {schema} has no interpolation"):
            read({**content(EXACT), "schema": schema})


def test_class_names_are_readable_in_the_file() -> None:
    assert "ナット" in MANIFEST.to_json()


def test_defaults_survive_the_round_trip() -> None:
    plain = Manifest(name="a", classes=("x",), input=InputRule(size_hw=(1, 8192)))
    assert Manifest.from_json(plain.to_json()) == plain


def test_a_newer_schema_asks_for_an_upgrade() -> None:
    with pytest.raises(ModelFileError, match=rf"schema {SCHEMA + 1} is newer .*--upgrade spotlet`"):
        read({**content(), "schema": SCHEMA + 1, "what": "this version cannot know"})


@pytest.mark.parametrize("schema", [None, 0, -1, "1", 1.0, True, [1]])
def test_a_schema_that_is_no_number_is_an_error(schema: object) -> None:
    with pytest.raises(ModelFileError, match="must be a whole number"):
        read({**content(), "schema": schema})


@pytest.mark.parametrize("key", [item.name for item in fields(Manifest)])
def test_a_missing_key_is_an_error(key: str) -> None:
    changed = content(TILED)
    del changed[key]
    with pytest.raises(ModelFileError, match=key):
        read(changed)


@pytest.mark.parametrize(
    ("part", "key"),
    [
        (part, item.name)
        for part, rule in (("input", InputRule), ("output", OutputRule))
        for item in fields(rule)
    ]
    + [("detection", item.name) for item in fields(DetectionRule)],
)
def test_a_missing_key_of_a_part_is_an_error(part: str, key: str) -> None:
    changed = content(SUPPRESSED)
    del changed[part][key]
    with pytest.raises(ModelFileError, match=f"{part}: missing key '{key}'"):
        read(changed)


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(ModelFileError, match="unknown key 'clases'"):
        read({**content(), "clases": []})
    changed = content()
    changed["detection"]["score_treshold"] = 0.5
    with pytest.raises(ModelFileError, match="detection: unknown key 'score_treshold'"):
        read(changed)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", ""),
        ("name", 3),
        ("classes", []),
        ("classes", "bolt"),
        ("classes", [1]),
        ("classes", [""]),
        ("classes", [["bolt"]]),
        ("classes", ["bolt", "bolt"]),
        ("training", None),
        ("parity", [1]),
        ("producer", None),
        ("input", None),
        ("output", []),
        ("detection", 1),
        ("input.name", None),
        ("input.size_hw", [320]),
        ("input.size_hw", [320, 320, 3]),
        ("input.size_hw", [320, 320.0]),
        ("input.size_hw", [True, 320]),
        ("input.size_hw", [0, 320]),
        ("input.size_hw", [320, 8193]),
        ("input.size_hw", 320),
        ("input.colour_order", "RGB"),
        ("input.resize", "crop"),
        ("input.resize", ["stretch"]),
        ("input.interpolation", "cubic"),
        ("input.interpolation", ["linear"]),
        ("input.pad_value", -1),
        ("input.pad_value", 256),
        ("input.pad_value", 1.5),
        ("input.pad_value", True),
        ("output.boxes", ""),
        ("output.scores", 1),
        ("output.form", "anchors"),
        ("output.form", ["cells"]),
        ("output.class_ids", ""),
        ("output.count", None),
        ("output.box_encoding", "cxcywh"),
        ("output.score_activation", "none"),
        ("output.score_activation", ["sigmoid"]),
        ("detection.score_threshold", -0.1),
        ("detection.score_threshold", 1.1),
        ("detection.score_threshold", "0.5"),
        ("detection.score_threshold", float("nan")),
        ("detection.score_threshold", True),
        ("detection.iou_threshold", 0),
        ("detection.iou_threshold", 1.1),
        ("detection.iou_threshold", None),
        ("detection.max_detections", 0),
        ("detection.max_detections", 2.0),
        ("detection.max_detections", True),
    ],
)
def test_a_bad_value_is_one_clear_line(path: str, value: object) -> None:
    changed = content(SUPPRESSED)
    *parents, key = path.split(".")
    inner = changed
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    with pytest.raises(ModelFileError, match="manifest: ") as raised:
        read(changed)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "\x00"])
def test_what_is_not_json_is_an_error(text: str) -> None:
    with pytest.raises(ModelFileError, match="not JSON"):
        Manifest.from_json(text)


@pytest.mark.parametrize("value", [None, [], "a", 1, True])
def test_what_is_no_object_is_an_error(value: object) -> None:
    with pytest.raises(ModelFileError, match="must be a JSON object"):
        read(value)


@settings(max_examples=100)
@given(st.data())
def test_whatever_stands_in_a_manifest_it_is_read_or_refused(data: st.DataObject) -> None:
    changed = content()
    part = data.draw(st.sampled_from([None, "input", "output", "detection"]))
    inner = changed if part is None else changed[part]
    inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(json_values)
    try:
        manifest = read(changed)
    except ModelFileError:
        return
    assert isinstance(manifest.name, str)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_what_json_cannot_hold_is_refused_when_it_is_written(value: object) -> None:
    with pytest.raises(ModelFileError, match="cannot be written as JSON"):
        replace(MANIFEST, training={"loss": value}).to_json()
