"""The commands that need only a database, and the parser of all commands."""
