"""The operations floor: the pages, built with NiceGUI on the door's application."""
