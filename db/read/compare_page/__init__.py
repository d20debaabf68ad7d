"""Read queries of the page with two networks side by side on the same images."""
