"""Parts that clients and the API share: HTTP transport, endpoints, documents, errors and event streams."""
