"""Read queries of the detectors' page and of the report."""
