"""Recipes: what a job type is made of, and payloads held against its schema."""
