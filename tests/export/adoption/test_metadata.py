from spotlet_export.adoption.metadata import class_names, image_size, key_point_columns, literal


def test_metadata_is_read_as_python_or_json_and_never_run() -> None:
    assert literal("{0: 'a'}") == {0: "a"}
    assert literal('["a", "b"]') == ["a", "b"]
    program = "__import__('os').abort()"
    assert literal(program) == program


def test_class_names_are_in_the_order_of_their_ids() -> None:
    assert class_names({"names": "{10: 'k', 2: 'c', 0: 'a'}"}) == ("a", "c", "k")
    assert class_names({"names": '{"1": "b", "0": "a"}'}) == ("a", "b")
    assert class_names({"names": "['a', 'b']"}) == ("a", "b")
    for odd in (
        "",
        "{}",
        "7",
        "{'a': 1}",
        "plain words",
        "[['a'], ['b']]",
        "['a', '']",
        r"['a\nb']",
    ):
        assert class_names({"names": odd}) is None


def test_an_image_size_is_height_and_width() -> None:
    assert image_size({"imgsz": "[480, 640]"}) == (480, 640)
    assert image_size({"imgsz": "320"}) == (320, 320)
    libreyolo = {"imgsz": "640", "imgsz_h": "480", "imgsz_w": "640"}
    assert image_size(libreyolo) == (480, 640)
    for odd in ("", "[0, 1]", "[1, 2, 3]", "wide", "[1.5, 2]"):
        assert image_size({"imgsz": odd}) is None


def test_columns_of_key_points_are_counted() -> None:
    assert key_point_columns({"kpt_shape": "[5, 3]"}) == 15
    for odd in ("", "[]", "17", "[1.5, 2]", "[-5, 3]", "plain words"):
        assert key_point_columns({"kpt_shape": odd}) == 0
