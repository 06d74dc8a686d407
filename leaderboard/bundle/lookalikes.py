"""Names that readers take for another: method names by their skeleton, and words that mix scripts.

Method names have only lower-case letters, digits and ". _ -" (`entry.is_name`), so other scripts and turned
text cannot be in them; what is left are digits for letters and marks between them. After Unicode's technical
standard 39.
"""

import re
import unicodedata

_DIGITS = str.maketrans({"0": "o", "1": "l", "i": "l", "3": "e", "5": "s"})
_PAIRS = (("rn", "m"), ("vv", "w"))


def skeleton(name: str) -> str:
    """What is left of a method's name for the eye: two names with the same skeleton look alike."""
    plain = re.sub(r"[._-]", "", name).translate(_DIGITS)
    for pair, letter in _PAIRS:
        plain = plain.replace(pair, letter)
    return plain


def mixed_scripts(text: str) -> list[str]:
    """The scripts of the first word whose letters come from several, sorted; none if no word does so."""
    for word in re.findall(r"\w+", text):
        scripts = {unicodedata.name(c, "?").split()[0] for c in word if c.isalpha()}
        if len(scripts) > 1 and "LATIN" in scripts:
            return sorted(script.title() for script in scripts)
    return []
