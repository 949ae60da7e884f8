"""The REST front over the same services as the pages and the command line."""
