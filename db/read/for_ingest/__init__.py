"""What the stages of an ingest and a check ask."""
