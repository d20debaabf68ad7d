"""The model side: data, network, attack, neighbors, defense. It works on arrays, without SQL."""
