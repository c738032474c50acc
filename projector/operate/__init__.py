"""People at work: the `quarantine`, `dead_letters`, and `tokens` for the network."""
