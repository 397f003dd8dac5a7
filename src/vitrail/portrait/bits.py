"""Rows of 512 bits as one machine vector in compiled code.

Compiled loops over the eight words of a row come out as scalar code, as numba leaves out the pass
that would join them. These functions write the vector instructions themselves: one instruction
for a row where the machine has registers of 512 bits, two or four where they are shorter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, njit, types
from numba.extending import models, register_model

# The functions below are called without the first argument that their definitions show.
intrinsic: Any = extending.intrinsic

WORDS = 8
BITS = 64 * WORDS

VECTOR = ir.VectorType(ir.IntType(64), WORDS)


class Row(types.Type):
    """Type of a row of bits in compiled code."""

    def __init__(self) -> None:
        super().__init__(name="Row512")


ROW = Row()


@register_model(Row)
class RowModel(models.PrimitiveModel):
    """A row is held as one vector."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    """Address of a row of an array (rows, WORDS) of uint64."""
    data = context.make_array(kind)(context, builder, array).data
    word = builder.mul(row, ir.Constant(row.type, WORDS))
    return builder.bitcast(builder.gep(data, [word]), VECTOR.as_pointer())


@intrinsic
def load(typing: Any, array: Any, row: Any) -> Any:
    """Row `row` of a contiguous array (rows, WORDS) of uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        index = context.cast(builder, args[1], signature.args[1], types.intp)
        return builder.load(_pointer(context, builder, signature.args[0], args[0], index), align=8)

    return ROW(array, row), generate


@intrinsic
def store(typing: Any, array: Any, row: Any, value: Any) -> Any:
    """Write `value` to row `row` of a contiguous array (rows, WORDS) of uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        index = context.cast(builder, args[1], signature.args[1], types.intp)
        builder.store(
            args[2], _pointer(context, builder, signature.args[0], args[0], index), align=8
        )
        return context.get_dummy_value()

    return types.void(array, row, value), generate


@intrinsic
def none(typing: Any) -> Any:
    """Row without a bit."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(VECTOR, None)

    return ROW(), generate


@intrinsic
def both(typing: Any, a: Any, b: Any) -> Any:
    """Bits that are in both rows."""
    return ROW(a, b), lambda context, builder, signature, args: builder.and_(*args)


@intrinsic
def either(typing: Any, a: Any, b: Any) -> Any:
    """Bits that are in one row or both."""
    return ROW(a, b), lambda context, builder, signature, args: builder.or_(*args)


@intrinsic
def unlike(typing: Any, a: Any, b: Any) -> Any:
    """Bits that are in one row and not in the other."""
    return ROW(a, b), lambda context, builder, signature, args: builder.xor(*args)


@intrinsic
def some(typing: Any, a: Any) -> Any:
    """Whether a row has any bit."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = builder.icmp_unsigned("!=", args[0], ir.Constant(VECTOR, None))
        mask = builder.bitcast(words, ir.IntType(WORDS))
        return builder.icmp_unsigned("!=", mask, ir.Constant(ir.IntType(WORDS), 0))

    return types.boolean(a), generate


@intrinsic
def add(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Full adder, bit by bit: sum and carry of three rows."""
    signature = types.UniTuple(ROW, 2)(a, b, c)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        half = builder.xor(args[0], args[1])
        total = builder.xor(half, args[2])
        carry = builder.or_(builder.and_(args[0], args[1]), builder.and_(half, args[2]))
        return context.make_tuple(builder, signature.return_type, (total, carry))

    return signature, generate


@intrinsic
def lowest(typing: Any, word: Any) -> Any:
    """Number of the lowest bit of a word that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@njit(cache=True, nogil=True)
def rows(n: int) -> Any:
    """Array (n, WORDS) of zeros in which no row crosses a cache line."""
    room = np.zeros(n * WORDS + WORDS, np.uint64)
    skip = (-room.ctypes.data // 8) % WORDS
    return room[skip : skip + n * WORDS].reshape(n, WORDS)
