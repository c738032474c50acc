"""Erases customers from the database, and keeps what was erased from coming back."""
