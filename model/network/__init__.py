"""The network: its layers described, built, trained, kept on disk, and evaluated incrementally."""
