"""Reports on paper: from an object of ours, as it is exported in JSON, to the bytes of a PDF; no file, no store."""
