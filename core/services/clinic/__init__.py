"""People followed here: their recordings, sessions, measures, marks and insights."""
