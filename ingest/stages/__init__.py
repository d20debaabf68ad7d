"""The stages of an ingest, one file each."""
