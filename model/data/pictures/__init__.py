"""Image files from outside, read as viewers show them, and safely."""
