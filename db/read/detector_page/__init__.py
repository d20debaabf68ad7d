"""What the detectors' page and the report ask."""
