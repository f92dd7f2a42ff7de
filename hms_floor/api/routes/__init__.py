"""What may be asked at the API, one module for each noun."""
