"""Runs and what belongs to them: leases, chunks, fences, provenance, names of batches."""
