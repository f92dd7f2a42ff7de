"""Routes of cycles and their files."""
