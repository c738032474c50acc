"""Looks for the strings of erased customers in the files of databases."""
