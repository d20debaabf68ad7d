"""Read queries of the networks' page: a row for each network and data set, and how attacks transfer."""
