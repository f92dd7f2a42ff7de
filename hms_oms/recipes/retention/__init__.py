"""What a recipe says of retention: how long what is kept, and which fields hold personal data."""
