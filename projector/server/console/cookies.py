"""The cookies of the console: the secret of a browser, and what it likes to see. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from projector.server.console.zones import is_zone

_SECRET = re.compile(r"[0-9a-f]{64}")

#: How long a browser remembers the theme and the time zone, in seconds.
_YEAR = 365 * 24 * 3600

THEMES = ("light", "dark")


@frozen(kw_only=True)
class Cookies:
    """What a request's cookies say; anything invalid counts as missing."""

    secret: str | None
    #: `light` or `dark`, or None: as the system has it.
    theme: str | None
    zone: str | None


def read(cookies: Mapping[str, str], *, is_secure: bool) -> Cookies:
    """Read the cookies of a request."""
    secret = cookies.get(_name(is_secure), "")
    theme, zone = cookies.get("console_theme"), cookies.get("console_zone")
    return Cookies(
        secret=secret if _SECRET.fullmatch(secret) else None,
        theme=theme if theme in THEMES else None,
        zone=zone if zone is not None and is_zone(zone) else None,
    )


def secret(text: str, *, is_secure: bool) -> str:
    """Return the Set-Cookie header of a browser's secret, which ends with the browser.

    The prefix `__Host-` keeps other hosts of the same domain from setting it.
    """
    secure = "; Secure" if is_secure else ""
    return f"{_name(is_secure)}={text}; Path=/{secure}; HttpOnly; SameSite=Strict"


def forget(*, is_secure: bool) -> str:
    """Return the Set-Cookie header that deletes a browser's secret."""
    return f"{secret('', is_secure=is_secure)}; Max-Age=0"


def theme(name: str | None) -> str:
    """Return the Set-Cookie header of the theme; None forgets it."""
    return _preference("console_theme", name)


def zone(name: str | None) -> str:
    """Return the Set-Cookie header of the time zone; None forgets it."""
    return _preference("console_zone", name)


def _preference(name: str, value: str | None) -> str:
    age = 0 if value is None else _YEAR
    return f"{name}={value or ''}; Path=/console; Max-Age={age}; HttpOnly; SameSite=Lax"


def _name(is_secure: bool) -> str:
    return "__Host-projector" if is_secure else "projector_session"
