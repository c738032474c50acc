"""Instants, JSON text, cursors: the ground that all else stands on. PURE."""
