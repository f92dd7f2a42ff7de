"""Presentation shared by API, pages and command line: documents, explanations, headlines, spreadsheets."""
