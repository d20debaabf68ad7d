"""Read queries of the case list."""
