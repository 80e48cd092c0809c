import doctest
import importlib
import pkgutil

import pytest

import spotlet
from spotlet.model.package import bundled_models

NEEDS_MODEL = {"spotlet.detector": "garments"}

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(spotlet.__path__, "spotlet.")
    if not name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_documentation_are_true(name: str) -> None:
    if NEEDS_MODEL.get(name, "") not in {"", *bundled_models()}:
        pytest.skip(f"the bundled model {NEEDS_MODEL[name]} is not here")
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0
