from pathlib import Path

import pytest

from spotlet.errors import ModelFileError
from spotlet.package import MODEL_FILE, bundled_models, locate_model


def test_a_file_is_itself(tmp_path: Path) -> None:
    (tmp_path / "any.onnx").touch()
    assert locate_model(tmp_path / "any.onnx") == tmp_path / "any.onnx"
    assert locate_model(str(tmp_path / "any.onnx")) == tmp_path / "any.onnx"


def test_a_package_gives_its_model(tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).touch()
    assert locate_model(tmp_path) == tmp_path / MODEL_FILE


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=f"holds {MODEL_FILE}, this folder does not"):
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
