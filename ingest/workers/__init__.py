"""Who does the work of a stage: this process, or others with it."""
