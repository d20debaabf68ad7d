"""What the case list asks."""
