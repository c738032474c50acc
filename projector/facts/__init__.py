"""The vocabulary of facts. PURE.

`events` has a class per fact, `registry` the facts by event type, `codec` decodes events to facts.
"""
