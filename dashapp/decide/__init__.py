"""What the pages compute from stored rows: votes, pairs, curve points, twins; pure."""
