"""JSON records with a schema number: one that is newer, or has a wrong key, is refused."""

from dataclasses import fields
from typing import Any

from spotlet.errors import ModelFileError
from spotlet.text.plain import parse_json, plain_line

EXPORT_AGAIN = "export the model again"


def read_record(
    text: str | bytes,
    newest: int,
    name: object,
    *,
    default: int | None = None,
    remedy: str = EXPORT_AGAIN,
) -> dict[str, Any]:
    """Returns a JSON object with a `schema` from 1 to `newest`.

    Args:
        text: as `parse_json` takes it.
        newest: the newest schema that this version reads.
        name: of the record in errors: its path, or what it is.
        default: the schema of a record without the key; None where it must have one.
        remedy: for a damaged record.

    Raises:
        ModelFileError: it is not such an object, or newer.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        raise ModelFileError(f"{name}: not JSON ({plain_line(str(error))}); {remedy}") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{name}: must be a JSON object; {remedy}")
    schema = content.get("schema", default)
    if type(schema) is not int or schema < 1:
        why = plain_line(f"schema {schema!r} must be a whole number from 1")
        raise ModelFileError(f"{name}: {why}; {remedy}")
    if schema > newest:
        raise ModelFileError(
            f"{name}: schema {schema} is newer than this spotlet reads ({newest}); "
            "run `pip install --upgrade spotlet`"
        )
    return content


def require_keys(
    content: object, kind: type[Any], where: str = "", absent: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Returns a JSON object that has the keys of a dataclass, and no other.

    Args:
        content: read from JSON.
        kind: the dataclass.
        where: what an error begins with.
        absent: fields that the object's schema does not have.

    Raises:
        ValueError: it is not an object, or a key is missing or unknown.
    """
    if not isinstance(content, dict):
        raise ValueError(f"{where}must be a JSON object")
    known = {item.name for item in fields(kind)} - set(absent)
    for what, keys in (("unknown", set(content) - known), ("missing", known - set(content))):
        if keys:
            raise ValueError(f"{where}{what} key {', '.join(map(repr, sorted(keys)))}")
    return content
