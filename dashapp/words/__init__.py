"""Plain sentences for what the pages show."""
