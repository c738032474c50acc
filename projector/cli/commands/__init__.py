"""The commands: each one opens the database, calls the library, and prints the result."""
