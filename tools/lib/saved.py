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
	 .at = offsetof({c}, {field}), .sub = {sub}, .mixed = {mixed}}},
"""
TYPE = """const struct save_type save_{tag} = {{
	.name = "{message}",
	.desc = &cordon__{tag}__descriptor,
	.index = {tag}_index,
	.ntags = sizeof({tag}_index) / sizeof({tag}_index[0]),
{rest}}};

"""


def wire_of(f):
    return WIRES.get(f.kind, "MESSAGE")


def code_of(f):
    return CODES.get(f.kind, ("VARINT", 0))[0]


def row(c, f, m, mixed_at, structs):
    element = f"(({c} *)0)->{f.name}" + ("[0]" if m.array else "")
    sub, wire = "NULL", wire_of(f)
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
        field=f.name, key=key_of(f), code=code_of(f), member=member, wire=wire,
        c=c, sub=sub, repeated="true" if f.repeated else "false",
        count=f"(uint32_t)({count})", stride=f"(uint32_t){size}",
        mixed=mixed_at)


def mixed(message, every):
    """Is some of it, or of its members, made by hand?"""
    return any(f.made or (f.kind in every and mixed(f.kind, every))
               for f in every.get(message, ()))


def is_number(f):
    return not f.repeated and wire_of(f) not in ("BYTES", "STRING", "MESSAGE")


def putter(tag, rows, every):
    """The function that writes the table's members: runs of numbers."""
    out, run = "", []

    def flush():
        nonlocal out, run
        if run:
            out += (f"	if (!save_wire_room(w, {len(run)} * SAVE_NUMBER_BYTES))"
                    "\n\t\treturn false;\n\tp = w->p + w->n;\n")
            out += "".join(f"	SAVE_PUT({code_of(f).lower()}, {key_of(f)}, "
                           f"o->{f.name});\n" for f in run)
            out += "	w->n = (size_t)(p - w->p);\n"
        run = []

    for i, f in enumerate(rows):
        if is_number(f):
            run.append(f)
            continue
        if f.kind in every and mixed(f.kind, every):
            continue  # save_object() makes messages of these
        flush()
        out += (f"	if (!save_put_field(w, &{tag}_fields[{i}], &o->{f.name}))"
                "\n\t\treturn false;\n")
    numbers = any(map(is_number, rows))
    flush()
    return (f"static bool save_put_{tag}(struct save_buf *w, const void *obj)\n{{\n"
            f"	const struct {tag} *o = obj;\n"
            + ("	uint8_t *p;\n" if numbers else "")
            + "\n	(void)o;\n	(void)w;\n" + out
            + "	return true;\n}\n")


def getter(tag, rows):
    """The function that sets members from the wire: a case for each number."""
    cases = "".join(f"		SAVE_GET({code_of(f).lower()}, "
                    f"{'true' if wire_of(f) == 'I32' else 'false'}, "
                    f"{key_of(f)}, {f.name});\n"
                    for f in rows if is_number(f))
    return (f"static bool save_get_{tag}(struct save_get *g, const uint8_t *p,\n"
            f"	const uint8_t *end, void *obj)\n{{\n"
            f"	struct {tag} *o = obj;\n	struct save_number n;\n\n"
            f"	(void)o;\n	while (p < end) {{\n"
            f"		n = save_key(p, end);\n"
            f"		if (!n.behind)\n"
            f"			return save_get_cut(g);\n"
            f"		p = n.behind;\n"
            f"		switch (n.v) {{\n{cases}"
            f"		default:\n"
            f"			p = save_get_field(g, (uint32_t)n.v, p, end, obj);\n"
            f"			if (!p)\n"
            f"				return false;\n"
            f"		}}\n	}}\n	return true;\n}}\n")


def zeroer(tag, rows, members):
    out, loop = "", False
    for f in rows:
        if wire_of(f) != "MESSAGE":
            out += f"	SAVE_ZERO(o->{f.name});\n"
            continue
        sub = f"save_{snake(f.kind)}.zero"
        if members[f.name].array:
            loop = True
            out += (f"	for (i = 0; i < sizeof(o->{f.name}) / "
                    f"sizeof(o->{f.name}[0]); i++)\n"
                    f"		{sub}(&o->{f.name}[i]);\n")
        else:
            out += f"	{sub}(&o->{f.name});\n"
    return (f"static void save_zero_{tag}(void *obj)\n{{\n"
            f"	struct {tag} *o = obj;\n"
            + ("	size_t i;\n" if loop else "") + f"\n{out}}}\n")


def table(message, fields, structs, every):
    """Of a message; of its struct, if there is one."""
    tag = snake(message)
    by_name = {m.name: m for m in structs[tag][1]} if tag in structs else {}
    rows = [f for f in fields if not f.made and f.name in by_name]
    by_hand = [f for f in fields if f not in rows or
               (f.kind in every and mixed(f.kind, every))]
    index = [0] * (max((f.number for f in fields), default=0) + 1)
    for i, f in enumerate(by_hand):
        index[f.number] = f"SAVE_INDEX_MADE + {i}"
    for i, f in enumerate(rows):
        index[f.number] = i + 1
    c, rest = "", ""
    if rows:
        c += f"static const struct save_field {tag}_fields[] = {{\n" + "".join(
            row(f"struct {tag}", f, by_name[f.name],
                by_hand.index(f) + 1 if f in by_hand else 0, structs)
            for f in rows) + "};\n"
        c += putter(tag, rows, every) + getter(tag, rows)
        c += zeroer(tag, rows, by_name)
        rest += (f"	.fields = {tag}_fields,\n	.nfields = {len(rows)},\n"
                 f"	.put = save_put_{tag},\n	.get = save_get_{tag},\n	.zero = save_zero_{tag},\n")
    if by_hand:
        c += f"static const struct save_made {tag}_made[] = {{\n" + "".join(
            f"	{{{fields.index(f)}, "
            + (f"&save_{snake(f.kind)}" if f.kind in every else "NULL")
            + "},\n" for f in by_hand) + "};\n"
        rest += f"	.made = {tag}_made,\n	.nmade = {len(by_hand)},\n"
    c += (f"static const uint16_t {tag}_index[] = {{"
          + ", ".join(map(str, index)) + "};\n")
    return c + TYPE.format(tag=tag, message=message, rest=rest)


def tables(proto, folder):
    path = pathlib.Path(proto).resolve()
    mine = parse_proto(path)
    every = {}
    for p in protos():
        every.update(parse_proto(p))
    structs = find_structs({snake(m) for m in every})
    structs = {snake(m): structs[snake(m)] for m, f in every.items()
               if snake(m) in structs and not all(x.made for x in f)}
    stem = path.stem
    where = path.parent.relative_to(TOP)
    home = {}
    for p in protos():
        for m in parse_proto(p):
            home[m] = p.relative_to(TOP).with_suffix("")
    used = {home[f.kind] for fields in mine.values() for f in fields
            if f.kind in home}
    heads = sorted({str(structs[snake(m)][0].relative_to(TOP)) for m in mine
                    if snake(m) in structs})
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
    c += "".join(f'#include "{x}"\n'
                 for x in [*heads, "netstack/save/save_code.h"]) + "\n"
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
