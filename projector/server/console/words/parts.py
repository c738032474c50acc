"""Sentences in parts, some of them emphasized, and the names in them. PURE."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class Part:
    """A piece of a sentence."""

    text: str
    is_strong: bool = False


@frozen
class Sentence:
    """A sentence, or several: a template shows the parts, and `str` is the plain text."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return "".join(each.text for each in self.parts)


def strong(text: str) -> Part:
    """Return an emphasized piece."""
    return Part(text, is_strong=True)


def sentence(*pieces: str | Part) -> Sentence:
    """Join pieces to a sentence."""
    return Sentence(tuple(each if isinstance(each, Part) else Part(each) for each in pieces))


def capital(text: str) -> str:
    """Return a text with which a sentence can begin."""
    return text[:1].upper() + text[1:]


@frozen(kw_only=True)
class Person:
    """A customer's name, as sentences have it. Names are never declined or replaced by pronouns."""

    #: In full, such as `Mara Lindqvist`, and short, such as `Mara`.
    full: str
    short: str

    @property
    def heading(self) -> str:
        """The name as a heading."""
        return capital(self.full)


def person(name: str | None, source_id: str | None, customer_id: str) -> Person:
    """Return how to call a customer: by the name, or else by the number."""
    words = (name or "").split()
    if not words:
        number = f"customer {source_id or customer_id}"
        return Person(full=number, short=number)
    # A title, such as `Dr.`, or an initial is no name by itself.
    is_name = len(words[0]) > 2 and not words[0].endswith(".")
    full = " ".join(words)
    return Person(full=full, short=words[0] if is_name else full)


@frozen(kw_only=True)
class Names:
    """The known names of groups, for events that do not have them."""

    #: By campaign and tier id.
    tiers: Mapping[tuple[str, str], str | None]
    campaigns: Mapping[str, str | None]
    segments: Mapping[str, str | None]

    def tier(self, campaign_id: str | None, tier_id: str | None, told: str | None = None) -> str:
        """Return the name of a tier: as it was told, or as it is known, or the id."""
        known = self.tiers.get((campaign_id or "", tier_id or ""))
        return told or known or tier_id or "an unknown tier"

    def campaign(self, campaign_id: str | None, told: str | None = None) -> str | None:
        """Return the name of a campaign, or None."""
        return told or self.campaigns.get(campaign_id or "")

    def segment(self, segment_id: str | None, told: str | None = None) -> str:
        """Return the name of a segment in quotation marks, or the id."""
        return f"“{told or self.segments.get(segment_id or '') or segment_id or ''}”"
