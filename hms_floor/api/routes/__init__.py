"""What may be asked at the door, one module for each noun."""
