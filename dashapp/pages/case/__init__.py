"""The page of one case, `/case/<id>`."""
