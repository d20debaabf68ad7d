"""What the page of one case asks."""
