"""Builds elements of SVG, in which every text and every value is escaped. PURE."""

from __future__ import annotations

from markupsafe import Markup, escape


def element(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """Return an element; children that are no Markup are texts.

    The name of an attribute has `_` for `-`, and `class_` stands for `class`. An attribute of None
    is left out, and a float is written with at most three decimals. Colours and lengths belong into
    classes: an attribute `style`, or one that begins with `on`, raises ValueError.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(_attribute_name(key), _value(value))
        for key, value in attributes.items()
        if value is not None
    )
    if not children:
        return Markup("<{}{}/>").format(name, written)
    inside = Markup("").join(escape(each) for each in children)
    return Markup("<{}{}>{}</{}>").format(name, written, inside, name)


def percent(share: float) -> str:
    """Return a share of 1 as a length, such as `12.5%`."""
    return f"{_number(100 * share)}%"


def _attribute_name(key: str) -> str:
    name = key.removesuffix("_").replace("_", "-")
    if name == "style" or name.startswith("on"):
        raise ValueError(name)
    return name


def _value(value: object) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
