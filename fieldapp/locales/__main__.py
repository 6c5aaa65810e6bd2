"""`python -m fieldapp.locales`: gather the program's words into the catalogues, and compile them.

    python -m fieldapp.locales          gather, keep what is translated, compile; says what is missing
    python -m fieldapp.locales --check  change nothing; exit code 1 where the catalogues are not what the source says

Needs babel, which only developers have. docs/CONTRIBUTING.md says how a language is added.
"""

from __future__ import annotations

import sys

from fieldapp.locales.catalogues import LANGUAGES, check, gather, missing, update


def main() -> int:
    if "--check" in sys.argv[1:]:
        found = check()
        for line in found:
            sys.stderr.write(line + "\n")
        return 1 if found else 0
    template = gather()
    for code in LANGUAGES:
        catalogue = update(code, template)
        words = missing(catalogue)
        sys.stdout.write(f"{code}: {len(template)} texts, {len(words)} not translated\n")
        for text in words:
            sys.stdout.write(f"  {text!r}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
