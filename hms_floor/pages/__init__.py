"""The operations floor: the pages, built with NiceGUI on the API's application."""
