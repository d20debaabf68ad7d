"""Convert rows to figures, small pictures and parts of a page; pure."""
