"""What API, pages and command line present alike: documents, explanations, headlines, spreadsheets."""
