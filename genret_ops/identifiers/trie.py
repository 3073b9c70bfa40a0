"""A trie over identifiers for constrained decoding: which token may follow, for a whole batch of beams at once.

Identifiers are sorted as sequences, and each is a leaf. A node under which several leaves lie is stored: such nodes are
numbered breadth first (the root is 0), and their edges are one sorted array of (node << 32 | token). A step of a batch
is one binary search and the children of a node are neighbours. Below the last fork of an identifier nothing is stored
but its tokens: a node there is a leaf and a position. First levels with few enough nodes and tokens have dense tables
as well, where a step is one look-up ("Vectorizing the Trie", STATIC, 2026). Every node covers a contiguous range of
leaves, so an allowed set of any size is one prefix sum over the leaves.

The arrays are numpy's, in memory or mapped from files, or torch's on any device (`Trie.to`); the methods are the same
code for both, and give the same answers.

The trie does not know what a token means or which passage an identifier names: an identifier is its position in the
sequences that `Trie.build` was called with. What it costs is in docs/method.md, "Identifiers" (benchmarks/trie.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any
"""Integers or truth values: a numpy array, or a torch tensor after `Trie.to`. Arguments may be lists as well."""
Ints = NDArray[np.int64]

ROOT = 0
DEAD = -1
"""The node of a walk that has left the trie, the identifier where none ends, and the token where none may follow."""
MAX_TOKEN = 2**31 - 1
_DENSE = 2**18
"""Entries that dense tables may have in any trie; beyond, two per identifier."""


@dataclass(frozen=True, slots=True, eq=False)
class Trie:
    """Identifier sequences as flat arrays; make one with `Trie.build` and walk it from node `ROOT`.

    Nodes are integer arrays of shape (n,); `DEAD` (-1) marks a walk that has left the trie, and stays dead. An
    identifier may be a prefix of another, so a node can both end an identifier and have children.

    Example:
        >>> trie = Trie.build([[7, 1], [7, 2]])
        >>> nodes = trie.advance([ROOT], [7])
        >>> trie.next_mask(nodes, vocabulary=8).nonzero()[1].tolist()
        [1, 2]
    """

    edges: Array
    """(edges,), ascending: node << 32 | token of every edge that leaves a stored node."""
    child: Array
    """(edges,): the stored node that an edge leads to, or ~leaf if only that leaf lies below."""
    first: Array
    """(stored nodes + 1,): the edges of a node are `first[node]` to `first[node + 1]`."""
    start: Array
    """(stored nodes,): first leaf under a node."""
    stop: Array
    """(stored nodes,): one past the last leaf under a node."""
    levels: Array
    """(depths + 1,): the stored nodes of a depth are `levels[depth]` to `levels[depth + 1]`."""
    tokens: Array
    """-1, then the tokens of every leaf in order, each leaf's followed by -1."""
    offsets: Array
    """(identifiers + 1,): where the tokens of a leaf begin in `tokens`."""
    identifier: Array
    """(identifiers,): the identifier that is a leaf."""
    leaf: Array
    """(identifiers,): the leaf of an identifier."""
    largest: Array
    """(longest,): the largest token at each position of the identifiers."""
    tables: Array
    """(dense depths, 3): where the table of a depth begins in `dense`, its lowest token, and its width in tokens."""
    dense: Array
    """The edge by which a token leaves a node of a dense depth, or -1; a row for each node."""

    @classmethod
    def build(cls, sequences: Sequence[Sequence[int]] | NDArray[np.integer]) -> "Trie":
        """Build the trie in which identifier i is `sequences[i]`; lengths may differ.

        Args:
            sequences: one sequence of tokens per identifier; or a matrix of shape (identifiers, longest), in which
                shorter ones are padded with -1 at their end.

        Raises:
            ValueError: a sequence is empty or occurs twice, or a token lies outside 0 to 2**31 - 1.
        """
        padded = _matrix(sequences) if isinstance(sequences, np.ndarray) else _padded(sequences)
        order = _order(padded)
        padded = padded[order]
        common = _common_prefixes(padded)
        if padded.size and (twice := np.flatnonzero(common == padded.shape[1])).size:
            tokens = padded[twice[0]]
            raise ValueError(f"identifier {tokens[tokens >= 0].tolist()} occurs twice")
        return cls(**_stored_nodes(padded, common), **_leaves(padded, order))

    def __len__(self) -> int:
        """Number of identifiers."""
        return len(self.leaf)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    def to(self, device: Any) -> "Trie":
        """The same trie as torch tensors on a device; on a CPU they share the memory of numpy's arrays.

        Args:
            device: what torch takes for a device, such as "cuda".
        """
        return Trie(**{name: _tensor(getattr(self, name), device) for name in _ARRAYS})

    def children(self, node: int) -> tuple[Array, Array]:
        """(tokens, nodes) that may follow `node`, by ascending token; both empty for a dead or childless node."""
        return _children(self, node)

    def advance(self, nodes: Array, tokens: Array) -> Array:
        """Take one token from each node.

        Args:
            nodes: shape (n,).
            tokens: shape (n,).

        Returns:
            The nodes reached, shape (n,); -1 where no identifier goes on with the token.
        """
        xp = array_library(self.edges)
        nodes, tokens = self._integers(nodes), self._integers(tokens)
        after = xp.where((self._following(nodes) == tokens) & (tokens >= 0), nodes + 1, DEAD)
        stored = (nodes >= 0) & (nodes < len(self.start))
        if not len(self) or not bool(stored.any()):
            return after
        parents = xp.where(stored, nodes, ROOT)
        depths = self._depth(parents)
        edges = self._edge(parents, tokens, depths)
        reached = self._node(self.child[xp.where(edges >= 0, edges, 0)], depths)
        return xp.where(stored, xp.where(edges >= 0, reached, DEAD), after)

    def successors(self, nodes: Array) -> tuple[Array, Array, Array]:
        """What a step of a search asks of each node: what may follow, and what ends.

        Args:
            nodes: shape (n,).

        Returns:
            Tokens that may follow and the nodes that they lead to, shape (n, most) each, by ascending token and padded
            with -1 at the end, where `most` is the largest number that may follow any of the nodes, and at least 1;
            and the identifier that ends at each node or -1, shape (n,).
        """
        tokens, children, ending, _ = self._successors(self._integers(nodes))
        return tokens, children, ending

    def next_mask(self, nodes: Array, vocabulary: int) -> Array:
        """Which tokens may follow each node, shape (n, vocabulary); no token follows where a row is all False.

        Raises:
            ValueError: a token that may follow lies outside the vocabulary.
        """
        nodes = self._integers(nodes)
        edges, lowest = self._dense_rows(nodes)
        if edges is None:
            return _mask(self.successors(nodes)[0], vocabulary)
        return _placed(edges >= 0, lowest, vocabulary)

    def ends(self, nodes: Array) -> Array:
        """The identifier that ends at each node, shape (n,); -1 where none does."""
        nodes = self._integers(nodes)
        return self._ending(nodes, self._following(nodes), (nodes >= 0) & (nodes < len(self.start)))

    def decode(self, sequence: Sequence[int]) -> int:
        """The identifier that `sequence` spells, or -1."""
        return _decode(self, sequence)

    def sequences(self) -> list[list[int]]:
        """The sequences that the trie was built from, in that order."""
        offsets, tokens = self.offsets.tolist(), self.tokens.tolist()
        return [tokens[offsets[leaf] : offsets[leaf + 1] - 1] for leaf in self.leaf.tolist()]

    def allowed(self, identifiers: Array) -> "AllowedSet":
        """Restrict the trie to some identifiers.

        Args:
            identifiers: integers of shape (m,); repeats are fine.

        Raises:
            ValueError: the set is empty (which must not mean "anything goes"), or names an unknown identifier.
            TypeError: the array does not hold integers.
        """
        chosen = np.asarray(identifiers)
        if not chosen.size:
            raise ValueError("an allowed set must hold at least one identifier")
        if not np.issubdtype(chosen.dtype, np.integer):
            raise TypeError(f"an allowed set holds identifiers (integers), not {chosen.dtype}")
        if chosen.min() < 0 or chosen.max() >= len(self):
            raise ValueError(f"an allowed set names identifiers outside 0 to {len(self) - 1}")
        xp = array_library(self.edges)
        before = xp.zeros(len(self) + 1, dtype=xp.int32, device=self.edges.device)
        before[self.leaf[self._integers(chosen)] + 1] = 1
        return AllowedSet(self, xp.cumsum(before, 0, dtype=xp.int32))

    def save(self, folder: Path) -> None:
        """Write each array as a .npy file into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", np.asarray(getattr(self, name)))

    @classmethod
    def load(cls, folder: Path) -> "Trie":
        """Map what `save` wrote into memory; pages are read as they are walked.

        Raises:
            FileNotFoundError: an array is missing.
        """
        return cls(**{name: _mapped(folder / f"{name}.npy") for name in _ARRAYS})

    def _integers(self, values: Array) -> Array:
        xp = array_library(self.edges)
        return xp.asarray(values, dtype=xp.int64, device=self.edges.device)

    def _depth(self, stored: Array) -> Array:
        """Tokens between the root and each stored node."""
        return array_library(self.edges).searchsorted(self.levels, stored, side="right") - 1

    @property
    def _longest(self) -> int:
        return max(len(self.largest), 1)

    def _following(self, nodes: Array) -> Array:
        """The token after each node below the last fork of its leaf, or -1."""
        below = nodes >= len(self.start)
        place = array_library(self.edges).where(below, nodes - len(self.start), 0)
        return self.tokens[(self.offsets[place // self._longest] + place % self._longest + 1) * below]

    def _node(self, child: Array, depth: Array) -> Array:
        """The node that an entry of `child` stands for, if its parent has this depth."""
        below = ~child * self._integers(self._longest) + (depth + len(self.start))
        return array_library(self.edges).where(child < 0, below, child)

    def _edge(self, parents: Array, tokens: Array, depths: Array) -> Array:
        """The edge by which each token leaves its stored node, or -1."""
        xp = array_library(self.edges)
        if bool((depths < len(self.tables)).all()):
            begin, lowest, width = self.tables[depths].T
            column = tokens - lowest
            inside = (column >= 0) & (column < width)
            entry = begin + (parents - self.levels[depths]) * width + column
            return xp.where(inside, self.dense[xp.where(inside, entry, 0)], DEAD)
        wanted = xp.where((tokens >= 0) & (tokens <= MAX_TOKEN), parents << 32 | tokens, DEAD)
        edge = xp.searchsorted(self.edges, wanted)
        edge = xp.where(edge < len(self.edges), edge, 0)
        return xp.where(self.edges[edge] == wanted, edge, DEAD)

    def _dense_rows(self, nodes: Array) -> tuple[Array, int]:
        """(rows of `dense`, their lowest token) of nodes of a single dense depth, or (None, 0) if they are others."""
        if not len(self.tables) or not len(nodes) or not bool(((nodes >= 0) & (nodes < len(self.start))).all()):
            return None, 0
        depths = self._depth(nodes)
        depth = int(depths[0])
        if depth >= len(self.tables) or not bool((depths == depth).all()):
            return None, 0
        begin, lowest, width = self.tables[depth].tolist()
        rows = begin + (nodes - self.levels[depth])[:, None] * width
        return self.dense[rows + array_library(nodes).arange(width, device=self.edges.device)], lowest

    def _range(self, nodes: Array) -> tuple[Array, Array]:
        """(first leaf, one past the last leaf) under each node; those of the root for a dead one."""
        xp = array_library(self.edges)
        stored = nodes < len(self.start)
        parents = xp.where(stored & (nodes >= 0), nodes, ROOT)
        leaves = (nodes - len(self.start)) // self._longest
        return xp.where(stored, self.start[parents], leaves), xp.where(stored, self.stop[parents], leaves + 1)

    def _ending(self, nodes: Array, following: Array, stored: Array) -> Array:
        """`ends`, of nodes whose `_following` is known, and whether they are stored."""
        xp = array_library(self.edges)
        ended = (nodes >= len(self.start)) & (following < 0)
        if len(self) and bool(stored.any()):
            parents = xp.where(stored, nodes, ROOT)
            after = self.offsets[self.start[parents]] + self._depth(parents)
            ended = xp.where(stored, self.tokens[after] < 0, ended)
        nothing = xp.full_like(nodes, DEAD)
        return xp.where(ended, self.identifier[self._range(nodes)[0]], nothing) if bool(ended.any()) else nothing

    def _successors(self, nodes: Array) -> tuple[Array, Array, Array, Array]:
        """`successors`, and for those of stored nodes their entry of `child`, shape (n, most)."""
        xp = array_library(self.edges)
        following = self._following(nodes)
        stored = (nodes >= 0) & (nodes < len(self.start))
        ending = self._ending(nodes, following, stored)
        following = self._integers(following)[:, None]
        after = xp.where(following >= 0, nodes[:, None] + 1, DEAD)
        if not len(self) or not bool(stored.any()):
            return following, after, ending, xp.zeros_like(following)
        parents = xp.where(stored, nodes, ROOT)
        begin = self.first[parents]
        width = xp.where(stored, self.first[parents + 1] - begin, 0)
        columns = xp.arange(max(int(width.max()), 1), device=self.edges.device)
        inside = columns < width[:, None]
        edges = xp.where(inside, begin[:, None] + columns, 0)
        child = self.child[edges]
        tokens = xp.where(inside, self.edges[edges] & MAX_TOKEN, DEAD)
        children = xp.where(inside, self._node(child, self._depth(parents)[:, None]), DEAD)
        tokens[:, :1] = xp.where(stored[:, None], tokens[:, :1], following)
        children[:, :1] = xp.where(stored[:, None], children[:, :1], after)
        return tokens, children, ending, child


@dataclass(frozen=True, slots=True, eq=False)
class AllowedSet:
    """A trie restricted to some of its identifiers, with the same methods and the same node numbers.

    A node is allowed if an allowed identifier lies under it. Make one with `Trie.allowed`.
    """

    trie: Trie
    before: Array
    """(identifiers + 1,): number of allowed leaves before each leaf."""

    def __len__(self) -> int:
        """Number of allowed identifiers."""
        return int(self.before[-1])

    def to(self, device: Any) -> "AllowedSet":
        """Like `Trie.to`."""
        return AllowedSet(self.trie.to(device), _tensor(self.before, device))

    def children(self, node: int) -> tuple[Array, Array]:
        """Like `Trie.children`, without the children that lead to no allowed identifier."""
        return _children(self, node)

    def advance(self, nodes: Array, tokens: Array) -> Array:
        """Like `Trie.advance`, and -1 where no allowed identifier goes on with the token."""
        after = self.trie.advance(nodes, tokens)
        return array_library(after).where(self._live(after), after, DEAD)

    def successors(self, nodes: Array) -> tuple[Array, Array, Array]:
        """Like `Trie.successors`, with -1 in place of what leads to or is no allowed identifier."""
        xp, trie = array_library(self.before), self.trie
        nodes = trie._integers(nodes)
        tokens, children, ending, child = trie._successors(nodes)
        live = self._live(nodes)[:, None]
        stored = (nodes < len(trie.start))[:, None]
        if bool(stored.any()):
            below = self._lives(child)
            below[:, :1] = xp.where(stored, below[:, :1], live)
            live = below
        return xp.where(live, tokens, DEAD), xp.where(live, children, DEAD), self._allowed(ending)

    def next_mask(self, nodes: Array, vocabulary: int) -> Array:
        """Like `Trie.next_mask`, shape (n, vocabulary): the tokens that lead to an allowed identifier.

        Raises:
            ValueError: a token that may follow lies outside the vocabulary.
        """
        nodes = self.trie._integers(nodes)
        edges, lowest = self.trie._dense_rows(nodes)
        if edges is None:
            return _mask(self.successors(nodes)[0], vocabulary)
        xp = array_library(edges)
        child = self.trie.child[xp.where(edges >= 0, edges, 0)]
        return _placed((edges >= 0) & self._lives(child), lowest, vocabulary)

    def ends(self, nodes: Array) -> Array:
        """The allowed identifier that ends at each node, shape (n,); -1 where none does."""
        return self._allowed(self.trie.ends(nodes))

    def decode(self, sequence: Sequence[int]) -> int:
        """The allowed identifier that `sequence` spells, or -1."""
        return _decode(self, sequence)

    def _allowed(self, identifiers: Array) -> Array:
        """The identifiers, with -1 in place of those that are not allowed."""
        if not bool((identifiers >= 0).any()):
            return identifiers
        xp = array_library(identifiers)
        leaf = self.trie.leaf[xp.where(identifiers >= 0, identifiers, 0)]
        allowed = (identifiers >= 0) & (self.before[leaf + 1] > self.before[leaf])
        return xp.where(allowed, identifiers, DEAD)

    def _lives(self, child: Array) -> Array:
        """Whether an allowed leaf lies under each entry of `child`."""
        xp = array_library(child)
        several, leaf = child >= 0, ~child
        stored = xp.where(several, child, ROOT)
        begin = xp.where(several, self.trie.start[stored], leaf)
        end = xp.where(several, self.trie.stop[stored], leaf + 1)
        return self.before[end] > self.before[begin]

    def _live(self, nodes: Array) -> Array:
        """Whether an allowed leaf lies under each node, shape (n,); never under a dead one."""
        begin, end = self.trie._range(nodes)
        return (nodes >= 0) & (self.before[end] > self.before[begin])


_ARRAYS = tuple(Trie.__dataclass_fields__)


def array_library(array: Array) -> Any:
    """numpy or torch, whichever an array belongs to; code for both calls only what they name alike."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def _tensor(array: Array, device: Any) -> Array:
    import torch

    return torch.as_tensor(array, device=device)


def _mapped(path: Path) -> Array:
    """An array in a file, mapped so that nobody writes to the file; an empty one cannot be mapped."""
    return np.asarray(np.load(path, mmap_mode="c"))


def _children(trie: Trie | AllowedSet, node: int) -> tuple[Array, Array]:
    tokens, nodes, _ = trie.successors([node])
    return tokens[0][tokens[0] >= 0], nodes[0][tokens[0] >= 0]


def _mask(tokens: Array, vocabulary: int) -> Array:
    """The rows of tokens, padded with -1, as truth values over the vocabulary."""
    xp = array_library(tokens)
    if len(tokens) and int(tokens.max()) >= vocabulary:
        raise ValueError(f"token {int(tokens.max())} may follow, but the vocabulary has only {vocabulary}")
    mask = xp.zeros((len(tokens), vocabulary), dtype=xp.bool, device=tokens.device)
    rows, columns = xp.where(tokens >= 0)
    mask[rows, tokens[rows, columns]] = True
    return mask


def _placed(allowed: Array, lowest: int, vocabulary: int) -> Array:
    """Truth values of the tokens from `lowest` on, as truth values over the vocabulary."""
    xp = array_library(allowed)
    width = min(allowed.shape[1], max(vocabulary - lowest, 0))
    if bool(allowed[:, width:].any()):
        token = lowest + int(xp.where(allowed.any(0))[0].max())
        raise ValueError(f"token {token} may follow, but the vocabulary has only {vocabulary}")
    mask = xp.zeros((len(allowed), vocabulary), dtype=xp.bool, device=allowed.device)
    mask[:, lowest : lowest + width] = allowed[:, :width]
    return mask


def _decode(trie: Trie | AllowedSet, sequence: Sequence[int]) -> int:
    nodes: Array = [ROOT]
    for token in sequence:
        nodes = trie.advance(nodes, [token])
    return int(trie.ends(nodes)[0])


def _padded(sequences: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    """The sequences, padded with -1 to the longest, so that a prefix sorts before its continuations."""
    lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
    if lengths.size and not lengths.min():
        raise ValueError("an identifier needs at least one token")
    tokens = np.fromiter(chain.from_iterable(sequences), np.int64, int(lengths.sum()))
    if tokens.size and (tokens.min() < 0 or tokens.max() > MAX_TOKEN):
        raise ValueError(f"identifier tokens lie in 0 to {MAX_TOKEN}")
    longest = int(lengths.max(initial=0))
    rows = np.full((len(lengths), longest), DEAD, dtype=np.int32)
    rows[np.arange(longest) < lengths[:, None]] = tokens
    return rows


def _matrix(tokens: NDArray[np.integer]) -> NDArray[np.int32]:
    """A matrix of identifiers as `_padded` gives it, refused for the same faults."""
    if tokens.ndim != 2 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"identifiers are a matrix of integers, not {tokens.dtype} of {tokens.ndim} dimensions")
    if tokens.size and (tokens.min() < DEAD or tokens.max() > MAX_TOKEN):
        raise ValueError(f"identifier tokens lie in 0 to {MAX_TOKEN}, with {DEAD} after the last")
    rows = tokens.astype(np.int32)
    if len(rows) and (not rows.shape[1] or (rows[:, 0] < 0).any()):
        raise ValueError("an identifier needs at least one token")
    if any(((before < 0) & (after >= 0)).any() for before, after in zip(rows.T, rows.T[1:], strict=False)):
        raise ValueError(f"an identifier goes on after {DEAD}, which ends it")
    return rows[:, : np.count_nonzero((rows >= 0).any(axis=0))]


def _order(padded: NDArray[np.int32]) -> Ints:
    """The rows in the order of their sequences: as many columns as fit are sorted together as one number."""
    bits = (int(padded.max(initial=0)) + 1).bit_length()
    together = 63 // bits
    keys = []
    for begin in range(0, padded.shape[1], together):
        key = np.zeros(len(padded), dtype=np.int64)
        for column in padded.T[begin : begin + together]:
            key <<= bits
            key |= column + np.int64(1)
        keys.append(key)
    return np.lexsort(keys[::-1]) if keys else np.arange(len(padded))


def _common_prefixes(padded: NDArray[np.int32]) -> NDArray[np.int32]:
    """(rows + 1,): how many tokens each row shares with the row before; -1 before the first and after the last."""
    common = np.full(len(padded) + 1, DEAD, dtype=np.int32)
    same = np.ones(max(len(padded) - 1, 0), dtype=bool)
    common[1:-1] = 0
    for column in padded.T:
        same &= column[1:] == column[:-1]
        common[1:-1] += same
    return common


def _leaves(padded: NDArray[np.int32], order: Ints) -> dict[str, Array]:
    """The arrays of a trie that have an entry for each leaf or token, from rows in order."""
    count, longest = padded.shape
    lengths = np.count_nonzero(padded >= 0, axis=1)
    written = np.concatenate([padded, np.full((count, 1), DEAD, np.int32)], axis=1)
    written = written[np.arange(longest + 1) <= lengths[:, None]]
    number = np.int32 if len(written) < MAX_TOKEN else np.int64
    leaf = np.empty(count, dtype=np.int32)
    leaf[order] = np.arange(count, dtype=np.int32)
    return {
        "tokens": np.concatenate([np.full(1, DEAD, np.int32), written]),
        "offsets": np.concatenate([np.ones(1, np.int64), 1 + np.cumsum(lengths + 1)]).astype(number),
        "identifier": order.astype(np.int32),
        "leaf": leaf,
        "largest": padded.max(axis=0, initial=0).astype(np.int32),
    }


def _stored_nodes(padded: NDArray[np.int32], common: NDArray[np.int32]) -> dict[str, Array]:
    """The arrays of a trie that have an entry for each stored node or edge, from rows in order.

    Level by level: rows that share a prefix share a node, which is stored if there are several; the root always is.
    """
    before, after = common[:-1], common[1:]
    start, stop = [np.zeros(1, np.int64)], [np.array([len(padded)])]
    levels, keys, child = [0, 1], [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for depth in range(padded.shape[1]):
        begins = before <= depth
        if depth:
            begins &= (before >= depth) | (after >= depth)
        heads = np.flatnonzero(begins)
        if not heads.size:
            break
        parents = levels[depth] + np.cumsum(before[heads] < depth) - 1 if depth else np.zeros_like(heads)
        tokens = padded[heads, depth]
        heads, parents, tokens = heads[tokens >= 0], parents[tokens >= 0], tokens[tokens >= 0]
        several = after[heads] > depth
        numbers = levels[-1] + np.cumsum(several) - 1
        keys.append(parents << 32 | tokens)
        child.append(np.where(several, numbers, ~heads).astype(np.int32))
        start.append(heads[several])
        stop.append(np.flatnonzero((before > depth) & (after <= depth)) + 1)
        levels.append(levels[-1] + int(several.sum()))
    edges = np.concatenate(keys)
    offsets = np.array(levels, dtype=np.int64)
    return {
        "edges": edges,
        "child": np.concatenate(child),
        "first": np.searchsorted(edges, np.arange(levels[-1] + 1) << 32).astype(np.int32),
        "start": np.concatenate(start).astype(np.int32),
        "stop": np.concatenate(stop).astype(np.int32),
        "levels": offsets,
        **_dense_tables(edges, offsets, len(padded)),
    }


def _dense_tables(edges: Ints, levels: Ints, identifiers: int) -> dict[str, Array]:
    """Tables of the first levels, as long as they are small."""
    room = max(_DENSE, 2 * identifiers)
    tables, dense = list[tuple[int, int, int]](), [np.zeros(0, np.int32)]
    used = 0
    for begin, end in zip(levels[:-1].tolist(), levels[1:].tolist(), strict=True):
        low, high = np.searchsorted(edges, np.array([begin, end]) << 32).tolist()
        if low == high:
            break
        tokens = edges[low:high] & MAX_TOKEN
        lowest, width = int(tokens.min()), int(tokens.max() - tokens.min()) + 1
        if used + (end - begin) * width > room:
            break
        table = np.full((end - begin, width), DEAD, dtype=np.int32)
        table[(edges[low:high] >> 32) - begin, tokens - lowest] = np.arange(low, high)
        tables.append((used, lowest, width))
        dense.append(table.ravel())
        used += table.size
    return {"tables": np.array(tables, dtype=np.int64).reshape(-1, 3), "dense": np.concatenate(dense)}
