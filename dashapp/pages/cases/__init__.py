"""The case list, `/`."""
