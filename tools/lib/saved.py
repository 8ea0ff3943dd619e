#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What of a struct is in an image: headers, schemas and the tables of both.

A message in a .proto file whose name in snake case is a struct's tag describes
that struct. Each member of the struct is marked in its header:

    S  saved: the message has a field of this name
    R  rebuilt when loading
    D  dropped: not needed, or noticed by nobody

by a comment that begins with the letter, on the member's line; or, for all
members up to the next blank line, by a comment of its own that ends with it; or,
for the whole struct, by the comment in front of it that ends with it. A field
that stands for no member, or for a pointer, says "// made": NAME_save.c writes
and reads it.

    saved.py tables X.proto DIR   writes DIR/X.fields.c and .h
    saved.py check                all of the tree; what is wrong, a line each
"""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDERS = ("netstack", "sentry")
WIRES = {"bool": "BOOL", "uint32": "U32", "fixed32": "U32", "uint64": "U64",
         "fixed64": "U64", "int32": "I32", "sint32": "I32", "sfixed32": "I32",
         "int64": "I64", "sint64": "I64", "sfixed64": "I64",
         "bytes": "BYTES", "string": "STRING"}
NO_SUCH = re.compile(r"deadline|timer|expir|_due$|^due")


def snake(name):
    """As protoc-c does it."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Field:
    def __init__(self, kind, name, number, repeated, made):
        self.kind, self.name, self.number = kind, name, number
        self.repeated, self.made = repeated, made


def parse_proto(path):
    """{message: [Field]} in order of the numbers."""
    out, at = {}, None
    for line in path.read_text().splitlines():
        code, _, comment = line.partition("//")
        m = re.match(r"\s*message\s+(\w+)\s*{", code)
        if m:
            at = out.setdefault(m[1], [])
        for m in re.finditer(
                r"(repeated\s+)?([\w.]+)\s+(\w+)\s*=\s*(\d+)\s*;", code):
            if at is None or m[2] == "reserved":
                continue
            at.append(Field(m[2].split(".")[-1], m[3], int(m[4]), bool(m[1]),
                            bool(re.match(r"\s*made\b", comment))))
    return {k: sorted(v, key=lambda f: f.number) for k, v in out.items()}


class Member:
    def __init__(self, kind, name, pointer, array, mark, line):
        self.kind, self.name, self.pointer = kind, name, pointer
        self.array, self.mark, self.line = array, mark, line


LEADING = re.compile(r"^/\*\s*([SRD])(?![\w'-])")
TRAILING = re.compile(r"(?:^/\*|[\s.:])\s*([SRD])\.?\s*\*/$")


def declarators(text):
    """(type, name, pointer, array) of each in "T a, *b, c[N]"."""
    fn = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", text)
    if fn:
        return [("function", fn[1], True, False)]
    m = re.match(r"((?:(?:const|struct|enum|union|volatile|unsigned|long|"
                 r"_Atomic)\s+)*"
                 r"(?:\w+(?:\([^)]*\))?))(?!\w)\s*([\w*].*)$", text, re.S)
    out = []
    for d in m[2].split(","):
        n = re.match(r"\s*(\**)\s*(\w+)\s*((?:\[[^\]]*\])*)\s*(:\s*\d+)?\s*$",
                     d)
        if not n:
            raise ValueError(f"cannot read the member: {text!r}")
        out.append((m[1], n[2], bool(n[1]), bool(n[3])))
    return out


def tokens(body):
    """('comment'|'code'|'newline', text) of a struct's body."""
    for m in re.finditer(r"/\*.*?\*/|\n|[^\n/]+|/", body, re.S):
        t = m[0]
        if t.startswith("/*"):
            yield "comment", t
        elif t == "\n":
            yield "newline", t
        elif t.strip():
            yield "code", t


def parse_struct(body, whole, line):
    """Members of a struct's body; whole: the mark in front of it."""
    members, section, code = [], None, ""
    fresh, blank, depth = True, 0, 0
    last = []  # members that a comment on their line may mark
    for kind, text in tokens(body):
        if kind == "newline":
            line += 1
            blank += 1
            if blank > 1:
                section = None
            if not code.strip():
                fresh = True
            continue
        blank = 0
        if kind == "comment":
            m = LEADING.match(text)
            if not fresh and not code.strip() and last:
                for x in last:
                    x.mark = m[1] if m else x.mark
            elif fresh and depth == 0 and not code.strip():
                m = TRAILING.search(text)
                section = m[1] if m else section
            line += text.count("\n")
            continue
        fresh = False
        for ch in text:
            depth += (ch == "{") - (ch == "}")
            if ch != ";" or depth:
                code += ch
                continue
            if "{" in code:
                name = code[code.rindex("}") + 1:].strip()
                found = [("anonymous", name.split("[")[0], False, "[" in name)]
            else:
                found = declarators(code.strip())
            last = [Member(k, n, p, a, section or whole, line)
                    for k, n, p, a in found]
            members += last
            code = ""
    return members


def find_structs(wanted):
    """{tag: (path, members)} of the structs that messages describe."""
    out = {}
    for folder in FOLDERS:
        for path in sorted((TOP / folder).rglob("*.[ch]")):
            text = path.read_text()
            for m in re.finditer(r"^struct (\w+) \{[^\n]*\n(.*?)^\};", text,
                                 re.M | re.S):
                if m[1] not in wanted:
                    continue
                before = text[:m.start()].rstrip()
                whole = None
                if before.endswith("*/"):
                    w = TRAILING.search(before[before.rindex("/*"):])
                    whole = w[1] if w else None
                line = text.count("\n", 0, m.start()) + 2
                try:
                    members = parse_struct(m[2], whole, line)
                except ValueError as e:
                    raise SystemExit(f"{path}: struct {m[1]}: {e}")
                if m[1] in out:
                    raise SystemExit(f"{path}: struct {m[1]} is also in "
                                     f"{out[m[1]][0]}")
                out[m[1]] = (path, members)
    return out


def protos():
    return [p for f in FOLDERS for p in sorted((TOP / f).rglob("*.proto"))]


def check_message(path, message, fields, found):
    where, members = found
    by_name = {f.name: f for f in fields}
    for m in members:
        at = f"{where.relative_to(TOP)}:{m.line}: {m.name}"
        f = by_name.get(m.name)
        if m.mark not in ("S", "R", "D"):
            yield f"{at}: is not marked saved, rebuilt or dropped"
        elif m.mark == "S" and not f:
            yield f"{at}: is saved, but {message} has no such field"
        elif m.mark != "S" and f and not f.made:
            yield f"{at}: is marked {m.mark}, but {message} has it"
        elif m.mark == "S" and f and m.pointer and not f.made:
            yield f"{at}: is a pointer: its field is made by hand"
    names = {m.name for m in members}
    for f in fields:
        if not f.made and f.name not in names:
            yield (f"{path.relative_to(TOP)}: {message}.{f.name}: struct "
                   f"{snake(message)} has no such member; made?")


def check():
    """schemas and marks agree; no timer is saved"""
    wrong, all_messages = [], {}
    for path in protos():
        for message, fields in parse_proto(path).items():
            all_messages[message] = (path, fields)
            wrong += [f"{path.relative_to(TOP)}: {message}.{f.name}: no timer "
                      "and no deadline is saved" for f in fields
                      if NO_SUCH.search(f.name)]
    structs = find_structs({snake(m) for m in all_messages})
    for message, (path, fields) in all_messages.items():
        if snake(message) in structs:
            wrong += check_message(path, message, fields,
                                   structs[snake(message)])
        elif not all(f.made for f in fields):
            wrong.append(f"{path.relative_to(TOP)}: {message}: there is no "
                         f"struct {snake(message)}, nor is all of it made")
    return wrong


CODES = {"sint32": ("ZIGZAG", 0), "sint64": ("ZIGZAG", 0),
         "fixed32": ("FIXED32", 5), "sfixed32": ("FIXED32", 5),
         "fixed64": ("FIXED64", 1), "sfixed64": ("FIXED64", 1),
         "bytes": ("VARINT", 2), "string": ("VARINT", 2)}


def key_of(f):
    """Tag and wire type, as they are on the wire."""
    wire = 2 if f.repeated or f.kind not in WIRES else \
        CODES.get(f.kind, ("VARINT", 0))[1]
    return f.number << 3 | wire


ROW = """	{{.name = "{field}", .key = {key}, .code = SAVE_E_{code},
	 .member = {member},
	 .wire = SAVE_M_{wire}, .repeated = {repeated},
	 .count = {count}, .stride = {stride},
	 .at = offsetof({c}, {field}),
	 .field = offsetof({pb}, {field}),
	 .n_field = {n_field}, .sub = {sub}}},
"""


def row(c, pb, f, m, structs):
    element = f"(({c} *)0)->{f.name}" + ("[0]" if m.array else "")
    sub, wire = "NULL", WIRES.get(f.kind, "MESSAGE")
    member = f"SAVE_MEMBER({c}, {f.name}" + ("[0])" if m.array else ")")
    if wire == "MESSAGE":
        if snake(f.kind) not in structs:
            raise SystemExit(f"{f.kind} {f.name}: no struct of that name")
        sub, member = f"&save_{snake(f.kind)}", "SAVE_C_STRUCT"
    size = f"sizeof({element})"
    count = "1"
    if m.array or wire == "BYTES":
        count = (f"sizeof((({c} *)0)->{f.name}) / {size}" if m.array
                 else f"sizeof({element})")
    return ROW.format(
        field=f.name, key=key_of(f),
        code=CODES.get(f.kind, ("VARINT", 0))[0], member=member, wire=wire, c=c, pb=pb, sub=sub,
        repeated="true" if f.repeated else "false", count=f"(uint32_t)({count})",
        stride=f"(uint32_t){size}",
        n_field=f"offsetof({pb}, n_{f.name})" if f.repeated else "0")


def mixed(message, every):
    """Is some of it, or of its members, made by hand?"""
    return any(f.made or (f.kind in every and mixed(f.kind, every))
               for f in every.get(message, ()))


def table(message, fields, structs, every):
    tag = snake(message)
    _, members = structs[tag]
    by_name = {m.name: m for m in members}
    pb = "Cordon__" + message
    rows = [row(f"struct {tag}", pb, f, by_name[f.name], structs)
            for f in fields if not f.made and f.name in by_name]
    made = [f"	{{{key_of(f)}, &save_{snake(f.kind)}}},\n" for f in fields
            if f.made and f.kind in every and snake(f.kind) in structs
            and not all(x.made for x in every[f.kind])]
    return (f"static const struct save_field {tag}_fields[] = {{\n"
            + "".join(rows) + "};\n"
            + (f"static const struct save_made {tag}_made[] = {{\n"
               + "".join(made) + "};\n" if made else "") +
            f"const struct save_type save_{tag} = {{\n\t.name = \"{message}\","
            f"\n\t.desc = &cordon__{tag}__descriptor,\n\t.fields = {tag}_fields,"
            f"\n\t.nfields = sizeof({tag}_fields) / sizeof({tag}_fields[0]),\n"
            + (f"\t.made = {tag}_made,\n\t.nmade = {len(made)},\n"
               if made else "")
            + ("\t.mixed = true,\n" if mixed(message, every) else "")
            + "};\n\n")


def tables(proto, folder):
    path = pathlib.Path(proto).resolve()
    mine = parse_proto(path)
    every = {}
    for p in protos():
        every.update(parse_proto(p))
    structs = find_structs({snake(m) for m in every})
    mine = {m: f for m, f in mine.items()
            if snake(m) in structs and not all(x.made for x in f)}
    stem = path.stem
    where = path.parent.relative_to(TOP)
    home = {}
    for p in protos():
        for m in parse_proto(p):
            home[m] = p.relative_to(TOP).with_suffix("")
    used = {home[f.kind] for fields in mine.values() for f in fields
            if f.kind in home}
    heads = sorted({str(structs[snake(m)][0].relative_to(TOP)) for m in mine})
    c = "/* Made by tools/lib/saved.py of " + f"{where}/{stem}.proto. */\n"
    h = c + f"#ifndef SAVED_{stem.upper()}_FIELDS_H\n"
    h += f"#define SAVED_{stem.upper()}_FIELDS_H\n\n"
    h += '#include "netstack/save/save.h"\n'
    h += f'#include "{where}/{stem}.pb-c.h"\n\n'
    for m in mine:
        h += f"extern const struct save_type save_{snake(m)};\n"
    h += "\n#endif\n"
    c += f'#include "{where}/{stem}.fields.h"\n'
    c += "".join(f'#include "{u}.fields.h"\n' for u in sorted(map(str, used))
                 if u != f"{where}/{stem}")
    c += "".join(f'#include "{x}"\n' for x in heads) + "\n"
    for m, fields in mine.items():
        c += table(m, fields, structs, every)
    out = pathlib.Path(folder)
    (out / f"{stem}.fields.h").write_text(h)
    (out / f"{stem}.fields.c").write_text(c)
    used_files = [*heads, "tools/lib/saved.py"]
    (out / f"{stem}.fields.d").write_text(
        f"{out / stem}.fields.c: " + " ".join(str(TOP / x)
                                              for x in used_files) + "\n")


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "tables":
        tables(sys.argv[2], sys.argv[3])
        return 0
    if sys.argv[1:] == ["check"]:
        wrong = check()
        print("\n".join(wrong))
        return 1 if wrong else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
