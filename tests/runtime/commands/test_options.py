import argparse

import pytest

from spotlet.commands.options import add_session_arguments, session_settings
from spotlet.session import SessionSettings


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], SessionSettings()),
        (["--threads", "1"], SessionSettings(threads=1)),
        (["--threads", "0"], SessionSettings()),
        (["--provider", "cpu"], SessionSettings(provider="cpu")),
        (["--strict-provider"], SessionSettings(strict_provider=True)),
    ],
)
def test_the_flags_are_the_session_settings(words: list[str], wanted: SessionSettings) -> None:
    parser = argparse.ArgumentParser()
    add_session_arguments(parser)
    assert session_settings(parser.parse_args(words)) == wanted
