"""Read queries of the page of one case."""
