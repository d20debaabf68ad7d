"""The crews that do the work of a stage: this process, alone or with others."""
