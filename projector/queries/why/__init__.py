"""Explanations: `steps` (events, effects), `verdict`, `explanations` (results), `explain`."""
