"""The page of the detectors, `/detectors`."""
