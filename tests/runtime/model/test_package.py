import json
from pathlib import Path

import pytest

from spotlet.errors import ModelFileError, UsageError
from spotlet.model import locate_model
from spotlet.model.package import (
    MODEL_FILE,
    VARIANTS,
    bundled_models,
    locate_models,
    read_parity,
    variants_of,
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of every variant, of which nobody reads more than the names."""
    for file in VARIANTS.values():
        (tmp_path / file).touch()
    return tmp_path


def test_a_file_is_itself(tmp_path: Path) -> None:
    (tmp_path / "any.onnx").touch()
    assert locate_model(tmp_path / "any.onnx") == tmp_path / "any.onnx"
    assert locate_model(str(tmp_path / "any.onnx")) == tmp_path / "any.onnx"


def test_a_package_gives_its_model(tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).touch()
    assert locate_model(tmp_path) == tmp_path / MODEL_FILE


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=f"has no {MODEL_FILE}, which a model package must"):
        locate_model(tmp_path)


def test_what_is_not_there_is_an_error_that_lists_the_bundled_models(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file, folder or bundled model") as raised:
        locate_model(tmp_path / "missing.onnx")
    assert all(name in str(raised.value) for name in bundled_models())


def test_a_bundled_name_gives_a_file_that_is_there() -> None:
    for name, folder in bundled_models().items():
        assert locate_model(name) == folder / MODEL_FILE
        assert locate_model(name).is_file()


def test_a_path_wins_over_a_bundled_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*bundled_models(), "garments"):
        Path(name).mkdir(exist_ok=True)
        (Path(name) / MODEL_FILE).touch()
        assert locate_model(name) == Path(name) / MODEL_FILE


def test_a_variant_is_one_of_the_packages_files(package: Path) -> None:
    assert locate_model(package) == locate_model(package, "fp32") == package / "model.onnx"
    assert locate_model(package, "int8") == package / "model.int8.onnx"
    assert locate_model(package, "end-to-end") == package / "model.end2end.onnx"
    assert variants_of(package) == {name: package / file for name, file in VARIANTS.items()}


def test_a_bundled_name_has_variants_too() -> None:
    for name, folder in bundled_models().items():
        assert locate_model(name, "fp32") == folder / MODEL_FILE
        assert locate_models(name) == tuple(variants_of(folder).values())


def test_a_variant_that_is_not_there_is_an_error_that_says_how_to_get_it(package: Path) -> None:
    for variant, flags in (
        ("int8-end-to-end", "--int8 --end-to-end"),
        ("end-to-end", "--end-to-end"),
        ("int8", "--int8"),
    ):
        (package / VARIANTS[variant]).unlink()
        with pytest.raises(
            ModelFileError,
            match=rf"has no {variant} variant, only fp32.*; `spotlet export {flags}` makes one",
        ):
            locate_model(package, variant)
    assert list(variants_of(package)) == ["fp32"]


def test_a_variant_of_an_adopted_package_is_made_by_adopting(package: Path) -> None:
    (package / VARIANTS["int8"]).unlink()
    (package / "parity.json").write_text(json.dumps({"schema": 2, "files": {}, "adopted": {}}))
    with pytest.raises(
        ModelFileError, match=r"no int8 variant.*; `spotlet adopt --int8` makes one"
    ):
        locate_model(package, "int8")


def test_a_variant_that_cannot_be_is_wrong_usage(package: Path) -> None:
    with pytest.raises(UsageError, match="variant int4: must be one of fp32, int8"):
        locate_model(package, "int4")
    with pytest.raises(UsageError, match="is a single file; --variant needs a package"):
        locate_model(package / MODEL_FILE, "fp32")


def test_of_a_package_every_model_is_meant_of_a_file_only_itself(package: Path) -> None:
    files = tuple(package / file for file in VARIANTS.values())
    assert locate_models(package) == files
    for variant, file in zip(VARIANTS, files, strict=True):
        assert locate_models(package, variant) == locate_models(file) == (file,)
    files[0].unlink()
    with pytest.raises(ModelFileError, match=r"has no model\.onnx, which a model package must"):
        locate_models(package)


def test_parity_of_schema_1_is_of_the_only_model(package: Path) -> None:
    assert read_parity(package / MODEL_FILE) is None
    for content in ({"schema": 1, "sha256": "12"}, {"sha256": "12"}):
        (package / "parity.json").write_text(json.dumps(content))
        assert read_parity(package / MODEL_FILE) == content


def test_parity_of_schema_2_has_a_record_for_each_file(package: Path) -> None:
    files = {MODEL_FILE: {"sha256": "12"}, "model.int8.onnx": {"sha256": "34"}}
    (package / "parity.json").write_text(json.dumps({"schema": 2, "files": files}))
    for name, record in files.items():
        assert read_parity(package / name) == record
    with pytest.raises(ModelFileError, match=r"parity\.json: has no entry for other\.onnx; export"):
        read_parity(package / "other.onnx")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("no JSON", "not JSON"),
        ("[]", "must be a JSON object"),
        ('{"schema": 3, "files": {}}', "schema 3 is newer than this spotlet reads"),
        ('{"schema": "2"}', "schema '2' must be a whole number"),
        ('{"schema": 2, "passed": false}', "does not record a passed gate"),
        ('{"schema": 2}', "has no entry for"),
        ('{"schema": 2, "files": []}', "has no entry for"),
        ('{"schema": 2, "files": {"model.onnx": 3}}', "has no entry for"),
    ],
)
def test_parity_that_cannot_be_read_is_an_error(package: Path, text: str, match: str) -> None:
    (package / "parity.json").write_text(text)
    with pytest.raises(ModelFileError, match=match):
        read_parity(package / MODEL_FILE)
