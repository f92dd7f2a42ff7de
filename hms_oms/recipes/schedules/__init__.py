"""The `[[schedule]]` of a recipe."""
