"""What each projection makes of a customer's events."""
