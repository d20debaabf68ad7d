"""The model side: data, network, attack, neighbours, defence. Knows arrays and no SQL."""
