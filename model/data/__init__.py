"""Data sets as arrays of images and labels, and image files of people."""
