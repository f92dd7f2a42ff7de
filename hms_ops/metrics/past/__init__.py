"""The past of metrics beyond their minutes: by the hour, and by the steps of a chart."""
