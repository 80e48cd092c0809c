"""The XML files of a Pascal VOC set: their text in any encoding, and the values in them."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

_DECLARED = re.compile(rb"\s*<\?xml[^>]*encoding=[\"']([\w.:-]+)[\"']")

Edges = tuple[float, float, float, float]


class Marked(NamedTuple):
    """An object as an XML file has it.

    Attributes:
        class_name: of the object.
        edges: left, top, right, bottom as written.
        degrees: by which the box is turned about its centre.
        exact: whether the edges are on the pixel grid, not indices of pixels.
        difficult: whether it is neither trained on nor counted.
        number: its place in the file, from 1.
    """

    class_name: str
    edges: Edges
    degrees: float
    exact: bool
    difficult: bool
    number: int


def read_xml(file: Path) -> ElementTree.Element:
    """Returns the root of an XML file in the encoding that it declares, or in Unicode.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not XML; the message continues a sentence that starts with its path.
    """
    content = file.read_bytes()
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        fault = f"is not XML ({error})"
    # The parser knows no encodings such as GBK; programs that declare UTF-16 may write UTF-8.
    declared = _DECLARED.match(content.removeprefix(b"\xef\xbb\xbf"))
    own = json.detect_encoding(content)
    text = None
    for encoding in [declared[1].decode(), own] if declared else [own]:
        try:
            text = content.decode(encoding).lstrip("\ufeff \t\r\n")
            return ElementTree.fromstring(text)
        except (ElementTree.ParseError, ValueError, LookupError):
            continue
    if text is None:
        fault = "is not UTF-8 text; save it as UTF-8, or declare its encoding in the first line"
    raise ValueError(fault)


def read_object(element: ElementTree.Element, number: int) -> Marked:
    """Returns an object.

    Args:
        element: its element.
        number: its place in the file, from 1.

    Raises:
        ValueError: a value breaks a rule.
    """
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("no <name>; name its class")
    difficult = (element.findtext("difficult") or "0").strip().lower()
    if difficult not in ("0", "1", "false", "true"):
        raise ValueError(f"<difficult> {difficult!r} must be 0 or 1; correct it")
    marks = difficult in ("1", "true"), number
    turned = element.find("robndbox")
    if element.find("bndbox") is None and turned is not None:
        x, y, width, height, angle = _numbers(turned, ("cx", "cy", "w", "h", "angle"))
        edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return Marked(name, edges, math.degrees(angle), True, *marks)
    left, top, right, bottom = _numbers(element.find("bndbox"), ("xmin", "ymin", "xmax", "ymax"))
    return Marked(name, (left, top, right, bottom), _rotation(element), False, *marks)


def _numbers(element: ElementTree.Element | None, keys: Sequence[str]) -> list[float]:
    words = [None if element is None else element.findtext(key) for key in keys]
    try:
        return [float(word or "") for word in words]
    except ValueError:
        raise ValueError("no <bndbox> of four numbers; correct or remove it") from None


def _rotation(element: ElementTree.Element) -> float:
    """Returns by how many degrees CVAT has turned the box: the attribute `rotation`."""
    for attribute in element.iterfind("attributes/attribute"):
        if attribute.findtext("name") == "rotation":
            (degrees,) = _numbers(attribute, ("value",))
            return degrees % 360
    return 0.0


def read_side(tree: ElementTree.Element, path: str) -> int:
    """Returns the whole number of pixels in an element; 0 if it states none.

    Raises:
        ValueError: it is another text.
    """
    text = (tree.findtext(path) or "0").strip()
    if not re.fullmatch(r"\d+(\.0*)?", text):
        raise ValueError(f"<{path}> is {text!r}; must be the image's size in pixels")
    return int(text.partition(".")[0])
