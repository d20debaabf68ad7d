"""The dashboard: pages over the stored cases. It reads rows and never imports JAX or the network."""
