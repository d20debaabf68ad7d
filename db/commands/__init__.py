"""The commands that need a database alone, and what every command is parsed with."""
