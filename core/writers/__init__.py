"""Writers of standard formats: a recording as EDF+, a study as BIDS. What they write, our readers take back."""
