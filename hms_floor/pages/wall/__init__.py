"""The wall: the floor as a screen that is read from three metres, and the signs of its state."""
