"""The model side: data, network, attack, neighbors, defense. Knows arrays and no SQL."""
