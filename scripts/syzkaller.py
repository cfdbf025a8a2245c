#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""syzkaller.py ARCH DESCRIPTIONS HEADER...

Check descriptions for syzkaller, as far as that can be done without syzkaller:
statements are well-formed, what they name is there, and nothing is defined for
nobody. Every ioctl of the HEADERs is described, or named as left out. Then write
a C file that compiles for ARCH if and only if constants, and sizes and fields of
structs, are those of the C headers.

A struct is compared with the one in C that has its name, or the one that a
comment in the line before it names: "# struct NAME".
"""

import re
import sys

INTS = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "intptr": 8}
DIRECTIONS = {"in", "out", "inout"}
ATTRIBUTES = DIRECTIONS | {"ignore_return"}
ARCHES = {"amd64", "arm64"}
# What syzkaller's own descriptions define, or another one of ours, with its C type.
# All of it is made there as well.
IMPORTED = {"fd": "int32", "fd_dir": "fd", "fd_kvmvm": "fd", "fd_rmfd": "fd"}

problems = []
where = ""


def problem(text):
    problems.append(f"{where}: {text}")


class Type:
    """A name and its options, as in ptr[in, rmfd_load]."""

    def __init__(self, name, args=()):
        self.name = name
        self.args = list(args)

    def __str__(self):
        options = ", ".join(str(arg) for arg in self.args)
        return f"{self.name}[{options}]" if self.args else self.name


TOKEN = re.compile(r'\s*("[^"]*"|-?0x[0-9a-f]+|-?[0-9]+|[A-Za-z_$][A-Za-z0-9_$]*|[\[\],:()])')


class Line:
    """The tokens of a line, one after the other."""

    def __init__(self, text):
        self.tokens = []
        at = 0
        while text[at:].strip():
            match = TOKEN.match(text, at)
            if not match:
                raise SyntaxError(f"cannot read {text[at:].strip()!r}")
            self.tokens.append(match.group(1))
            at = match.end()

    def peek(self):
        return self.tokens[0] if self.tokens else ""

    def take(self, expected=None):
        token = self.peek()
        if not token or (expected and token != expected):
            raise SyntaxError(f"expected {expected or 'more'}, found {token or 'the end'!r}")
        return self.tokens.pop(0)

    def name(self):
        token = self.take()
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", token):
            raise SyntaxError(f"{token!r} is no name")
        return token

    def type(self):
        """A type, a value, or a range of values."""
        name = self.take()
        args = []
        if self.peek() == "[":
            self.take()
            args.append(self.type())
            while self.peek() == ",":
                self.take()
                args.append(self.type())
            self.take("]")
        elif self.peek() == ":":
            self.take()
            name += ":" + self.take()
        return Type(name, args)

    def attributes(self):
        if self.peek() != "(":
            return []
        self.take()
        found = [self.name()]
        while self.peek() == ",":
            self.take()
            found.append(self.name())
        self.take(")")
        for attribute in found:
            if attribute not in ATTRIBUTES:
                problem(f"there is no attribute {attribute}")
        return found

    def end(self):
        if self.tokens:
            raise SyntaxError(f"what is {' '.join(self.tokens)!r}?")


class Field:
    def __init__(self, line):
        self.name = line.name()
        self.type = line.type()


class Call:
    def __init__(self, name, line):
        self.name = name
        self.args = []
        line.take("(")
        while line.peek() != ")":
            self.args.append(Field(line))
            if line.peek() != ")":
                line.take(",")
        line.take(")")
        self.result = line.type() if line.peek() not in ("", "(") else None
        line.attributes()
        line.end()


class Descriptions:
    def __init__(self, path):
        self.includes, self.defines, self.left_out = [], {}, set()
        self.resources, self.templates, self.flags = {}, {}, {}
        self.structs, self.c_names, self.calls = {}, {}, []
        self.constants, self.used = set(), set()
        self.produced, self.consumed = set(), set()
        self.struct = None
        self.comment = ""
        self.read(path)

    # Reading

    def read(self, path):
        global where
        with open(path, encoding="utf-8") as lines:
            for number, text in enumerate(lines, 1):
                where = f"{path}:{number}"
                try:
                    self.statement(text.rstrip("\n"))
                except SyntaxError as error:
                    problem(error.msg)
        if self.struct:
            problem("a struct does not end")
        where = path

    def define(self, table, name, value):
        for other in (self.resources, self.templates, self.flags, self.structs):
            if name in other:
                problem(f"{name} is defined twice")
        table[name] = value

    def statement(self, text):
        comment, self.comment = self.comment, ""
        if text.startswith("#"):
            self.comment = text[1:].strip()
            if self.comment.startswith("left out: "):
                self.left_out |= set(self.comment[len("left out: "):].split(", "))
        elif self.struct is not None:
            self.field(text)
        elif not text:
            pass
        elif match := re.fullmatch(r"include <(.*)>", text):
            self.includes.append(match.group(1))
        elif match := re.fullmatch(r'meta arches\["(.*)"\]', text):
            if set(match.group(1).split('", "')) != ARCHES:
                problem("other architectures than are checked")
        elif match := re.fullmatch(r"define (\w+)\s+(.*)", text):
            self.defines[match.group(1)] = match.group(2)
            self.constants |= set(re.findall(r"[A-Z]\w+", match.group(2)))
        elif match := re.fullmatch(r"resource (\w+)\[(\w+)\](?:: (.*))?", text):
            self.define(self.resources, match.group(1), match.group(2))
        elif match := re.fullmatch(r"type (\w+)(?:\[(\w+)\])? (.*)", text):
            line = Line(match.group(3))
            self.define(self.templates, match.group(1), (match.group(2), line.type()))
            line.end()
        elif match := re.fullmatch(r"(\w+) = (.*)", text):
            self.define(self.flags, match.group(1), match.group(2).split(", "))
        elif match := re.fullmatch(r"(\w+) \{", text):
            self.struct = match.group(1)
            self.define(self.structs, self.struct, [])
            match = re.fullmatch(r"struct (\w+)", comment)
            self.c_names[self.struct] = match.group(1) if match else self.struct
        else:
            line = Line(text)
            call = Call(line.name(), line)
            if call.name in (other.name for other in self.calls):
                problem(f"{call.name} is defined twice")
            self.calls.append(call)

    def field(self, text):
        if text == "}":
            self.struct = None
            return
        if not text.startswith("\t"):
            raise SyntaxError("a field begins with a tab")
        line = Line(text)
        field = Field(line)
        field.direction = next(iter(line.attributes()), None)
        line.end()
        fields = self.structs[self.struct]
        if field.name in (other.name for other in fields):
            problem(f"{field.name} is there twice")
        fields.append(field)

    # Looking at what was read

    def value(self, text):
        """A number, or the name of a constant."""
        if re.fullmatch(r"-?(0x[0-9a-f]+|[0-9]+)", text):
            return
        if not re.fullmatch(r"[A-Z_][A-Za-z0-9_]*", text):
            problem(f"{text} is no value")
        self.constants.add(text)

    def range(self, text):
        for one in text.split(":"):
            self.value(one)

    def expand(self, use):
        """A template with its argument put in."""
        parameter, body = self.templates[use.name]
        self.used.add(use.name)
        if bool(parameter) != (len(use.args) == 1):
            problem(f"{use} has a wrong number of options")
            return Type("int64")
        if body.name == parameter:
            return Type(use.args[0].name, body.args)
        return body

    def resource(self, name, direction):
        self.used.add(name)
        if direction in ("out", "inout"):
            self.produced.add(name)
        if direction in ("in", "inout"):
            self.consumed.add(name)

    def base(self, name):
        while name not in INTS:
            name = IMPORTED.get(name) or self.resources[name]
        return name

    def options(self, use, least, most):
        if not least <= len(use.args) <= most:
            problem(f"{use} has a wrong number of options")
            raise SyntaxError("not looked at further")
        return [arg.name for arg in use.args]

    def int_option(self, args, at):
        """The type below a const, a flags or a len: the size of the value."""
        if len(args) <= at:
            return "intptr"
        if args[at] not in INTS:
            problem(f"{args[at]} is no type of integers")
            return "intptr"
        return args[at]

    def layout(self, use, direction, siblings):
        """Check a type, and return its size, None if that is not fixed, and its alignment."""
        args = [arg.name for arg in use.args]
        if use.name in self.templates:
            return self.layout(self.expand(use), direction, siblings)
        if use.name in INTS:
            for arg in args:
                self.range(arg)
            return INTS[use.name], INTS[use.name]
        if use.name in IMPORTED or use.name in self.resources:
            if args not in ([], ["opt"]):
                problem(f"{use}: what is {args[0]}?")
            self.resource(use.name, direction)
            size = INTS[self.base(use.name)]
            return size, size
        if use.name == "const":
            self.options(use, 1, 2)
            self.value(args[0])
            size = INTS[self.int_option(args, 1)]
            return size, size
        if use.name == "flags":
            self.options(use, 1, 2)
            if args[0] not in self.flags:
                problem(f"there are no flags {args[0]}")
            self.used.add(args[0])
            size = INTS[self.int_option(args, 1)]
            return size, size
        if use.name in ("len", "bytesize"):
            self.options(use, 1, 2)
            if args[0] != "parent" and args[0] not in siblings:
                problem(f"{use}: there is no {args[0]} beside it")
            size = INTS[self.int_option(args, 1)]
            return size, size
        if use.name == "vma64":
            self.options(use, 0, 1)
            return 8, 8
        if use.name == "string":
            return None, 1
        if use.name == "array":
            self.options(use, 1, 2)
            size, align = self.layout(use.args[0], direction, siblings)
            if size and len(args) == 2 and ":" not in args[1]:
                return size * int(args[1], 0), align
            return None, align
        if use.name in ("ptr", "ptr64"):
            self.options(use, 2, 2)
            if args[0] not in DIRECTIONS:
                problem(f"{args[0]} is no direction")
            self.layout(use.args[1], args[0], siblings)
            return 8, 8
        if use.name in self.structs:
            self.used.add(use.name)
            at, align = 0, 1
            for _, start, size, field_align in self.fields(use.name, direction):
                at, align = start + size, max(align, field_align)
            return (at + align - 1) // align * align, align
        problem(f"there is no type {use.name}")
        return None, 1

    def fields(self, struct, direction):
        """Name, offset, size and alignment of each field."""
        at, found = 0, []
        siblings = [field.name for field in self.structs[struct]]
        for field in self.structs[struct]:
            size, align = self.layout(field.type, field.direction or direction, siblings)
            if size is None:
                problem(f"{struct}: the size of {field.name} is not fixed")
                size = 0
            at = (at + align - 1) // align * align
            found.append((field.name, at, size, align))
            at += size
        return found

    def check(self, headers):
        for call in self.calls:
            siblings = [arg.name for arg in call.args]
            self.constants.add("__NR_" + call.name.split("$")[0])
            for arg in call.args:
                self.layout(arg.type, "in", siblings)
            if call.result:
                self.layout(call.result, "out", [])
        for values in self.flags.values():
            for one in values:
                self.value(one)
        for table in (self.resources, self.templates, self.flags, self.structs):
            for name in table:
                if name not in self.used:
                    problem(f"nobody uses {name}")
        for name in self.resources:
            if name not in self.produced:
                problem(f"nothing makes a {name}")
            if name not in self.consumed:
                problem(f"nothing takes a {name}")

        described = {call.name.split("$")[1] for call in self.calls if call.name.startswith("ioctl$")}
        for header in headers:
            with open(header, encoding="utf-8") as text:
                for name in re.findall(r"^#define (\w+)\s+_IO[RW]*\(", text.read(), re.M):
                    if (name in described) == (name in self.left_out):
                        problem(f"{name} of {header} has to be described, or named as left out")


def constants_of(path, arch):
    """What a file of constants has for an architecture."""
    values = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            match = re.fullmatch(r"(\w+) = (.*)\n", line)
            if line.startswith("#"):
                continue
            if not match:
                problem(f"{path}: cannot read {line.strip()!r}")
            elif match.group(1) == "arches":
                if set(match.group(2).split(", ")) != ARCHES:
                    problem(f"{path}: other architectures than are checked")
            elif ":" in match.group(2):
                each = dict(one.split(":") for one in match.group(2).split(", "))
                values[match.group(1)] = each[arch]
            else:
                values[match.group(1)] = match.group(2)
    return values


def main():
    arch, path, headers = sys.argv[1], sys.argv[2], sys.argv[3:]
    descriptions = Descriptions(path)
    try:
        descriptions.check(headers)
    except SyntaxError as error:
        problem(error.msg)
    values = constants_of(path + ".const", arch)
    for name in sorted(descriptions.constants - set(values)):
        problem(f"the file of constants lacks {name}")
    for name in sorted(set(values) - descriptions.constants):
        problem(f"nobody uses the constant {name}")
    if problems:
        sys.exit("\n".join(problems))

    for include in descriptions.includes:
        print(f"#include <{include.removeprefix('uapi/')}>")
    print("#include <asm/unistd.h>\n")
    for name, value in descriptions.defines.items():
        print(f"#define {name} {value}")
    for name, value in sorted(values.items()):
        print(f'_Static_assert((__u64)({name}) == {value}ULL, "{name}");')
    for struct, c_name in descriptions.c_names.items():
        c_type = f"struct {c_name}"
        size, _ = descriptions.layout(Type(struct), "in", [])
        print(f'_Static_assert(sizeof({c_type}) == {size}, "size of {struct}");')
        for name, offset, length, _ in descriptions.fields(struct, "in"):
            print(f"_Static_assert(__builtin_offsetof({c_type}, {name}) == {offset} &&\n"
                  f"\t       sizeof((({c_type} *)0)->{name}) == {length},\n"
                  f'\t       "{name} of {struct}");')


main()
