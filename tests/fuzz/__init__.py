"""Fuzzing: whatever bytes come in at any door, what is promised holds. See docs/fuzzing.md."""
