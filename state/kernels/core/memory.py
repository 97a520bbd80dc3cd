"""Addresses: load, store, copy, and arrays that are there already. In checked mode each access is looked up among known regions."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.cgutils import unpack_tuple
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from state.kernels.compiled import REARRANGING, kept

_Function = TypeVar("_Function", bound=Callable[..., Any])

IS_CHECKED = os.environ.get("HELIOTROPE_CHECKED_KERNELS") == "1"
"""Whether every access is checked: some times slower, compiled anew in every process, for tests that look for a wrong one."""
MOST_REGIONS = 2_048
REGIONS = np.zeros((MOST_REGIONS, 2), np.int64)
"""Begin and end of what may be accessed, in checked mode; the first row holds how many rows are in use."""
_REGIONS_AT = int(REGIONS.ctypes.data)
_BYTE = ir.IntType(8)


def refused() -> int:
    """Return the address that was refused last in checked mode."""
    return int(REGIONS[0, 1])


def core(function: _Function) -> _Function:
    """Compile with Python's own arithmetic, counting no references; for calls by other kernels."""
    return _inner(function)


def loose(function: _Function) -> _Function:
    """Compile as `core` does, but sums may be rearranged."""
    return _inner(function, fastmath=REARRANGING)


def entry(function: _Function) -> _Function:
    """Compile as `core` does, for calls by Python."""
    if IS_CHECKED:
        checked: _Function = njit(function, error_model="numpy", boundscheck=True)
        return checked
    return kept(function, error_model="numpy", _nrt=False)


def _inner(function: _Function, **options: Any) -> _Function:
    """A kernel that Python never calls needs no wrapper to be called by it, which takes long to compile."""
    if IS_CHECKED:
        options["boundscheck"] = True
        checked: _Function = njit(
            function, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, **options
        )
        return checked
    found: Any = njit(
        function, error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options
    )
    inner: _Function = found
    return inner


def allow(regions: list[tuple[int, int]]) -> None:
    """Say what may be accessed in checked mode, begins and lengths; none: all.

    Raises:
        ValueError: there are too many of them.
    """
    if len(regions) >= MOST_REGIONS:
        raise ValueError(f"{len(regions)} regions, where there is room for {MOST_REGIONS - 1}")
    for number, (begin, size) in enumerate(regions, start=1):
        REGIONS[number] = begin, begin + size
    REGIONS[0, 0] = len(regions)


@intrinsic  # type: ignore[untyped-decorator]
def pointer(context: Any, address: Any) -> Any:
    """Return the pointer to an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _raw_copy(context: Any, to: Any, at: Any, n: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source = (builder.inttoptr(value, _BYTE.as_pointer()) for value in arguments[:2])
        cgutils.raw_memcpy(builder, target, source, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _raw_move(context: Any, to: Any, at: Any, n: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source = (builder.inttoptr(value, _BYTE.as_pointer()) for value in arguments[:2])
        cgutils.raw_memmove(builder, target, source, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _raw_copy32(context: Any, to: Any, at: Any) -> Any:
    """Copy 32 bytes, which is as fast as copying one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        for offset in (0, 16):
            target, source = (
                builder.inttoptr(builder.add(value, ir.Constant(value.type, offset)), wide.as_pointer())
                for value in arguments
            )
            builder.store(builder.load(source, align=1), target, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code


def _loader(bits: int) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def load(context: Any, at: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer())
            value = builder.load(place, align=1)
            return value if bits == 64 else builder.zext(value, ir.IntType(64))

        return types.int64(types.int64), code

    return load


def _storer(bits: int) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def store(context: Any, at: Any, value: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer())
            number = arguments[1] if bits == 64 else builder.trunc(arguments[1], ir.IntType(bits))
            builder.store(number, place, align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), code

    return store


_raw_ld8, _raw_ld16, _raw_ld64 = _loader(8), _loader(16), _loader(64)
_raw_st8, _raw_st16, _raw_st64 = _storer(8), _storer(16), _storer(64)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _raw_puts(context: Any, to: Any, text: Any) -> Any:
    value = text.literal_value.encode()

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, left, offset = arguments[0], len(value), 0
        for width in (16, 8, 4, 2, 1):
            while left >= width:
                kind = ir.IntType(8 * width)
                number = int.from_bytes(value[offset : offset + width], "little")
                place = builder.inttoptr(builder.add(at, ir.Constant(at.type, offset)), kind.as_pointer())
                builder.store(ir.Constant(kind, number), place, align=1)
                offset += width
                left -= width
        return builder.add(at, ir.Constant(at.type, len(value)))

    return types.int64(types.int64, text), code


@intrinsic  # type: ignore[untyped-decorator]
def carray(context: Any, at: Any, shape: Any, dtype: Any) -> Any:
    """Return the array at a pointer; numba's own counts references."""
    kind = dtype.dtype if hasattr(dtype, "dtype") else dtype.instance_type
    is_tuple = isinstance(shape, types.BaseTuple)
    array = types.Array(kind, shape.count if is_tuple else 1, "C")

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = context.get_value_type(types.intp)
        if is_tuple:
            pairs = zip(unpack_tuple(builder, arguments[1]), signature.args[1], strict=True)
            sizes = [context.cast(builder, value, of, types.intp) for value, of in pairs]
        else:
            sizes = [context.cast(builder, arguments[1], signature.args[1], types.intp)]
        itemsize = context.get_abi_sizeof(context.get_data_type(kind))
        strides: list[Any] = []
        step = ir.Constant(whole, itemsize)
        for size in reversed(sizes):
            strides.insert(0, step)
            step = builder.mul(step, size)
        found = make_array(array)(context, builder)
        data = builder.bitcast(arguments[0], context.get_data_type(kind).as_pointer())
        item = ir.Constant(whole, itemsize)
        populate_array(found, data=data, shape=sizes, strides=strides, itemsize=item, meminfo=None)
        return found._getvalue()

    return array(at, shape, dtype), code


@intrinsic  # type: ignore[untyped-decorator]
def bits_of(context: Any, x: Any) -> Any:
    """Return a float64's bits."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), code


@intrinsic  # type: ignore[untyped-decorator]
def bits32(context: Any, x: Any) -> Any:
    """Return a float32's bits."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), code


@intrinsic  # type: ignore[untyped-decorator]
def from_bits32(context: Any, bits: Any) -> Any:
    """Return the float32 of these bits."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), code


@intrinsic  # type: ignore[untyped-decorator]
def mul_shift(context: Any, a: Any, b: Any, shift: Any) -> Any:
    """Return (a × b) >> shift of unsigned numbers, by 128 bits, rounded half up."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        x, y, by = (builder.zext(value, wide) for value in arguments)
        product = builder.mul(x, y)
        half = builder.shl(ir.Constant(wide, 1), builder.sub(by, ir.Constant(wide, 1)))
        return builder.trunc(builder.lshr(builder.add(product, half), by), ir.IntType(64))

    return types.int64(types.int64, types.int64, types.int64), code


if IS_CHECKED:

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def check(at: int, n: int) -> None:
        """Refuse an access to anything but a known region."""
        count = _raw_ld64(_REGIONS_AT)
        if n <= 0 or count == 0:
            return
        for number in range(1, count + 1):
            begin, end = _raw_ld64(_REGIONS_AT + 16 * number), _raw_ld64(_REGIONS_AT + 16 * number + 8)
            if begin <= at and at + n <= end:
                return
        _raw_st64(_REGIONS_AT + 8, at)
        raise IndexError("an address outside of every region")

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def ld8(at: int) -> Any:
        """Load a byte."""
        check(at, 1)
        return _raw_ld8(at)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def ld16(at: int) -> Any:
        """Load two bytes."""
        check(at, 2)
        return _raw_ld16(at)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def ld64(at: int) -> Any:
        """Load eight bytes."""
        check(at, 8)
        return _raw_ld64(at)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def st8(at: int, value: int) -> None:
        """Store a byte."""
        check(at, 1)
        _raw_st8(at, value)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def st16(at: int, value: int) -> None:
        """Store two bytes."""
        check(at, 2)
        _raw_st16(at, value)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def st64(at: int, value: int) -> None:
        """Store eight bytes."""
        check(at, 8)
        _raw_st64(at, value)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def copy(to: int, at: int, n: int) -> None:
        """Copy n bytes between places that do not overlap."""
        check(to, n)
        check(at, n)
        _raw_copy(to, at, n)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def move(to: int, at: int, n: int) -> None:
        """Copy n bytes between places that may overlap."""
        check(to, n)
        check(at, n)
        _raw_move(to, at, n)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def copy_short(to: int, at: int, n: int) -> None:
        """Copy n bytes; 32 may be read and written in any case."""
        check(to, 32)
        check(at, 32)
        copy(to, at, n)

else:
    ld8, ld16, ld64 = _raw_ld8, _raw_ld16, _raw_ld64
    st8, st16, st64 = _raw_st8, _raw_st16, _raw_st64
    copy, move = _raw_copy, _raw_move

    @core
    def copy_short(to: int, at: int, n: int) -> None:
        """Copy n bytes; 32 may be read and written in any case."""
        _raw_copy32(to, at)
        if n > 32:
            copy(to + 32, at + 32, n - 32)


puts = _raw_puts
"""Writes a constant text; returns where it ends."""
