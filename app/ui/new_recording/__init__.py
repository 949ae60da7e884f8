"""The four steps of the page New recording: files, map, check, run."""
