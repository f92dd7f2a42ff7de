"""What recipes say of steps that wait."""
