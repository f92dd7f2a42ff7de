"""Parts of pages: dialogs, toasts, charts, tables, live sections."""
