"""Binary heap of (key, what) records, smallest key first."""

from decoders.kernels.jit import kernel


@kernel
def push(queue, size, key, what):
    """Insert an item and return the new size. The caller checks the capacity.

    Args:
        queue: ITEM records; the first `size` are a heap; written.
    """
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if queue[above].key <= key:
            break
        queue[at].key = queue[above].key
        queue[at].what = queue[above].what
        at = above
    queue[at].key = key
    queue[at].what = what
    return size + 1


@kernel
def drop_first(queue, size):
    """Remove the item at index 0 and return the new size.

    Args:
        queue: ITEM records; the first `size` >= 1 are a heap; written.
    """
    size -= 1
    key = queue[size].key
    what = queue[size].what
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and queue[below + 1].key < queue[below].key:
            below += 1
        if queue[below].key >= key:
            break
        queue[at].key = queue[below].key
        queue[at].what = queue[below].what
        at = below
    queue[at].key = key
    queue[at].what = what
    return size
