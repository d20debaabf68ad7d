"""Whether a database is sound: its rows, its references, its schema."""
