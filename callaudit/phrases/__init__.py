"""Finding what was said: text, phonetics, phrasebooks and their matcher.

`phrasebook.load_phrasebooks` reads 话术库, `matcher.Matcher` finds their phrases in utterances.
"""
