"""Explanations: `steps` (events and their effects), `verdict` (holds or not), `explain` (query)."""
