"""Image files from outside, read as people see them, so that none can do harm."""
