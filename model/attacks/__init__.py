"""Attacks on a network by changed pixels."""
