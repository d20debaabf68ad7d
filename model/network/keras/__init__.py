"""Networks from Keras files; `file.read` begins."""
