"""What incidents of single rules say, where that takes more than a line."""
