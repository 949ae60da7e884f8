"""Studies, experiments and what is asked of them; the models that come out of them, and who approved those."""
