"""One file per revision; they import none of our code, because it changes and they do not."""
