"""Requests and answers: who may ask, what is refused, what every answer carries."""
