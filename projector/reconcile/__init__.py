"""Compares what the source says of customers with our state, and files what it says.

`observation` builds the events that hold what was read.
"""
