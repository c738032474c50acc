"""Keys and notes are those of other programs, and what a key has not signed is refused."""

import pytest

from projector.errors import BadKeyName, BadVerifierKey, NoteUnreadable, NoteUnsigned
from projector.tlog import note
from projector.tlog.checkpoint import Checkpoint, open_checkpoint, sign
from projector.tlog.keys import SigningKey, VerifierKey

# The example of Go's golang.org/x/mod/sumdb/note.
_GO_KEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
_GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
_GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
_GO_NOTE = (
    f"{_GO_TEXT}\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

# The example of C2SP signed-note.
_C2SP_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
_C2SP_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

_KEY = SigningKey.create("shop.example/projector", bytes(32))
_OTHER = SigningKey.create("shop.example/projector", b"\1" * 32)
_HEAD = Checkpoint(origin=_KEY.name, size=7, root=b"\2" * 32)
_SIGNED = sign(_HEAD, _KEY).note


def _open(text: str | bytes, *keys: VerifierKey) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return note.open_note(raw, keys or [_KEY.verifier], what="it").text


def test_a_key_of_another_program_makes_the_same_bytes() -> None:
    key = SigningKey.parse(_GO_KEY)
    assert str(key.verifier) == _GO_VKEY
    assert key.as_text() == _GO_KEY
    assert note.sign(_GO_TEXT, key) == _GO_NOTE


@pytest.mark.parametrize(
    ("vkey", "signed"), [(_GO_VKEY, _GO_NOTE), (_C2SP_VKEY, _C2SP_NOTE)], ids=["Go", "C2SP"]
)
def test_a_note_of_another_program_is_opened(vkey: str, signed: str) -> None:
    key = VerifierKey.parse(vkey)
    assert str(key) == vkey
    assert _open(signed, key) == signed.partition("\n\n")[0] + "\n"


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    lines = _SIGNED.split("\n")
    assert lines[:4] == [_KEY.name, "7", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=", ""]
    assert open_checkpoint(_SIGNED.encode(), [_KEY.verifier], what="it") == _HEAD


def test_any_changed_byte_is_noticed() -> None:
    raw = _SIGNED.encode()
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises((NoteUnreadable, NoteUnsigned)):
            _open(changed)


def test_a_note_that_is_cut_off_is_refused_at_any_byte() -> None:
    for end in range(len(_SIGNED.encode())):
        with pytest.raises((NoteUnreadable, NoteUnsigned)):
            _open(_SIGNED.encode()[:end])


def test_a_foreign_key_opens_nothing() -> None:
    with pytest.raises(NoteUnsigned, match=r"by other keys, of shop\.example/projector"):
        _open(_SIGNED, _OTHER.verifier, VerifierKey.parse(_GO_VKEY))


def test_signatures_of_unknown_keys_do_no_harm() -> None:
    """Such as those of witnesses; a wrong one of a known key spoils the whole note."""
    both = _SIGNED + note.sign(_HEAD.text, _OTHER).partition("\n\n")[2]
    for key in (_KEY, _OTHER):
        assert _open(both, key.verifier) == _HEAD.text
    wrong = note.sign("another\n", _OTHER).partition("\n\n")[2]
    assert _open(_SIGNED + wrong) == _HEAD.text
    with pytest.raises(NoteUnsigned, match=r"the signature of shop\.example/projector is wrong"):
        _open(_SIGNED + wrong, _KEY.verifier, _OTHER.verifier)


def test_a_log_is_not_spoken_for_by_the_key_of_another_one() -> None:
    forged = note.sign(_HEAD.text, SigningKey.create("other.example/log", bytes(32)))
    keys = [_KEY.verifier, VerifierKey(name="other.example/log", public=_KEY.verifier.public)]
    with pytest.raises(NoteUnsigned, match=r"it is the log shop\.example/projector's"):
        open_checkpoint(forged.encode(), keys, what="it")


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n",
        "a\n01\n" + "A" * 43 + "=\n",
        "a\n-1\n" + "A" * 43 + "=\n",
        "a\n9223372036854775808\n" + "A" * 43 + "=\n",
        "a\n1\n" + "A" * 40 + "\n",
        "a\n1\n" + "A" * 42 + "B=\n",
        "a\n1\n" + "A" * 43 + "=\n\nextension\n",
    ],
    ids=["no root", "a zero", "a sign", "too great", "short", "not canonical", "an empty line"],
)
def test_what_is_signed_and_no_checkpoint_is_refused(text: str) -> None:
    key = SigningKey.create("a", bytes(32))
    with pytest.raises(NoteUnreadable):
        open_checkpoint(note.sign(text, key).encode(), [key.verifier], what="it")


def test_extension_lines_are_passed_by() -> None:
    signed = note.sign(_HEAD.text + "extension\n", _KEY)
    assert open_checkpoint(signed.encode(), [_KEY.verifier], what="it") == _HEAD


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\xff" + _SIGNED.encode(),
        _SIGNED.replace("\n7", "\n\t7").encode(),
        _SIGNED.encode() + b"more",
        _SIGNED.encode() + b"more\n",
        _SIGNED.encode() + "— name AAAA\n".encode(),
        _SIGNED.encode() * 6_000,
        _SIGNED.encode() + "— name AAAAAAAAAAAA\n".encode() * 100,
    ],
    ids=["empty", "encoding", "tab", "no end", "no signature", "short", "long", "many"],
)
def test_what_is_no_note_is_refused(broken: bytes) -> None:
    with pytest.raises(NoteUnreadable):
        _open(broken)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u3000b", "a\x7f", "a" * 201])
def test_a_name_that_would_break_a_note_is_refused(name: str) -> None:
    with pytest.raises(BadKeyName):
        SigningKey.create(name, bytes(32))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        _GO_KEY,
        _GO_VKEY[:-1],
        _GO_VKEY.replace("c74f20a3", "c74f20a4"),
        _GO_VKEY.replace("PeterNeumann", "PeterNeuman"),
        _GO_VKEY.replace("+ARpc", "+AhpcA"),
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(BadVerifierKey):
        VerifierKey.parse(text)


def test_a_key_does_not_show_its_secret() -> None:
    key = SigningKey.parse(_GO_KEY)
    assert "seed" not in repr(key)
    with pytest.raises(ValueError, match="its id is not that of the key") as raised:
        SigningKey.parse(_GO_KEY.replace("c74f20a3", "c74f20a4"))
    assert "AYEKFALVFGyN" not in str(raised.value)
