"""By value: what a script or a notebook defines itself is handed to the ranks as it is, and named by what it does.

Ranks cannot import ``__main__``. Its classes travel with the code of their methods and all that they refer to there,
and the same is read here. A line or a cell that a run does not refer to is no part of its name.
"""

from __future__ import annotations

import copyreg
import dis
import hashlib
import json
import pickle
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

MAIN = "__main__"
UNREAD = {  # of a class: what says nothing about what it does, or is not the same in every process
    "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__conditional_annotations__",
    "__dict__", "__doc__", "__firstlineno__", "__module__", "__static_attributes__", "__weakref__", "_abc_impl",
    "__abstractmethods__", "__dataclass_fields__", "__dataclass_params__",
}  # fmt: skip


class ByValueError(TypeError):
    """Something of ``__main__`` cannot be handed to ranks; the message is one sentence that names it."""


def pickled(job: Any, main: bool) -> bytes:
    """Return the pickle of a job; if something in it is of ``__main__``, with its definition."""
    if not main:
        return pickle.dumps(job)
    import cloudpickle

    try:
        content: bytes = cloudpickle.dumps(job)
    except Exception as error:
        raise ByValueError(f"what a script or notebook defines cannot be handed to ranks: {error}") from None
    return content


class Definitions:
    """What the classes of ``__main__`` in a value do.

    Parameters
    ----------
    value
        An experiment.

    Attributes
    ----------
    digest
        Of the code of these classes, of what it refers to in ``__main__``, and of the values of it.
    modules
        Names that may be modules they refer to; those that are none are ignored later.

    Raises
    ------
    ByValueError
        If they refer to something that cannot be handed to ranks, such as an open file.
    """

    def __init__(self, value: Any) -> None:
        self.modules: set[str] = set()
        self._seen: dict[int, tuple[int, Any]] = {}  # with the values, so that no other gets the id of one
        self.digest = hashlib.sha256(json.dumps(self._read(value)).encode()).hexdigest()

    def _read(self, value: Any) -> Any:
        """Return a value as nested lists of text."""
        plain = type(value).__module__ == "builtins"  # not of a type derived from a built-in one
        if value is None or (plain and isinstance(value, bool | int | float | complex | str | bytes)):
            return repr(value)
        if plain and isinstance(value, tuple | frozenset | CodeType):  # whether two are one is chance
            return [type(value).__name__, self._unchanging(value)]
        if id(value) in self._seen:
            return ["seen", self._seen[id(value)][0]]
        self._seen[id(value)] = len(self._seen), value
        return [
            type(value).__qualname__,
            self._parts(value) if plain or isinstance(value, type) else self._reduced(value),
        ]

    def _unchanging(self, value: Any) -> list[Any]:
        if isinstance(value, CodeType):
            return self._code(value)
        parts = [self._read(each) for each in value]
        return parts if isinstance(value, tuple) else sorted(parts, key=json.dumps)

    def _parts(self, value: Any) -> Any:
        match value:
            case ModuleType():
                parts: Any = self._named(value.__name__, "")
            case type() | FunctionType():
                parts = self._defined(value)
            case list():
                parts = [self._read(each) for each in value]
            case set():
                parts = sorted((self._read(each) for each in value), key=json.dumps)
            case dict():
                parts = [[self._read(key), self._read(each)] for key, each in value.items()]
            case staticmethod() | classmethod():
                parts = self._read(value.__func__)
            case property():
                parts = [self._read(each) for each in (value.fget, value.fset, value.fdel)]
            case _:
                parts = self._reduced(value)
        return parts

    def _defined(self, value: type | FunctionType) -> list[Any]:
        """Return the definition of what ``__main__`` defines, the name of what ranks import."""
        if value.__module__ != MAIN and "<" not in value.__qualname__:
            return self._named(value.__module__, value.__qualname__)
        if isinstance(value, FunctionType):
            return self._function(value) if value.__module__ == MAIN else self._made(value)
        members = {name: each for name, each in sorted(vars(value).items()) if name not in UNREAD}
        return [value.__qualname__, self._read(value.__bases__), self._read(members)]

    def _named(self, module: str | None, name: str) -> list[Any]:
        """Return the name of what ranks import."""
        self.modules.add(module or "builtins")
        return [module, name]

    def _made(self, function: FunctionType) -> list[Any]:
        """Return the name of a function that one of another module made, and of what it was made."""
        cells = [_content(cell) for cell in function.__closure__ or ()]
        parts = cells, function.__defaults__, function.__kwdefaults__, vars(function)
        return [*self._named(function.__module__, function.__qualname__), *(self._read(part) for part in parts)]

    def _function(self, function: FunctionType) -> list[Any]:
        names, attributes = set(_globals(function.__code__)), set(_names(function.__code__))
        used = {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}
        for module in [each.__name__ for each in used.values() if isinstance(each, ModuleType)]:
            inner = [name for name in sys.modules if name.startswith(f"{module}.")]
            self.modules.update(name for name in inner if attributes.issuperset(name[len(module) + 1 :].split(".")))
        cells = [_content(cell) for cell in function.__closure__ or ()]
        parts = function.__code__, function.__defaults__, function.__kwdefaults__, cells, used, vars(function)
        return [self._read(part) for part in parts]

    def _code(self, code: CodeType) -> list[Any]:
        """Return what is executed, without the places where it was written."""
        self.modules.update(_imports(code))
        variables = code.co_varnames, code.co_freevars, code.co_cellvars
        table = code.co_exceptiontable.hex()
        return [code.co_code.hex(), code.co_flags, code.co_names, variables, table, self._read(code.co_consts)]

    def _reduced(self, value: Any) -> list[Any]:
        """Return the parts of which a pickle would be made; that of a tensor is another in every process."""
        torch = sys.modules.get("torch")
        if torch and isinstance(value, torch.Tensor):
            content = value.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy()
            return [str(value.dtype), list(value.shape), hashlib.sha256(content).hexdigest()]
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            parts = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception as error:
            raise _refused(value, str(error)) from None
        if not isinstance(parts, str):
            return [self._read(list(part) if isinstance(part, Iterator) else part) for part in parts]
        module = getattr(value, "__module__", None)
        if module == MAIN:
            raise _refused(value, f"a {type(value).__name__} is found by its name only, which they do not know")
        return self._named(module, parts)


def _refused(value: Any, why: str) -> ByValueError:
    text = repr(value)[:80]
    return ByValueError(f"what a script or notebook defines refers to {text}, which cannot be handed to ranks: {why}")


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def _all(code: CodeType) -> Iterator[CodeType]:
    """Yield a code and those inside of it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all(constant)


def _names(code: CodeType) -> Iterator[str]:
    for each in _all(code):
        yield from each.co_names


def _globals(code: CodeType) -> Iterator[str]:
    for each in _all(code):
        yield from (step.argval for step in dis.get_instructions(each) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))


def _imports(code: CodeType) -> Iterator[str]:
    """Name what import statements inside of a function may import."""
    package = ""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            package = step.argval
            yield package
        elif step.opname == "IMPORT_FROM":
            yield f"{package}.{step.argval}"
