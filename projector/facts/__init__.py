"""The vocabulary: `events` (a class per fact) and `codec` (event to fact). PURE."""
