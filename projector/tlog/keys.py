"""Defines Ed25519 keys, as text in the forms of C2SP signed-note and of Go's `sumdb/note`. PURE.

A verifier key is `NAME+ID+base64(0x01 ‖ public key)`, and a signing key
`PRIVATE+KEY+NAME+ID+base64(0x01 ‖ seed)`. The id is the first 4 bytes, in hex, of
SHA-256(name ‖ newline ‖ 0x01 ‖ public key).
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from attrs import field, frozen

from projector.errors import BadKeyName, BadVerifierKey, ExtraMissing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

#: The signature type of Ed25519, in ids and encoded keys.
_ED25519 = b"\x01"
_PRIVATE = "PRIVATE+KEY+"
#: The longest name of a key, in characters.
NAME_CHARACTERS_MAX = 200


@frozen(kw_only=True)
class VerifierKey:
    """The public key of a log, which verifies its checkpoints."""

    name: str
    #: 32 bytes.
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a verifier key; raises BadVerifierKey."""
        try:
            name, key_id, public = _split(text)
        except ValueError as error:
            raise BadVerifierKey(text=text, reason=error) from None
        key = cls(name=name, public=public)
        if key_id != key.key_id.hex():
            raise BadVerifierKey(text=text, reason="its id is not that of the key")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode(_ED25519 + self.public)}"

    @property
    def key_id(self) -> bytes:
        """The id of the key: 4 bytes, which signatures begin with."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether a signature of a message is this key's; raises ExtraMissing."""
        try:
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        except ImportError as error:
            raise ExtraMissing(extra="seal", reason=error) from error
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@frozen(kw_only=True)
class SigningKey:
    """The private key of a log."""

    name: str
    #: 32 random bytes.
    seed: bytes = field(repr=False)

    @classmethod
    def create(cls, name: str, seed: bytes) -> Self:
        """Return the key of a seed; raises BadKeyName."""
        if (problem := name_problem(name)) is not None:
            raise BadKeyName(name=name, reason=problem)
        return cls(name=name, seed=seed)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a signing key; raises ValueError, whose message does not contain the key."""
        if not text.startswith(_PRIVATE):
            raise ValueError(f"it does not begin with {_PRIVATE}")
        name, key_id, seed = _split(text.removeprefix(_PRIVATE))
        key = cls(name=name, seed=seed)
        if key_id != key.verifier.key_id.hex():
            raise ValueError("its id is not that of the key")
        return key

    def as_text(self) -> str:
        """Return the text of a key file."""
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{encode(_ED25519 + self.seed)}"

    @property
    def verifier(self) -> VerifierKey:
        """The public half; raises ExtraMissing."""
        public = self._ed25519().public_key().public_bytes_raw()
        return VerifierKey(name=self.name, public=public)

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, which is always the same; 64 bytes."""
        return self._ed25519().sign(message)

    def _ed25519(self) -> Ed25519PrivateKey:
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        except ImportError as error:
            raise ExtraMissing(extra="seal", reason=error) from error
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def _split(text: str) -> tuple[str, str, bytes]:
    """Return the name, the id and the 32 bytes of a key; raises ValueError."""
    # Base64 may have a plus, too.
    name, key_id, encoded = [*text.split("+", 2), "", ""][:3]
    decoded = decode(encoded)
    if len(decoded) != 33 or decoded[:1] != _ED25519:
        raise ValueError("it is no Ed25519 key")
    if (problem := name_problem(name)) is not None:
        raise ValueError(problem)
    return name, key_id, decoded[1:]


def name_problem(name: str) -> str | None:
    """Return why a text cannot be the name of a key; None if it can."""
    if not 0 < len(name) <= NAME_CHARACTERS_MAX:
        return f"a name has 1 to {NAME_CHARACTERS_MAX} characters"
    if re.search(r"[\s+\x00-\x1f\x7f-\x9f]", name):
        return "a name has no white space, control character or plus"
    if not name.isprintable():
        return "a name has printable characters only"
    return None


def encode(value: bytes) -> str:
    """Encode bytes as base64 text."""
    return b64encode(value).decode()


def decode(text: str) -> bytes:
    """Decode base64 text, strictly: one text for each value; raises ValueError."""
    try:
        value = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64") from None
    if encode(value) != text:
        raise ValueError("it is not canonical base64")
    return value
