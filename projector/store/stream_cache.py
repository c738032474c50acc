"""Caches the streams of a writer of many batches: it need not look up what it has just written."""

from __future__ import annotations

from projector.store.append_plan import AppendPlan, CustomerIdentity, Head, Stream
from projector.store.erasure.suppression import NOTHING
from projector.store.feed_senders import KnownSenders

#: The number of streams that a cache holds at the most; about 10 MB.
CACHED_STREAMS_MAX = 20_000


class StreamCache:
    """A cache of streams as of the log's head `head`; invalid once another writer moves the head.

    One thread at a time may use it.
    """

    def __init__(self) -> None:
        self.head = Head(-1, -1, 0)
        self.streams: dict[CustomerIdentity, Stream] = {}
        #: Whether the last batch had new events only, so that the next one probably has, too.
        self.is_plain = True
        #: What is suppressed, as of the last erasure that this writer has seen.
        self.suppression = NOTHING
        #: The senders that are counted by their ids; whoever moves the head.
        self.senders = KnownSenders()

    def as_of(self, head: Head) -> dict[CustomerIdentity, Stream]:
        """Return the cached streams for a head; clear them first if the cache is of another one."""
        if head != self.head:
            self.streams.clear()
            self.head = head
        return self.streams

    def follow(self, plan: AppendPlan) -> None:
        """Take over the changes of a batch that has been committed."""
        if len(self.streams) > CACHED_STREAMS_MAX:
            self.streams.clear()
        self.streams.update(plan.new_streams)
        self.streams.update(plan.advanced_streams)
        self.head = plan.after
        self.is_plain = len(plan.events) == len(plan.receipts)
