"""Undo: changes that can be taken back for a while."""
