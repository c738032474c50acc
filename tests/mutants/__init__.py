"""Breaks the pure core on purpose, again and again, and asks whether a test notices."""
