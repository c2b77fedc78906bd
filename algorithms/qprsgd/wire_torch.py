"""The loops of `wire` as torch operations, for tensors on a GPU: the same bits, same layout, same checksum.

Words are int32; arithmetic on them is done in int64 with the low 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from algorithms.qprsgd.layout import BAD_CHECKSUM, BAD_CODE, BAD_NORM, BAD_WORDS, FINE, Form, Layout
from algorithms.qprsgd.wire import BLOCK, LANES, width_of

_LOW, _MASK = 0xFFFFFFFF, (1 << 64) - 1


def key(value: int) -> int:
    """Return a number of 64 bits without a sign, such as a key, as loops take it."""
    return value


def norms_of(v: Tensor, bucket: int, norms: Tensor) -> bool:
    """Write the l2 norm of every bucket, rounded up; False if one is not finite.

    The order of the sum differs from that of `wire.norms_of`, so the last bit may.
    """
    if not len(norms):
        return True
    x = functional.pad(v, (0, len(norms) * bucket - len(v))).view(len(norms), bucket).double()
    largest = x.abs().amax(1) if v.dtype == torch.float64 else torch.ones_like(x[:, 0])
    scaled = torch.where(largest > 0, largest, torch.ones_like(largest))
    exact = (x / scaled[:, None]).square().sum(1).sqrt() * scaled
    rounded = exact.to(norms.dtype)
    norms.copy_(torch.where(rounded < exact, torch.nextafter(rounded, torch.full_like(rounded, torch.inf)), rounded))
    return bool(torch.isfinite(norms).all())


def checksum(words: Tensor, first: int) -> int:
    """Return the sum of word i times 2 i + 1 modulo 2^64, for i = first, ...."""
    weights = 2 * torch.arange(first, first + len(words), device=words.device) + 1
    return int(((words.long() & _LOW) * (weights & _LOW)).sum())


def encode(v: Tensor, first: int, last: int, key: int, norms: Tensor, form: Form, words: Tensor) -> int:
    """Quantize elements first..last of v and pack their codes; return the checksum of the words."""
    width = width_of(form.s)
    narrow = v.dtype == torch.float32 and width <= 16
    real = torch.float32 if narrow else torch.float64
    point = 32 - width if narrow else 32
    one = form.s << point
    lift = _lift(norms, real)
    factor = torch.where(norms > 0, one / (norms.double() * lift), 0.0).to(real)
    lift, norm = lift.to(real), norms.to(real)
    while bool((over := norm * lift * factor > one).any()):
        factor = torch.where(over, factor * (1 - torch.finfo(real).eps), factor)
    bucket = torch.arange(first, last, device=v.device) // form.bucket
    level = (v[first:last].to(real) * lift[bucket] * factor[bucket]).round().long()
    u = _random(first, last - first, key, v.device)
    codes = (level + one + (u >> width if narrow else u)) >> point
    return pack(codes, form.bits, words)


def decode(words: Tensor, first: int, last: int, norms: Tensor, form: Form, out: Tensor, add: bool) -> tuple[int, int]:
    """Write or add Q_s for elements first..last of out; return the checksum of the words and the largest code."""
    codes = torch.empty(last - first, dtype=torch.int64, device=out.device)
    for part, packed in _parts(last - first, form.bits):
        blocks, rows, lanes = _shape(part)
        codes[part] = _unpack(words[packed].long().view(blocks, -1, lanes) & _LOW, form.bits, rows).flatten()
    lift = _lift(norms, out.dtype)
    unit, lower = (norms.double() * lift / form.s).to(out.dtype), (1 / lift).to(out.dtype)
    while bool((over := form.s * unit * lower > norms).any()):
        unit = torch.where(over, unit * (1 - torch.finfo(out.dtype).eps), unit)
    bucket = torch.arange(first, last, device=out.device) // form.bucket
    value = (codes - form.s).to(out.dtype) * unit[bucket] * lower[bucket]
    out[first:last] = out[first:last] + value if add else value
    return checksum(words, 0), int(codes.max()) if len(codes) else 0


def write(v: Tensor, key: int, layout: Layout, header: Tensor, norms: Tensor, codes: Tensor) -> None:
    """Quantize v, (n,), into the header and codes of a message of the fixed format whose norms are there already."""
    words = layout.words
    total = encode(v, 0, layout.n, key, norms, _form(layout), codes[:words])
    header[:] = header_of(total, norms, words, layout.salt)
    codes[words:] = 0


def read(header: Tensor, norms: Tensor, codes: Tensor, layout: Layout, out: Tensor, add: bool) -> tuple[int, int]:
    """Write or add what a message says into out, (n,); return what was found and the largest code."""
    words, most = layout.words, 0
    if int(header[1]) != words:
        return BAD_WORDS, most
    if not bool(((norms >= 0) & (norms < torch.inf)).all()):
        return BAD_NORM, most
    total, most = decode(codes[:words], 0, layout.n, norms, _form(layout), out, add)
    if not torch.equal(header_of(total, norms, words, layout.salt), header):
        return BAD_CHECKSUM, most
    return (BAD_CODE if most > 2 * layout.s else FINE), most


def header_of(total: int, norms: Tensor, words: int, salt: int) -> Tensor:
    """Return the checksum of words, of norms as if they came after them and of salt, then the number of words."""
    total = total + checksum(norms.view(torch.int32), words) + (salt << 31) & _MASK
    mixed = (total ^ total >> 33) * 0xFF51AFD7ED558CCD & _MASK
    return torch.tensor([(mixed >> 32) - (mixed >> 63 << 32), words], dtype=torch.int32, device=norms.device)


def _form(layout: Layout) -> Form:
    return Form(layout.s, layout.bucket, layout.bits)


def pack(codes: Tensor, width: int, words: Tensor) -> int:
    """Pack int64 codes of `width` bits into int32 words; return the checksum of the words."""
    for part, packed in _parts(len(codes), width):
        words[packed].copy_(_pack(codes[part].view(_shape(part)), width).flatten())
    return checksum(words, 0)


def _lift(norms: Tensor, real: torch.dtype) -> Tensor:
    limit, up = (2.0**-60, 2.0**100) if real == torch.float32 else (2.0**-500, 2.0**600)
    return 1 + (norms < limit).double() * (up - 1)


def _random(first: int, n: int, key: int, device: torch.device) -> Tensor:
    """Return the 32 random bits of elements first..first + n; first is a multiple of BLOCK."""
    blocks = -(-n // BLOCK)
    c0 = first // 8 + torch.arange(blocks * BLOCK // 8, device=device)
    c1, c2, c3 = c0 >> 32, torch.zeros_like(c0), torch.zeros_like(c0)
    c0 = c0 & _LOW
    k0, k1 = key & _LOW, key >> 32
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32 & _LOW) ^ c1 ^ k0, p1 & _LOW, (p0 >> 32 & _LOW) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = k0 + 0x9E3779B9 & _LOW, k1 + 0xBB67AE85 & _LOW
    pairs = torch.stack([torch.stack([c1, c0], -1), torch.stack([c3, c2], -1)])
    plain = pairs.view(2, blocks, BLOCK // 4).transpose(0, 1).reshape(blocks, BLOCK // 2)
    turned = (plain << 16 & _LOW) | plain >> 16
    return torch.cat([plain, turned], 1).flatten()[:n]


def _parts(n: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Yield elements that are laid out in one way, and their words: full blocks, one with fewer lanes, one lane."""
    ends = [0, n // BLOCK * BLOCK, n // 32 * 32, n]
    for start, end in pairwise(ends):
        if end > start:
            yield slice(start, end), slice(start * width // 32, -(-end * width // 32))


def _shape(part: slice) -> tuple[int, int, int]:
    n = part.stop - part.start
    if n % BLOCK == 0:
        return n // BLOCK, 32, LANES
    return (1, 32, n // 32) if n % 32 == 0 else (1, n, 1)


def _pack(codes: Tensor, width: int) -> Tensor:
    """Pack (blocks, rows, lanes) codes into (blocks, words, lanes) words."""
    blocks, rows, lanes = codes.shape
    words = codes.new_zeros(blocks, -(-rows * width // 32), lanes)
    for row in range(rows):
        word, shift = divmod(row * width, 32)
        words[:, word] |= codes[:, row] << shift & _LOW
        if shift + width > 32:
            words[:, word + 1] |= codes[:, row] >> (32 - shift)
    return words


def _unpack(words: Tensor, width: int, rows: int) -> Tensor:
    """Undo `_pack`."""
    codes = []
    for row in range(rows):
        word, shift = divmod(row * width, 32)
        code = words[:, word] >> shift
        if shift + width > 32:
            code = code | words[:, word + 1] << (32 - shift)
        codes.append(code & ((1 << width) - 1))
    return torch.stack(codes, 1)
