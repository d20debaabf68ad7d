"""One file a revision; they import none of our code, as that changes and they do not."""
