"""What a user may import from the export: computed from what its packages list."""

import importlib

import pytest

import spotlet_export

LISTED = [
    (package, name)
    for package in ("spotlet_export", "spotlet_export.adoption")
    for name in importlib.import_module(package).__all__
]


@pytest.mark.parametrize(("package", "name"), LISTED)
def test_a_public_name_is_there_and_documented(package: str, name: str) -> None:
    assert getattr(importlib.import_module(package), name).__doc__


def test_the_public_names_of_adoption_are_those_of_its_room() -> None:
    room = importlib.import_module("spotlet_export.adoption")
    for name in set(room.__all__) & set(spotlet_export.__all__):
        assert getattr(spotlet_export, name) is getattr(room, name)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'spotlet_export' has no attribute 'gate_it'"):
        spotlet_export.gate_it  # noqa: B018
