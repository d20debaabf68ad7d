"""What a page works out from stored rows: votes, pairs, curve points, twins; pure."""
