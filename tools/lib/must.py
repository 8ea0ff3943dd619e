# SPDX-License-Identifier: Apache-2.0
"""RFC 9293's MUSTs: requirement, code, test.

docs/rfc9293.must names for each the function that does it and the test that
shows it. Every name is looked up; docs/RFC9293.md is the table made of them.

  must.py           checks names, and that the table is current
  must.py --write   writes the table
"""

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SOURCE = "docs/rfc9293.must"
TABLE = "docs/RFC9293.md"
NUMBERS = range(1, 70)


def text_of(path):
    try:
        with open(os.path.join(TOP, path)) as f:
            return f.read()
    except OSError:
        return None


def rows():
    for n, line in enumerate(text_of(SOURCE).splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        fields = [x.strip() for x in line.split("|")]
        if len(fields) != 5:
            raise SystemExit(f"{SOURCE}:{n}: not five fields")
        yield fields


def code_fault(where):
    path, _, name = where.partition(":")
    for top in "netstack", "sentry":
        text = text_of(f"{top}/{path}")
        if text is not None:
            if re.search(rf"^[a-z].*\b{name}\(", text, re.M):
                return None
            return f"no function {name} in {top}/{path}"
    return f"no file {path}"


def test_fault(where):
    kind, _, rest = where.partition(":")
    if kind == "reason":
        return None if rest else "no reason"
    if kind == "pkt":
        ok = text_of(f"tests/pkt/scripts/{rest}") is not None
        return None if ok else f"no script {rest}"
    if kind == "guest":
        ok = text_of(f"tests/guest/{rest}.c") is not None
        return None if ok else f"no guest program {rest}"
    path, _, name = rest.partition(":")
    text = text_of(f"tests/unit/{path}") if kind == "unit" else None
    if text is None:
        return f"no test file {where}"
    ok = re.search(rf"^Test\(\w+, {name}\b", text, re.M)
    return None if ok else f"no test {name} in {path}"


def table():
    out = ["# RFC 9293: every MUST, its code and its test", "",
           f"Made by `tools/lib/must.py --write` from {SOURCE}; the lint "
           "checks that the", "functions and tests exist.", "",
           "| MUST | section | what | code | test |", "|---|---|---|---|---|"]
    for n, section, what, code, test in rows():
        kind, _, rest = test.partition(":")
        shown = f"not met: {rest}" if kind == "reason" else f"`{test}`"
        code = "-" if code == "-" else f"`{code}`"
        out.append(f"| {n} | {section} | {what} | {code} | {shown} |")
    return "\n".join(out) + "\n"


def faults():
    seen = set()
    for n, _, _, code, test in rows():
        seen.add(int(n))
        wrong = None if code == "-" else code_fault(code)
        for fault in wrong, test_fault(test):
            if fault:
                yield f"MUST-{n}: {fault}"
    for n in NUMBERS:
        if n not in seen:
            yield f"MUST-{n}: missing"
    if text_of(TABLE) != table():
        yield f"{TABLE} is not current: run tools/lib/must.py --write"


def main():
    if sys.argv[1:] == ["--write"]:
        with open(os.path.join(TOP, TABLE), "w") as f:
            f.write(table())
    wrong = list(faults())
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
