"""Parses the address of Voucherify's API. PURE."""

from __future__ import annotations

from urllib.parse import urlsplit

from attrs import frozen

from projector.errors import BadVoucherifyUrl
from projector.text.hosts import is_loopback

#: The cluster of projects that were made without a choice.
URL_DEFAULT = "https://api.voucherify.io"


@frozen(kw_only=True)
class Address:
    """The address of a cluster of Voucherify's API."""

    is_https: bool
    host: str
    #: None for the scheme's own.
    port: int | None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse_url(text: str) -> Address:
    """Parse the URL of a cluster; raises BadVoucherifyUrl, whose message has no credential.

    Without TLS the credentials would be readable on their way, so `http` is for the loopback
    interface only.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadVoucherifyUrl(reason="it cannot be parsed") from None
    if parts.username is not None or parts.password is not None:
        raise BadVoucherifyUrl(reason="credentials do not belong into it")
    if parts.scheme not in ("http", "https") or not host:
        raise BadVoucherifyUrl(reason="it does not begin with https:// and a host")
    if parts.path.rstrip("/") or parts.query or parts.fragment:
        raise BadVoucherifyUrl(reason="something follows the host")
    if parts.scheme == "http" and not is_loopback(host):
        raise BadVoucherifyUrl(reason="http would send the credentials unencrypted")
    return Address(is_https=parts.scheme == "https", host=host, port=port)
