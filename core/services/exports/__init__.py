"""What leaves: tables, files in standard formats, reports and folders of runs, each with its audit row."""
